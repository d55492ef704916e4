-- Who is staff, and changes of roles on their way to the identity provider. Times are Unix milliseconds.

-- name: locked_admins
-- All admins, locked in one order: of two changes at once, the second sees what the first did.
select id from people where role = 'admin' order by id for update

-- name: role_of
-- $1 user_id. Locked, so that two changes of one person take turns.
select role from people where id = $1 for update

-- name: set_role
-- $1 user_id, $2 role
update people set role = $2, version = version + 1 where id = $1 and role <> $2

-- name: order
-- $1 id, $2 user_id, $3 role, $4 previous, $5 ordered_by, $6 now_ms, $7 lease_ms
insert into role_changes (id, user_id, role, previous, ordered_by, next_at_ms, created_at_ms)
values ($1, $2, $3, $4, $5, $6::bigint + $7::bigint, $6)
on conflict (user_id) where state = 'pending' do nothing
returning id

-- name: due
-- $1 now_ms, $2 limit, $3 lease_ms. Whoever takes one has it to itself for the lease.
with taken as (
    select id from role_changes where state = 'pending' and next_at_ms <= $1
    order by next_at_ms
    limit $2
    for update skip locked
)
update role_changes set next_at_ms = $1::bigint + $3::bigint, attempts = attempts + 1
from taken where role_changes.id = taken.id
returning role_changes.id, user_id, role, attempts

-- name: done
-- $1 id, $2 state, $3 now_ms
update role_changes set state = $2, done_at_ms = $3 where id = $1 and state = 'pending'

-- name: again
-- $1 id, $2 next_at_ms
update role_changes set next_at_ms = $2 where id = $1 and state = 'pending'

-- name: found
-- $1 an id or an e-mail address, exactly, $2 limit
select id, role, name, email, created_at_ms from people
where (lower(email) = lower($1) and $1 <> '') or id::text = lower($1)
order by id
limit $2
