-- People who are erased, step by step. Times are Unix milliseconds.

-- name: order
-- $1 receipt, $2 user_id, $3 source, $4 ordered_by or null, $5 session_id or null, $6 received_at_ms, $7 now_ms,
-- $8 cancellable_until_ms, $9 vendors_by_ms, $10 due_by_ms, $11 not before. The receipt; no row: one is open, or it
-- is somebody who is nobody already.
insert into erasures (receipt, user_id, source, ordered_by, session_id, received_at_ms, verified_at_ms,
    cancellable_until_ms, vendors_by_ms, due_by_ms, next_at_ms)
select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
where not exists (
    select from people join subject_keys on subject_id = id
    where id = $2 and people.created_at_ms = 0 and wrapped is null
)
on conflict (user_id) where state in ('requested', 'waiting', 'running') do nothing
returning receipt

-- name: came_earlier
-- $1 user_id, $2 received_at_ms, $3 vendors_by_ms, $4 due_by_ms. An open one was wished for before that as well, in
-- another way. No row: it was not.
update erasures set received_at_ms = $2, vendors_by_ms = least(vendors_by_ms, $3), due_by_ms = least(due_by_ms, $4)
where user_id = $1 and state in ('requested', 'waiting', 'running') and received_at_ms > $2
returning receipt

-- name: nobody
-- $1 id. Whether this is what stands in the place of somebody who was erased.
select exists (
    select from people join subject_keys on subject_id = id
    where id = $1 and people.created_at_ms = 0 and wrapped is null
)

-- name: take_over
-- $1 user_id, $2 source, $3 ordered_by, $4 session_id. What somebody asked for themselves may not be taken back any
-- more, as others want it too; when it is due stays as it was.
update erasures set besides = case when source in ('self', 'email') then source else besides end,
    source = $2, ordered_by = $3, session_id = $4
where user_id = $1 and state in ('requested', 'waiting', 'running') and source <> $2
returning receipt

-- name: cancel
-- $1 user_id, $2 now_ms. What the person, or an admin for them, asked for; within its grace.
update erasures set state = 'cancelled', waits_for = null, cancelled_at_ms = $2
where user_id = $1 and state in ('requested', 'waiting') and step = 0 and cancellable_until_ms > $2
    and source in ('self', 'email')
returning receipt

-- name: overrule
-- $1 user_id, $2 source, $3 now_ms. No row: there is nothing to stop, or a suspension for this reason stands. What
-- they wished for themselves goes on as that.
update erasures set state = case when besides is null then 'cancelled' else 'requested' end, waits_for = null,
    cancelled_at_ms = case when besides is null then $3::bigint end, source = coalesce(besides, source),
    ordered_by = case when besides is null then ordered_by end,
    session_id = case when besides is null then session_id end, besides = null
where user_id = $1 and source = $2 and state in ('requested', 'waiting', 'running') and step = 0
    and not exists (select from suspensions where user_id = $1 and reason = $2 and lifted_at_ms is null)
returning receipt

-- name: pending
-- $1 user_id
select exists (select from erasures where user_id = $1 and state in ('requested', 'waiting', 'running'))

-- name: latest
-- $1 user_id
select receipt, user_id, source, state, waits_for, received_at_ms, cancellable_until_ms, due_by_ms, step, done_at_ms
from erasures where user_id = $1 order by received_at_ms desc, receipt desc limit 1

-- name: by_receipt
-- $1 receipt
select receipt, user_id, source, state, waits_for, received_at_ms, cancellable_until_ms, due_by_ms, step, done_at_ms
from erasures where receipt = $1

-- name: listed
-- $1 only those that are open, $2 before this receipt or null, $3 limit. The newest first.
select receipt, user_id, source, state, waits_for, received_at_ms, cancellable_until_ms, due_by_ms, step, done_at_ms
from erasures
where (not $1::boolean or state in ('requested', 'waiting', 'running')) and ($2::uuid is null or receipt < $2)
order by receipt desc
limit $3

-- name: contested
-- $1 user_id. It was cancelled, or nobody has decided yet what they say against it.
select exists (
    select from appeals join moderation_actions on moderation_actions.id = appeals.action_id
    join erasures on erasures.user_id = moderation_actions.user_id and erasures.source = moderation_actions.reason
    where moderation_actions.user_id = $1 and erasures.state in ('requested', 'waiting', 'running')
        and moderation_actions.action = 'suspend' and appeals.status = 'open'
) or not exists (select from erasures where user_id = $1 and state in ('requested', 'waiting', 'running'))

-- name: due
-- $1 now_ms, $2 limit, $3 lease_ms. Whoever takes one has it to itself for the lease.
with taken as (
    select receipt from erasures where state in ('requested', 'waiting', 'running') and next_at_ms <= $1
    order by next_at_ms
    limit $2
    for update skip locked
)
update erasures set next_at_ms = $1::bigint + $3::bigint, attempts = attempts + 1
from taken where erasures.receipt = taken.receipt
returning erasures.receipt, user_id, source, ordered_by, session_id, step, attempts, received_at_ms

-- name: stepped
-- $1 receipt, $2 the step that is done now, $3 next_at_ms. It only moves forward; no row: it was cancelled.
update erasures set step = $2, attempts = 0, state = 'running', waits_for = null, next_at_ms = $3
where receipt = $1 and step < $2 and state in ('requested', 'waiting', 'running')
returning receipt

