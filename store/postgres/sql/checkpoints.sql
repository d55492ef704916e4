-- Rooms as last seen, for when Redis is lost. Both statements only move forward.

-- name: save
-- Arrays of one element a room: $1 session_id, $2 version, $3 epoch, $4 at_ms, $5 head_seq, $6 room.
-- Not for sessions whose record is complete: a late hub must not bring a settled room back.
insert into checkpoints as kept (session_id, version, epoch, at_ms, head_seq, room)
select seen.* from unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bytea[])
    as seen (session_id, version, epoch, at_ms, head_seq, room)
join sessions on sessions.id = seen.session_id and sessions.transcript_head is null
on conflict (session_id) do update set version = excluded.version, epoch = excluded.epoch,
    at_ms = excluded.at_ms, room = excluded.room, head_seq = greatest(kept.head_seq, excluded.head_seq)
where kept.version < excluded.version
    or (kept.version = excluded.version and (kept.head_seq < excluded.head_seq or kept.at_ms < excluded.at_ms))

-- name: open_rooms
-- $1 after session_id or null, $2 limit: every session that is not settled for all its guests.
select session_id, version, epoch, at_ms, head_seq, room from checkpoints
where $1::uuid is null or session_id > $1
order by session_id
limit $2

-- name: checkpoint
-- $1 session_id
select session_id, version, epoch, at_ms, head_seq, room from checkpoints where session_id = $1

-- name: drop_checkpoint
-- $1 session_id. Kept while any guest's part is unsettled: it may be all there is to settle it by. And until the
-- transcript is on record: a live room goes on when all who were in it so far have left and paid.
delete from checkpoints where session_id = $1 and exists (
    select from sessions where id = $1 and transcript_head is not null
) and not exists (
    select from participants
    left join settlements on settlements.session_id = participants.session_id
        and settlements.participant_no = participants.no
    where participants.session_id = $1 and participants.no > 0 and settlements.session_id is null
)
