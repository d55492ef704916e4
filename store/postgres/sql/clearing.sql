-- The platform's balance at Stripe against the ledger. Times are Unix milliseconds, money minor units.

-- name: insert_fee
-- $1 balance transaction, $2 session_id, $3 participant_no, $4 source, $5 amount_minor, $6 currency, $7 now_ms.
-- Under the session's lock. No row: it is booked.
insert into stripe_fees (id, session_id, participant_no, ordinal, source, amount_minor, currency, created_at_ms)
select $1, $2, $3, coalesce(max(ordinal), 0) + 1, $4, $5, $6, $7
from stripe_fees where session_id = $2 and participant_no = $3
on conflict (id) do nothing
returning ordinal

-- name: fee_booked
-- $1 balance transaction
select amount_minor from stripe_fees where id = $1

-- name: insert_movement
-- $1 balance transaction, $2 type, $3 net_minor, $4 currency, $5 now_ms
insert into platform_movements (id, type, net_minor, currency, created_at_ms) values ($1, $2, $3, $4, $5)
on conflict (id) do nothing

-- name: keep_movement
-- $1 balance transaction, $2 movement, $3 now_ms
insert into movements_kept (id, movement, since_ms) values ($1, $2, $3) on conflict (id) do nothing

-- name: kept_movements
-- $1 limit. The oldest first.
select movement, since_ms from movements_kept order by since_ms, id limit $1

-- name: forget_movement
-- $1 balance transaction
delete from movements_kept where id = $1

-- name: may_become
-- $1 kinds, $2 amount_minor, $3 currency: whether an operation of this amount is on its way, its answer unknown.
select exists (
    select from payment_ops
    where state in ('in_flight', 'unknown') and kind = any ($1::text[]) and amount_minor = $2 and currency = $3
)

-- name: clearing
-- What should lie at Stripe by currency: what the ledger has, and what is no session's affair.
select currency, sum(minor)::bigint as minor from (
    select currency, sum(amount_minor) as minor from ledger_entries
    where account = 'stripe_clearing' group by currency
    union all
    select currency, sum(net_minor) from platform_movements group by currency
) sides
group by currency

-- name: booked_operations
-- $1 stripe_id or charge, $2 kinds of operations, $3 'refund_failed' or null for the operation's own kind: what
-- the ledger's clearing account has of it.
select coalesce(sum(ledger_entries.amount_minor), 0)::bigint
from payment_ops
join ledger_transactions on ledger_transactions.session_id = payment_ops.session_id
    and ledger_transactions.participant_no = payment_ops.participant_no
    and ledger_transactions.ordinal = payment_ops.ordinal
    and ledger_transactions.kind = coalesce($3::text, payment_ops.kind)
join ledger_entries on transaction_id = ledger_transactions.id and account = 'stripe_clearing'
where (stripe_id = $1 or outcome ->> 'charge' = $1) and payment_ops.kind = any ($2::text[])
    and (payment_ops.state = 'succeeded' or payment_ops.kind = 'refund')

-- name: booked_dispute
-- $1 dispute, $2 kind in the ledger: what its clearing account has of it.
select coalesce(sum(ledger_entries.amount_minor), 0)::bigint
from disputes
join ledger_transactions on ledger_transactions.session_id = disputes.session_id
    and ledger_transactions.participant_no = disputes.participant_no
    and ledger_transactions.ordinal = disputes.ordinal and ledger_transactions.kind = $2
join ledger_entries on transaction_id = ledger_transactions.id and account = 'stripe_clearing'
where disputes.id = $1

-- name: compared_before
-- How the last comparison of each currency came out.
select currency, opening_minor, difference_minor, told_minor from balances_compared

-- name: save_comparison
-- $1 currency, $2 opening_minor, $3 difference_minor, $4 told_minor, $5 now_ms. What lay there first stays.
insert into balances_compared (currency, opening_minor, difference_minor, told_minor, compared_at_ms)
values ($1, $2, $3, $4, $5)
on conflict (currency) do update set difference_minor = excluded.difference_minor,
    told_minor = excluded.told_minor, compared_at_ms = excluded.compared_at_ms
