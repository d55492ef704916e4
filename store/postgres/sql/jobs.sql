-- Background jobs. The tables are PgQueuer's; whoever works reads and ends jobs by way of it.

-- name: enqueue
-- $1 entrypoint, $2 payload, $3 dedupe_key. One that waits or is being worked on already stays the only one.
insert into pgqueuer (priority, entrypoint, payload, dedupe_key, status) values (0, $1, $2, $3, 'queued')
on conflict (dedupe_key) where status in ('queued', 'picked') and dedupe_key is not null do nothing
