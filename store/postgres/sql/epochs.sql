-- Which life of Redis the rooms belong to. One row.

-- name: read
select epoch, state, changed_at_ms from epochs

-- name: lock_epoch
-- $1 the lock's number: one process at a time decides about the epoch.
select pg_advisory_xact_lock($1)

-- name: begin
-- $1 epoch, $2 now_ms, $3 the epoch that the caller saw, or null. No row: somebody else was faster.
insert into epochs (epoch, state, changed_at_ms) select $1::uuid, 'rebuilding', $2::bigint
where $3::uuid is not distinct from (select epoch from epochs)
on conflict (singleton) do update set epoch = excluded.epoch, state = 'rebuilding',
    changed_at_ms = excluded.changed_at_ms
returning epoch, state, changed_at_ms

-- name: finish
-- $1 epoch, $2 now_ms
update epochs set state = 'ready', changed_at_ms = $2 where epoch = $1 and state = 'rebuilding'
returning epoch
