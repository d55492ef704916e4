-- Sealed bytes in pieces. Times are Unix milliseconds.

-- name: insert_blob
-- $1 id, $2 subject_id, $3 kind, $4 media_type, $5 size_bytes, $6 chunks, $7 now_ms
insert into blobs (id, subject_id, kind, media_type, size_bytes, chunks, created_at_ms)
values ($1, $2, $3, $4, $5, $6, $7)

-- name: insert_chunk
-- $1 blob_id, $2 no, $3 sealed
insert into blob_chunks (blob_id, no, sealed) values ($1, $2, $3)

-- name: complete_blob
-- $1 id, $2 size_bytes, $3 chunks
update blobs set size_bytes = $2, chunks = $3 where id = $1

-- name: blob
-- $1 id
select id, subject_id, kind, media_type, size_bytes, chunks, created_at_ms from blobs where id = $1

-- name: chunk
-- $1 blob_id, $2 no
select sealed from blob_chunks where blob_id = $1 and no = $2

-- name: delete_blob
-- $1 id. Its pieces go with it.
delete from blobs where id = $1
