-- Wrapped data keys, and the canary that tells whether DATA_KEY is still the same.

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

-- name: canary
-- $1 key_version
select sealed from key_canaries where key_version = $1

-- name: insert_canary
-- $1 key_version, $2 sealed, $3 now_ms
insert into key_canaries (key_version, sealed, created_at_ms) values ($1, $2, $3)
on conflict (key_version) do nothing
