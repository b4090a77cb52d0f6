-- Everything that was decided and done about the latest failure of a service.
select a.created_at, a.actor, a.action, a.result, a.payload
from system_integrity_events e join audit_log a on a.resource = 'recovery:' || e.id
where e.id = (select id from system_integrity_events where service_name = 'slack' order by created_at desc limit 1)
order by a.immutable_seq;
