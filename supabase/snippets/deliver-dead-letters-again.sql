-- Deliver the last day's dead letters after all, once the channel works again.
update outbox set failed_at = null, attempts = 0 where failed_at > now() - interval '1 day';
