-- Vendors' calls, kept on arrival and applied later. Times are Unix milliseconds.

-- name: insert_event
-- $1 event_id, $2 source, $3 type, $4 object_id, $5 payload, $6 now_ms. No row: it had come before.
insert into webhook_inbox (event_id, source, type, object_id, payload, received_at_ms, next_at_ms)
values ($1, $2, $3, $4, $5, $6, $6)
on conflict (event_id) do nothing
returning event_id

-- name: due_events
-- $1 now_ms, $2 limit, $3 lease_ms. Whoever takes one has it to itself for the lease.
with taken as (
    select event_id from webhook_inbox
    where state = 'new' and next_at_ms <= $1
    order by next_at_ms
    limit $2
    for update skip locked
)
update webhook_inbox set next_at_ms = $1::bigint + $3::bigint, attempts = attempts + 1
from taken where webhook_inbox.event_id = taken.event_id
returning webhook_inbox.event_id, source, type, object_id, payload, received_at_ms, attempts

-- name: event_done
-- $1 event_id, $2 note
update webhook_inbox set state = 'done', note = $2 where event_id = $1 and state = 'new'

-- name: event_again
-- $1 event_id, $2 next_at_ms, $3 note: why it was not applied this time.
update webhook_inbox set next_at_ms = $2, note = $3 where event_id = $1 and state = 'new'

-- name: event_failed
-- $1 event_id, $2 note: why it never will be.
update webhook_inbox set state = 'failed', note = $2 where event_id = $1 and state = 'new'
