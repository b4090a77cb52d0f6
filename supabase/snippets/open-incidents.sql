-- What is wrong now, the gravest first, and who has taken it.
select id, priority, status, title, details ->> 'detail' as detail, attempts, opened_at, acknowledged_by
from incidents where status not in ('RESOLVED', 'CLOSED') order by priority, opened_at;
