-- Disputes. Times are Unix milliseconds.

-- name: insert_dispute
-- $1 id, $2 session_id, $3 participant_no, $4 charge, $5 intent, $6 amount_minor, $7 currency, $8 reason,
-- $9 status, $10 due_by_ms, $11 opened_at_ms. Under the session's lock. No row: it is known.
insert into disputes (id, session_id, participant_no, ordinal, charge, intent, amount_minor, currency, reason,
                      status, due_by_ms, opened_at_ms)
select $1, $2, $3, coalesce(max(ordinal), 0) + 1, $4, $5, $6, $7, $8, $9, $10, $11
from disputes where session_id = $2 and participant_no = $3
on conflict (id) do nothing
returning *

-- name: dispute
-- $1 id
select * from disputes where id = $1

-- name: move_dispute
-- $1 id, $2 status, $3 due_by_ms, $4 closed_at_ms or null. What is closed stays closed.
update disputes set status = $2, due_by_ms = coalesce($3, due_by_ms), closed_at_ms = $4
where id = $1 and closed_at_ms is null
returning *

-- name: open_disputes
-- $1 session_id: whether a bank has still to decide about one of its charges.
select exists (select from disputes where session_id = $1 and closed_at_ms is null)

-- name: disputes
-- $1 only open ones, $2 before this id or null, $3 limit. The newest first, with what became of the evidence.
select disputes.*, (
    select case when outcome ->> 'code' = 'not_needed' then 'not_needed' else state end from payment_ops
    where payment_ops.session_id = disputes.session_id and kind = 'evidence'
        and payment_ops.participant_no = disputes.participant_no and payment_ops.ordinal = disputes.ordinal
    order by attempt desc limit 1
) as evidence_state, (
    select params -> 'body' -> 'evidence' from payment_ops
    where payment_ops.session_id = disputes.session_id and kind = 'evidence'
        and payment_ops.participant_no = disputes.participant_no and payment_ops.ordinal = disputes.ordinal
    order by attempt desc limit 1
) as evidence
from disputes
where (not $1::boolean or closed_at_ms is null)
    and ($2::text is null
         or (opened_at_ms, id) < (select last.opened_at_ms, last.id from disputes last where last.id = $2))
order by opened_at_ms desc, id desc
limit $3

-- name: metered
-- $1 session_id, $2 participant_no: what proves a charge, without a word of what was said.
select settlements.billed_ms, settlements.free_ms, settlements.rate_minor_per_minute,
    settlements.subtotal_minor, settlements.total_minor, settlements.currency, sessions.requested_at_ms,
    sessions.accepted_at_ms, sessions.live_at_ms, sessions.ended_at_ms, sessions.end_reason,
    sessions.message_count, sessions.transcript_head,
    (
        select coalesce(jsonb_agg(jsonb_build_array(participant_no, kind, from_ms, to_ms)
                                  order by kind, participant_no, ordinal), '[]')
        from intervals
        where intervals.session_id = settlements.session_id and participant_no in (0, $2)
    ) as intervals
from settlements join sessions on sessions.id = settlements.session_id
where settlements.session_id = $1 and settlements.participant_no = $2
