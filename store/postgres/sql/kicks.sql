-- Who must leave a media channel at the vendor. Times are Unix milliseconds.

-- name: order
-- $1 session_id, $2 user_id, $3 channel, $4 uid, $5 until_ms, $6 now_ms. A second order only lengthens the first,
-- also one that is over: then it is sent anew.
insert into media_kicks as kept (session_id, user_id, channel, uid, until_ms, next_at_ms, created_at_ms)
values ($1, $2, $3, $4, $5, $6, $6)
on conflict (session_id, user_id) do update set until_ms = excluded.until_ms, state = 'pending', rule_id = null,
    done_at_ms = null,
    attempts = case when kept.state = 'pending' then kept.attempts else 0 end,
    next_at_ms = case when kept.state = 'pending' then kept.next_at_ms else excluded.next_at_ms end
where kept.until_ms < excluded.until_ms

-- name: due
-- $1 now_ms, $2 limit, $3 lease_ms. Whoever takes one has it to itself for the lease.
with taken as (
    select id from media_kicks where state = 'pending' and next_at_ms <= $1
    order by next_at_ms
    limit $2
    for update skip locked
)
update media_kicks set next_at_ms = $1::bigint + $3::bigint, attempts = attempts + 1
from taken where media_kicks.id = taken.id
returning media_kicks.id, session_id, user_id, channel, uid, until_ms, attempts

-- name: done
-- $1 id, $2 state, $3 rule_id or null, $4 now_ms
update media_kicks set state = $2, rule_id = $3, done_at_ms = $4 where id = $1 and state = 'pending'

-- name: again
-- $1 id, $2 next_at_ms
update media_kicks set next_at_ms = $2 where id = $1 and state = 'pending'
