-- What the reconciler has compared. Times are Unix milliseconds, but for Stripe's own seconds.

-- name: read_until
-- $1 list
select until_s from reconciled where list = $1

-- name: save_until
-- $1 list, $2 until_s. Never backwards: two reconcilers may run.
insert into reconciled (list, until_s) values ($1, $2)
on conflict (list) do update set until_s = greatest(reconciled.until_s, excluded.until_s)

-- name: uncompared
-- $1 created before (ms), $2 limit: operations that moved money and were not compared with Stripe yet.
select * from payment_ops
where reconciled_at_ms is null and state = 'succeeded' and kind not in ('hold', 'evidence')
    and created_at_ms < $1
order by id
limit $2

-- name: compared
-- $1 id, $2 now_ms
update payment_ops set reconciled_at_ms = $2 where id = $1

-- name: moved
-- $1 stripe_id or charge, $2 kinds: what the hub's own record says of a movement at Stripe, in minor units. A
-- refund that failed had moved all the same.
select coalesce(sum(case when state = 'failed' then amount_minor
                    else (outcome ->> 'amount_minor')::bigint end), 0)::bigint as amount_minor,
    count(*) as operations, min(session_id::text) as session_id, min(participant_no) as participant_no
from payment_ops
where (stripe_id = $1 or outcome ->> 'charge' = $1) and kind = any ($2::text[])
    and (state = 'succeeded' or (state = 'failed' and kind = 'refund'))

-- name: named_operation
-- $1 session_id, $2 participant_no, $3 kind, $4 ordinal, $5 attempt
select * from payment_ops
where session_id = $1 and participant_no = $2 and kind = $3 and ordinal = $4 and attempt = $5

-- name: lingering_holds
-- $1 created before (ms), $2 limit: money that is held, with nothing wanted that would capture or release it. A
-- cancel that failed while the hold stood ends nothing; a day later it is wanted once more.
select hold.* from payment_ops hold
where hold.kind = 'hold' and hold.state = 'succeeded' and hold.outcome ->> 'status' in ('placed', 'action_required')
    and hold.created_at_ms < $1 and hold.stripe_id is not null
    and not exists (
        select from payment_ops ended
        where ended.session_id = hold.session_id and ended.participant_no = hold.participant_no
            and ended.ordinal = hold.ordinal and ended.kind in ('capture', 'cancel')
            and (ended.kind = 'capture' or ended.state <> 'failed' or ended.created_at_ms > $1 - 86400000::bigint
                 or ended.outcome ->> 'status' in ('captured', 'canceled'))
    )
    and not exists (select from checkpoints where checkpoints.session_id = hold.session_id)
order by hold.id
limit $2
