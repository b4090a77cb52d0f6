-- Let a user see (viewer), steer (operator) or govern (admiral) the platform; his id is under Authentication, Users.
insert into operators (user_id, role) values ('3f0c6a52-6f0e-4c57-9b0a-1c1b7e6f9d10', 'operator')
on conflict (user_id) do update set role = excluded.role;
