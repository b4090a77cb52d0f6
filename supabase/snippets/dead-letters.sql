-- Messages that could not be delivered, and why.
select id, channel, kind, failed_at, attempts, last_error, payload from outbox where failed_at is not null order by id desc limit 100;
