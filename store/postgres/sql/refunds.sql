-- Refunds, and what they and lost disputes deduct from a charge. Times are Unix milliseconds.

-- name: lock_money
-- $1 session_id. Whoever decides about a session's money that goes on or back does it alone until it commits.
select id, practitioner_id, currency from sessions where id = $1 for no key update

-- name: insert_refund
-- $1 id, $2 session_id, $3 participant_no, $4 amount_minor, $5 currency, $6 reason, $7 state, $8 request_id,
-- $9 requested_by, $10 now_ms. No row: this request_id of theirs was used before.
insert into refunds (id, session_id, participant_no, amount_minor, currency, reason, state, request_id,
                     requested_by, created_at_ms)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (requested_by, request_id) do nothing
returning *, (
    select user_id from participants
    where participants.session_id = refunds.session_id and no = refunds.participant_no
) as guest_id

-- name: refund
-- $1 id
select refunds.*, user_id as guest_id from refunds
join participants on participants.session_id = refunds.session_id and no = participant_no
where id = $1

-- name: refund_requested
-- $1 requested_by, $2 request_id
select refunds.*, user_id as guest_id from refunds
join participants on participants.session_id = refunds.session_id and no = participant_no
where requested_by = $1 and request_id = $2

-- name: decide_refund
-- $1 id, $2 state, $3 decided_by, $4 now_ms. No row: it was decided before.
update refunds set state = $2, decided_by = $3, decided_at_ms = $4
where id = $1 and state = 'pending_approval'
returning *, (
    select user_id from participants
    where participants.session_id = refunds.session_id and no = refunds.participant_no
) as guest_id

-- name: finish_refund
-- $1 session_id, $2 participant_no, $3 deduction ordinal. Done once all its parts are; failed once one has.
update refunds set state = case when parts.failed then 'failed' else 'done' end
from (
    select refund_id, bool_or(last.state = 'failed') as failed,
        bool_and(last.state in ('succeeded', 'failed')) as over
    from deductions
    cross join lateral (
        select state from payment_ops
        where session_id = $1 and participant_no = $2 and kind = 'refund'
            and payment_ops.ordinal = deductions.ordinal
        order by attempt desc limit 1
    ) last
    where refund_id = (
        select refund_id from deductions where session_id = $1 and participant_no = $2 and ordinal = $3
    )
    group by refund_id
) parts
where refunds.id = parts.refund_id and parts.over and refunds.state in ('approved', 'failed', 'done')

-- name: refunds
-- $1 state or null for all, $2 before this id or null, $3 limit. The newest first.
select refunds.*, user_id as guest_id from refunds
join participants on participants.session_id = refunds.session_id and no = participant_no
where ($1::text is null or state = $1) and ($2::uuid is null or id < $2)
order by id desc
limit $3

-- name: refunded_alone
-- $1 session_id, $2 admin: what this admin has refunded of a session without a second one. What failed at Stripe
-- gave nobody anything.
select coalesce(sum(
    case when refunds.state = 'failed' then (
        select coalesce(sum(deductions.amount_minor), 0) from deductions
        where refund_id = refunds.id and exists (
            select from payment_ops
            where payment_ops.session_id = deductions.session_id and payment_ops.kind = 'refund'
                and payment_ops.participant_no = deductions.participant_no
                and payment_ops.ordinal = deductions.ordinal and payment_ops.state <> 'failed'
        )
    ) else refunds.amount_minor end
), 0)::bigint
from refunds
where session_id = $1 and requested_by = $2 and decided_by is null and restitution_id is null
    and state in ('approved', 'done', 'failed')

-- name: undecided_refunds
-- $1 session_id, $2 participant_no: whether some refund waits for an admin or for Stripe.
select exists (
    select from refunds where session_id = $1 and participant_no = $2
        and state in ('pending_approval', 'approved')
)

-- name: insert_deduction
-- $1 session_id, $2 participant_no, $3 kind, $4 charge, $5 amount_minor, $6 practitioner_minor, $7 refund_id,
-- $8 dispute_id, $9 now_ms. Under the session's lock.
insert into deductions (session_id, participant_no, ordinal, kind, charge, amount_minor, practitioner_minor,
                        refund_id, dispute_id, created_at_ms)
select $1, $2, coalesce(max(ordinal), 0) + 1, $3, $4, $5, $6, $7, $8, $9
from deductions where session_id = $1 and participant_no = $2
returning *

-- name: deductions
-- $1 session_id, $2 participant_no, in order.
select * from deductions where session_id = $1 and participant_no = $2 order by ordinal

-- name: earned_part
-- $1 session_id, $2 participant_no: what the practitioner earned by the settlement.
select practitioner_minor from settlements where session_id = $1 and participant_no = $2

-- name: promised_part
-- $1 session_id, $2 participant_no: what the platform owes the practitioner for free time by the settlement.
select promotion_minor from settlements where session_id = $1 and participant_no = $2

-- name: charged
-- $1 session_id, $2 participant_no: who that is.
select user_id from participants where session_id = $1 and no = $2

-- name: part_of
-- $1 session_id, $2 user_id or null for the only guest: the participant who was charged.
select no from participants
where session_id = $1 and no > 0 and ($2::uuid is null or user_id = $2)
order by no
limit 2