-- name: waits
-- $1 receipt, $2 what for, $3 next_at_ms
update erasures set state = 'waiting', waits_for = $2, next_at_ms = $3
where receipt = $1 and state in ('requested', 'waiting', 'running')

-- name: again
-- $1 receipt, $2 next_at_ms
update erasures set next_at_ms = $2 where receipt = $1 and state in ('requested', 'waiting', 'running')

-- name: done
-- $1 receipt, $2 user_id, $3 now_ms. From here on nothing in the row says who it was, nor in older rows of theirs.
-- No row: somebody else did it.
with older as (
    update erasures set user_id = null, session_id = null where user_id = $2 and receipt <> $1 and state = 'cancelled'
)
update erasures set state = 'done', user_id = null, session_id = null, waits_for = null, done_at_ms = $3
where receipt = $1 and state in ('requested', 'waiting', 'running')
returning receipt

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
) or exists (select from restitutions where guest_id = $1 and done_at_ms is null)
or exists (
    select from bookings where (guest_id = $1 or practitioner_id = $1) and state in ('booked', 'started')
) or exists (
    select from recordings
    where (guest_id = $1 or practitioner_id = $1) and state in ('requested', 'acquired', 'recording')
)

-- name: disputed
-- $1 user_id. A bank, or an admin, has still to decide about money that was theirs.
select exists (
    select from participants mine join disputes on disputes.session_id = mine.session_id
        and (mine.no = 0 or disputes.participant_no = mine.no)
    where mine.user_id = $1 and disputes.closed_at_ms is null
) or exists (
    select from participants mine join refunds on refunds.session_id = mine.session_id
        and (mine.no = 0 or refunds.participant_no = mine.no)
    where mine.user_id = $1 and refunds.state in ('pending_approval', 'approved')
) or exists (
    select from fraud_reviews where subject = $1::text and subject_kind = 'practitioner' and state in ('open', 'held')
)

-- name: sessions_of
-- $1 user_ids, $2 after session_id or null, $3 limit
select distinct session_id from participants
where user_id = any ($1::uuid[]) and ($2::uuid is null or session_id > $2)
order by session_id
limit $3

-- name: to_alert
-- $1 now_ms, $2 limit. Open ones of which nobody was told yet how late it is: 1 ten days before the end, 2 three days
-- before it, 3 when it is over.
select receipt, step, waits_for, received_at_ms, due_by_ms, level from (
    select receipt, step, waits_for, received_at_ms, due_by_ms, alerted, case
        when due_by_ms <= $1 then 3
        when due_by_ms - 259200000 <= $1 then 2
        when due_by_ms - 864000000 <= $1 then 1
        else 0 end as level
    from erasures where state in ('requested', 'waiting', 'running') and due_by_ms - 864000000 <= $1
) late
where level > alerted
order by due_by_ms
limit $2

-- name: alerted
-- $1 receipt, $2 level. No row: another worker told.
update erasures set alerted = $2 where receipt = $1 and alerted < $2
returning receipt

-- name: figures
-- $1 now_ms
select count(*) as open, count(*) filter (where due_by_ms - 864000000 <= $1) as late,
    count(*) filter (where due_by_ms <= $1) as overdue
from erasures where state in ('requested', 'waiting', 'running')

-- name: forget_findings
-- $1 user_id, $2 pseudonym. Before their cards are forgotten: a finding about a card is known by its fingerprint.
select forget_findings($1, $2)

-- name: shell
-- $1 pseudonym, $2 user_id, $3 name. What others see instead; the second time it is there.
insert into people (id, role, name, created_at_ms)
select $1, role, $3, 0 from people where id = $2
on conflict (id) do nothing

-- name: kicks_of
-- $1 user_id, $2 now_ms, $3 limit. Channels out of which a vendor still keeps them.
select session_id, channel, uid, rule_id from media_kicks
where user_id = $1 and until_ms > $2 and state = 'done' and rule_id is not null
order by id
limit $3

-- name: account_of
-- $1 user_id
select stripe_account from practices where practitioner_id = $1

-- name: request_access
-- $1 id, $2 user_id, $3 recorded_by, $4 received_at_ms, $5 due_by_ms
insert into access_requests (id, user_id, recorded_by, received_at_ms, due_by_ms) values ($1, $2, $3, $4, $5)

-- name: answer_access
-- $1 id, $2 answered_by, $3 now_ms. No row: it was answered before, or there is none.
update access_requests set answered_by = $2, answered_at_ms = $3 where id = $1 and answered_at_ms is null
returning user_id

-- name: access_request
-- $1 id
select id, user_id, received_at_ms, due_by_ms, answered_at_ms from access_requests where id = $1

-- name: access_requests
-- $1 only those that are open, $2 before this id or null, $3 limit. The newest first.
select id, user_id, received_at_ms, due_by_ms, answered_at_ms from access_requests
where (not $1::boolean or answered_at_ms is null) and ($2::uuid is null or id < $2)
order by id desc
limit $3

-- name: foreign_keys
-- Which table refers to which.
select distinct conrelid::regclass::text as child, confrelid::regclass::text as parent from pg_constraint
where contype = 'f' and connamespace = 'public'::regnamespace and conrelid <> confrelid
