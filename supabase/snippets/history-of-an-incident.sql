-- All moves of the newest incident, and who made them; for another one write its id.
select a.created_at, a.action, a.actor, a.result, a.payload
from audit_log a where a.subsystem = 'incidents' and a.resource = 'incident:' || (select max(id) from incidents)
order by a.immutable_seq;
