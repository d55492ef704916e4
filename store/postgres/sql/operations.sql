-- Operations at Stripe. A lease is named by the time at which it ends: a worker that lost its lease to another
-- no longer matches, so it can neither send nor report.

-- name: insert_operations
-- $1 session_id, then arrays of one element an operation: $2 participant_no, $3 kind, $4 ordinal, $5 attempt,
-- $6 amount_minor, $7 currency, $8 params, $9 idem_key, $10 next_at_ms; $11 now_ms.
insert into payment_ops (session_id, participant_no, kind, ordinal, attempt, amount_minor, currency, params,
                         idem_key, next_at_ms, created_at_ms)
select $1, wanted.*, $11
from unnest($2::integer[], $3::text[], $4::integer[], $5::integer[], $6::bigint[], $7::text[], $8::jsonb[],
            $9::text[], $10::bigint[]) as wanted
on conflict (session_id, participant_no, kind, ordinal, attempt) do nothing
returning id

-- name: due
-- $1 now_ms, $2 limit, $3 lease_ms. What is to be sent, or asked about, now; the oldest first.
with taken as (
    select id from payment_ops
    where state in ('pending', 'in_flight', 'unknown') and next_at_ms <= $1 and lease_until_ms <= $1
    order by next_at_ms, id
    limit $2
    for update skip locked
)
update payment_ops set lease_until_ms = $1::bigint + $3::bigint
from taken where payment_ops.id = taken.id
returning payment_ops.*

-- name: sent
-- $1 id, $2 lease_until_ms as leased, $3 now_ms, then of what Stripe is told by it: $4 purpose, $5 fields, $6 whether
-- it is about the practitioner. Committed before the call goes out. No row: the lease is lost.
with going as (
    update payment_ops set state = 'in_flight', first_sent_at_ms = coalesce(first_sent_at_ms, $3)
    where id = $1 and lease_until_ms = $2 and state in ('pending', 'in_flight', 'unknown')
    returning *
), told as (
    insert into disclosures as kept (person_id, vendor, purpose, day, fields, first_at_ms, times)
    select person.id, 'stripe', $4, (to_timestamp($3 / 1000.0) at time zone 'UTC')::date, $5::text[], $3, 1
    from going
    join participants part on part.session_id = going.session_id
        and part.no = case when $6::boolean then 0 else going.participant_no end
    join people person on person.id = part.user_id
    for key share of person
    on conflict (person_id, vendor, purpose, day) do update set fields = excluded.fields, times = kept.times + 1
)
select * from going

-- name: outcome
-- $1 id, $2 state, $3 stripe_id, $4 outcome, $5 next_at_ms. What is over stays as it is.
update payment_ops set state = $2, stripe_id = coalesce($3, stripe_id), outcome = coalesce($4, outcome),
    next_at_ms = $5, lease_until_ms = 0,
    applied_at_ms = case when $4::jsonb is null then applied_at_ms end
where id = $1 and state in ('pending', 'in_flight', 'unknown')
returning *

-- name: unapplied
-- $1 limit, $2 after id: outcomes whose effect has not reached the room.
select * from payment_ops where applied_at_ms is null and outcome is not null and id > $2 order by id limit $1

-- name: applied
-- $1 id, $2 outcome as it was applied, $3 now_ms. A newer outcome stays unapplied.
update payment_ops set applied_at_ms = $3 where id = $1 and outcome = $2 and applied_at_ms is null

-- name: apply_again
-- $1 session_id. Rooms count each hold once, so nothing happens to one that knows of it already.
update payment_ops set applied_at_ms = null
where session_id = $1 and kind = 'hold' and state in ('succeeded', 'failed') and applied_at_ms is not null

-- name: operation
-- $1 id
select * from payment_ops where id = $1

-- name: operations
-- $1 session_id: all there are, in the order in which they were wanted.
select * from payment_ops where session_id = $1 order by id

-- name: operations_on
-- $1 stripe_id
select * from payment_ops where stripe_id = $1 order by id

-- name: revise
-- $1 id, $2 the outcome that the caller saw, $3 state, $4 outcome. What is over moved on at Stripe (confirmed,
-- expired, cancelled). No row: somebody else noted something newer.
update payment_ops set state = $3, outcome = $4, applied_at_ms = null
where id = $1 and outcome = $2 and state in ('succeeded', 'failed') and $4 <> $2
returning *

-- name: retract
-- $1 id, $2 outcome, $3 now_ms. It was never sent, and never will be. No row: somebody is sending it.
update payment_ops set state = 'failed', outcome = $2, next_at_ms = $3, lease_until_ms = 0, applied_at_ms = null
where id = $1 and state = 'pending' and first_sent_at_ms is null
returning *
