-- Wrapped data keys, the canaries that tell which DATA_KEY wraps, and the hub's own secret. Times are Unix
-- milliseconds.

-- name: subject_key
-- $1 subject_id
select wrapped, key_version from subject_keys where subject_id = $1

-- name: insert_subject_key
-- $1 subject_id, $2 wrapped, $3 key_version, $4 now_ms. No row: somebody else was faster.
insert into subject_keys (subject_id, wrapped, key_version, created_at_ms) values ($1, $2, $3, $4)
on conflict (subject_id) do nothing
returning subject_id

-- name: shred
-- $1 subject_id, $2 now_ms. A person without a key gets a shredded one, so that none is made later.
insert into subject_keys (subject_id, wrapped, key_version, created_at_ms, shredded_at_ms)
values ($1, null, 1, $2, $2)
on conflict (subject_id) do update set wrapped = null,
    shredded_at_ms = coalesce(subject_keys.shredded_at_ms, excluded.shredded_at_ms)

-- name: shredded_since
-- $1 since_ms, $2 limit
select subject_id from subject_keys where shredded_at_ms >= $1 order by shredded_at_ms desc limit $2

-- name: older_keys
-- $1 key_version, $2 after subject_id or null, $3 limit. Keys that are still wrapped under an older one.
select subject_id, wrapped, key_version from subject_keys
where key_version < $1 and wrapped is not null and ($2::uuid is null or subject_id > $2)
order by subject_id
limit $3

-- name: rewrap
-- $1 key_version, and of each: $2 subject_id, $3 wrapped as it was read, $4 wrapped anew. A key that was shredded or
-- wrapped by somebody else meanwhile is left as it is.
update subject_keys set wrapped = anew.after, key_version = $1
from unnest($2::uuid[], $3::bytea[], $4::bytea[]) as anew (subject_id, before, after)
where subject_keys.subject_id = anew.subject_id and subject_keys.wrapped = anew.before
returning subject_keys.subject_id

-- name: keys_by_version
-- How many keys each version wraps.
select key_version, count(*) as keys from (
    select key_version from subject_keys where wrapped is not null
    union all
    select key_version from hub_secrets
) wrapped
group by key_version

-- name: key_of_version
-- $1 key_version: any key that it wraps.
select subject_id, wrapped from subject_keys where key_version = $1 and wrapped is not null limit 1

-- name: lock_canaries
-- Processes that start at the same moment introduce a key one after the other.
select pg_advisory_xact_lock(5127739014620875311)

-- name: canaries
select key_version, sealed, active_at_ms from key_canaries order by key_version

-- name: insert_canary
-- $1 key_version, $2 sealed, $3 now_ms, $4 active_at_ms
insert into key_canaries (key_version, sealed, created_at_ms, active_at_ms) values ($1, $2, $3, $4)
on conflict (key_version) do nothing

-- name: activate
-- $1 key_version, $2 now_ms
update key_canaries set active_at_ms = $2 where key_version = $1 and active_at_ms > $2

-- name: secret
-- $1 name
select wrapped, key_version from hub_secrets where name = $1

-- name: insert_secret
-- $1 name, $2 wrapped, $3 key_version, $4 now_ms
insert into hub_secrets (name, wrapped, key_version, created_at_ms) values ($1, $2, $3, $4)
on conflict (name) do nothing

-- name: rewrap_secret
-- $1 name, $2 key_version, $3 wrapped as it was read, $4 wrapped anew
update hub_secrets set wrapped = $4, key_version = $2 where name = $1 and wrapped = $3
returning name
