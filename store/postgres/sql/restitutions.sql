-- Everything back to a guest, or what they paid for one session. Times are Unix milliseconds.

-- name: order
-- $1 id, $2 guest_id, $3 session_id or null, $4 reason, $5 ordered_by, $6 now_ms. The one that is open, if one is.
insert into restitutions (id, guest_id, session_id, reason, ordered_by, at_ms) values ($1, $2, $3, $4, $5, $6)
on conflict (guest_id) where done_at_ms is null and scope = 'everything' do update set done_at_ms = null
returning id

-- name: order_of_session
-- $1 id, $2 guest_id, $3 session_id, $4 reason, $5 ordered_by, $6 now_ms. Once for each guest and session.
insert into restitutions (id, guest_id, session_id, reason, ordered_by, at_ms, scope)
values ($1, $2, $3, $4, $5, $6, 'session')
on conflict do nothing

-- name: open_restitutions
-- $1 limit. Those that were not looked at for the longest first, so that none waits for another to end.
select id, guest_id, session_id, reason, ordered_by, at_ms, done_at_ms, scope from restitutions
where done_at_ms is null order by looked_at_ms, at_ms, id limit $1

-- name: looked_at
-- $1 id, $2 now_ms
update restitutions set looked_at_ms = $2 where id = $1

-- name: is_ordered
-- $1 guest_id, $2 session_id: whether what they pay for it goes, or went, back to them.
select exists (
    select from restitutions where guest_id = $1 and (scope = 'everything' or session_id = $2)
)

-- name: collectable
-- $1 guest_id, $2 session_id or null for all, $3 limit: parts of sessions of which something that was collected has
-- not gone back. What waits for a second admin has not.
select participants.session_id, participants.no as participant_no
from participants
where participants.user_id = $1 and participants.no > 0 and ($2::uuid is null or participants.session_id = $2)
    and collected_minor(participants.session_id, participants.no)
        > returned_minor(participants.session_id, participants.no) - (
            select coalesce(sum(amount_minor), 0) from refunds
            where refunds.session_id = participants.session_id and participant_no = participants.no
                and state = 'pending_approval'
        )
order by participants.session_id
limit $3

-- name: undecided
-- $1 session_id, $2 participant_no: refunds that wait for a second admin.
select refunds.*, user_id as guest_id from refunds
join participants on participants.session_id = refunds.session_id and no = participant_no
where refunds.session_id = $1 and participant_no = $2 and state = 'pending_approval'
order by id

-- name: tries
-- $1 restitution_id, $2 session_id, $3 participant_no: when each refund of this part was made that failed.
select created_at_ms from refunds
where restitution_id = $1 and session_id = $2 and participant_no = $3 and state = 'failed'
order by created_at_ms

-- name: insert_whole_refund
-- $1 id, $2 session_id, $3 participant_no, $4 amount_minor, $5 currency, $6 reason, $7 requested_by,
-- $8 restitution_id, $9 now_ms. The rule is the reason: no second admin has to agree.
insert into refunds (id, session_id, participant_no, amount_minor, currency, reason, state, requested_by,
                     restitution_id, created_at_ms)
values ($1, $2, $3, $4, $5, $6, 'approved', $7, $8, $9)
returning *, (
    select user_id from participants
    where participants.session_id = refunds.session_id and no = refunds.participant_no
) as guest_id

-- name: unpaid_charges
-- $1 guest_id, $2 session_id or null for all: charges that wait for their time.
select payment_ops.* from participants
join payment_ops on payment_ops.session_id = participants.session_id
    and payment_ops.participant_no = participants.no
where participants.user_id = $1 and participants.no > 0 and ($2::uuid is null or participants.session_id = $2)
    and payment_ops.kind = 'charge'
    and payment_ops.state = 'pending' and payment_ops.first_sent_at_ms is null
order by payment_ops.id

-- name: is_unfinished
-- $1 guest_id, $2 restitution_id, $3 session_id or null for all: whether money of theirs may still come in or is on
-- its way back.
select exists (
    select from participants join sessions on sessions.id = participants.session_id
    where participants.user_id = $1 and participants.no > 0 and sessions.settled_at_ms is null
        and ($3::uuid is null or participants.session_id = $3)
        and sessions.state not in ('declined', 'expired', 'cancelled')
) or exists (
    select from participants
    join payment_ops on payment_ops.session_id = participants.session_id
        and payment_ops.participant_no = participants.no
    where participants.user_id = $1 and participants.no > 0
        and ($3::uuid is null or participants.session_id = $3)
        and payment_ops.kind in ('hold', 'capture', 'charge', 'tip', 'refund')
        and payment_ops.state in ('pending', 'in_flight', 'unknown')
) or exists (
    select from refunds where restitution_id = $2 and state = 'approved'
)

-- name: restitution_done
-- $1 id, $2 now_ms
update restitutions set done_at_ms = $2 where id = $1 and done_at_ms is null
