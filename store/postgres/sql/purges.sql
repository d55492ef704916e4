-- People who are to be removed for good, step by step. Times are Unix milliseconds.

-- name: order
-- $1 user_id, $2 reason, $3 ordered_by, $4 session_id or null, $5 not before, $6 now_ms. No row: it was ordered
-- before. One that was cancelled is ordered anew.
insert into purges as kept (user_id, reason, ordered_by, session_id, next_at_ms, ordered_at_ms)
values ($1, $2, $3, $4, $5, $6)
on conflict (user_id) do update set reason = excluded.reason, ordered_by = excluded.ordered_by,
    session_id = excluded.session_id, next_at_ms = excluded.next_at_ms, ordered_at_ms = excluded.ordered_at_ms,
    step = 0, attempts = 0, cancelled_at_ms = null
where kept.cancelled_at_ms is not null
returning user_id

-- name: cancel
-- $1 user_id, $2 reason, $3 now_ms. No row: there is nothing to stop, or a suspension for this reason stands.
update purges set cancelled_at_ms = $3
where user_id = $1 and reason = $2 and done_at_ms is null and cancelled_at_ms is null
    and not exists (select from suspensions where user_id = $1 and reason = $2 and lifted_at_ms is null)
returning user_id

-- name: contested
-- $1 user_id
select exists (select from purges where user_id = $1 and cancelled_at_ms is not null) or exists (
    select from appeals join moderation_actions on moderation_actions.id = appeals.action_id
    join purges on purges.user_id = moderation_actions.user_id and purges.reason = moderation_actions.reason
    where moderation_actions.user_id = $1 and moderation_actions.action = 'suspend' and appeals.status = 'open'
)

-- name: due
-- $1 now_ms, $2 limit, $3 lease_ms. Whoever takes one has it to itself for the lease.
with taken as (
    select user_id from purges where done_at_ms is null and cancelled_at_ms is null and next_at_ms <= $1
    order by next_at_ms
    limit $2
    for update skip locked
)
update purges set next_at_ms = $1::bigint + $3::bigint, attempts = attempts + 1
from taken where purges.user_id = taken.user_id
returning purges.user_id, reason, ordered_by, session_id, step, attempts, ordered_at_ms

-- name: stepped
-- $1 user_id, $2 the step that is done now, $3 next_at_ms. It only moves forward.
update purges set step = $2, attempts = 0, next_at_ms = $3 where user_id = $1 and step < $2 and done_at_ms is null
    and cancelled_at_ms is null

-- name: again
-- $1 user_id, $2 next_at_ms
update purges set next_at_ms = $2 where user_id = $1 and done_at_ms is null

-- name: done
-- $1 user_id, $2 now_ms. No row: somebody else did it.
update purges set done_at_ms = $2 where user_id = $1 and done_at_ms is null
returning user_id

-- name: unsettled
-- $1 user_id. A session of theirs that is not over with everything that follows from it. What waits for the
-- practitioner's side alone needs nothing of the guest's.
select exists (
    select from participants mine join sessions on sessions.id = mine.session_id
    where mine.user_id = $1 and sessions.state not in ('declined', 'expired', 'cancelled')
        and sessions.settled_at_ms is null
) or exists (
    select from participants mine join payment_ops on payment_ops.session_id = mine.session_id
        and (mine.no = 0 or payment_ops.participant_no = mine.no)
    where mine.user_id = $1 and payment_ops.state in ('pending', 'in_flight', 'unknown')
        and (mine.no = 0 or payment_ops.kind not in ('transfer', 'reversal', 'evidence'))
)

-- name: restitution_open
-- $1 user_id
select exists (select from restitutions where guest_id = $1 and done_at_ms is null)

-- name: sessions_of
-- $1 user_id, $2 after session_id or null, $3 limit
select session_id from participants
where user_id = $1 and ($2::uuid is null or session_id > $2)
order by session_id
limit $3

-- name: forget_card
-- $1 user_id
delete from cards where person_id = $1

-- name: forget_customer
-- $1 user_id
delete from customers where person_id = $1

-- name: empty_profile
-- $1 user_id, $2 name: what is shown instead
update people set name = $2, email = '', phone = null, country = null, version = version + 1 where id = $1

-- name: empty_practice
-- $1 user_id
update practices set headline = '', topics = '{}', accepts_instant = false, verified_at_ms = null
where practitioner_id = $1

-- name: forget_payer
-- $1 user_id
select forget_payer($1)

-- name: forget_findings
-- $1 user_id. Before their cards are forgotten: a finding about a card is known by its fingerprint.
select forget_findings($1)

-- name: forget_sightings
-- $1 user_id. What was noted about devices, networks and cards, for looking at fraud.
with seen as (delete from fraud_sightings where person_id = $1),
    moved as (delete from fraud_destinations where practitioner_id = $1)
delete from fraud_cards where person_id = $1

-- name: bury
-- $1 user_id, $2 reason, $3 now_ms
insert into tombstones (user_id, reason, erased_at_ms) values ($1, $2, $3)
on conflict (user_id) do nothing
