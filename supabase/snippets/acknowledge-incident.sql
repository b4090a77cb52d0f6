-- Take the gravest incident that nobody has: it is neither escalated nor reminded of any more.
select acknowledge_incident(
  (select id from incidents where status in ('AUTO_HEALING', 'ESCALATED') order by priority, opened_at limit 1),
  'ops@example.com', 'I am looking at it');
