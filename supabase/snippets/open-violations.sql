-- What breaks an invariant now, the newest first.
select v.invariant, i.priority, v.entity, v.expected, v.actual, v.details, v.detected_at
from invariant_violations v join invariants i on i.name = v.invariant
where v.cleared_at is null order by v.detected_at desc limit 100;
