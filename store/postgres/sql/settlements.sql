-- Settlements, the spans they rest on, and the ledger.

-- name: holds
-- $1 session_id, $2 participant_no: the guest's holds in order.
select * from payment_ops where session_id = $1 and participant_no = $2 and kind = 'hold'
order by ordinal, attempt

-- name: destination
-- $1 practitioner_id: the connected account, if Stripe pays out to it.
select stripe_account from practices where practitioner_id = $1 and transfers_active

-- name: insert_settlement
-- $1 session_id, $2 participant_no, $3 billed_ms, $4 free_ms, $5 rate_minor_per_minute, $6 subtotal_minor,
-- $7 fee_minor, $8 practitioner_minor, $9 total_minor, $10 promotion_minor, $11 currency, $12 waived, $13 kind,
-- $14 now_ms, and of each span $15 participant_no, $16 kind, $17 ordinal, $18 from_ms, $19 to_ms. No row: it was
-- settled before.
with settled as (
    insert into settlements (session_id, participant_no, billed_ms, free_ms, rate_minor_per_minute,
        subtotal_minor, fee_minor, practitioner_minor, total_minor, promotion_minor, currency, waived, kind,
        created_at_ms)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
    on conflict (session_id, participant_no) do nothing
    returning participant_no
), metered as (
    insert into intervals (session_id, participant_no, kind, ordinal, from_ms, to_ms)
    select $1, span.* from unnest($15::integer[], $16::text[], $17::integer[], $18::bigint[], $19::bigint[]) as span
    where exists (select from settled)
    on conflict do nothing
)
select participant_no from settled

-- name: book
-- $1 session_id, $2 participant_no, $3 kind, $4 ordinal, $5 now_ms, and of each entry $6 account,
-- $7 amount_minor, $8 currency. No row: it was booked before.
with booked as (
    insert into ledger_transactions (session_id, participant_no, kind, ordinal, created_at_ms)
    values ($1, $2, $3, $4, $5)
    on conflict (session_id, participant_no, kind, ordinal) do nothing
    returning id
)
insert into ledger_entries (transaction_id, line, account, amount_minor, currency)
select booked.id, side.line, side.account, side.amount_minor, side.currency
from booked, unnest($6::text[], $7::bigint[], $8::text[]) with ordinality
    as side (account, amount_minor, currency, line)
returning transaction_id

-- name: receipt (as authenticated)
-- $1 session_id, $2 participant_no or null for the first that the person may see.
select settlements.session_id, settlements.participant_no, sessions.practitioner_id,
    coalesce(host.name, '') as practitioner_name, guest.user_id as guest_id, coalesce(payer.name, '') as guest_name,
    settlements.currency, settlements.billed_ms, settlements.free_ms, settlements.rate_minor_per_minute,
    sessions.cap_minor, settlements.subtotal_minor, settlements.fee_minor, settlements.practitioner_minor,
    settlements.promotion_minor,
    done_minor(settlements.session_id, settlements.participant_no, 'tip') as tip_minor, settlements.total_minor,
    done_minor(settlements.session_id, settlements.participant_no, 'refund') as refunded_minor,
    settlements.waived, settlements.kind, greatest(sessions.live_at_ms, guest.entered_at_ms) as started_at_ms,
    coalesce(guest.part_ended_at_ms, sessions.ended_at_ms) as ended_at_ms,
    coalesce(guest.part_end_reason, sessions.end_reason) as end_reason,
    sessions.transcript_head,
    (
        select coalesce(jsonb_agg(jsonb_build_array(from_ms, to_ms) order by ordinal), '[]')
        from intervals
        where intervals.session_id = settlements.session_id and kind = 'billed'
            and intervals.participant_no = settlements.participant_no
    ) as intervals
from settlements
join sessions on sessions.id = settlements.session_id
join participants guest on guest.session_id = settlements.session_id and guest.no = settlements.participant_no
left join people payer on payer.id = guest.user_id
left join people host on host.id = sessions.practitioner_id
where settlements.session_id = $1 and ($2::integer is null or settlements.participant_no = $2)
order by settlements.participant_no
limit 1
