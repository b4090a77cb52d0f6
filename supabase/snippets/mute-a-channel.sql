-- Send no more messages to a channel.
update notification_channels set enabled = false where name = 'teams';
