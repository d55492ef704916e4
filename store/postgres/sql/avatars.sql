-- Whose picture is which blob.

-- name: avatar
-- $1 person_id, $2 size
select blobs.id, subject_id, kind, media_type, size_bytes, chunks, created_at_ms
from avatars join blobs on blobs.id = avatars.blob_id
where avatars.person_id = $1 and avatars.size = $2

-- name: keep_avatar
-- $1 person_id, $2 size, $3 blob_id. In place of the one before.
insert into avatars (person_id, size, blob_id) values ($1, $2, $3)
on conflict (person_id, size) do update set blob_id = excluded.blob_id

-- name: drop_avatars
-- $1 person_id. The blobs that nothing shows any more.
delete from avatars where person_id = $1 returning blob_id

-- name: lock_person
-- $1 person_id. Two pictures of one person at once take turns.
select id from people where id = $1 for no key update
