-- Live rooms and the parts of their guests. Times are Unix milliseconds.

-- name: insert_live_room
-- $1 session_id, $2 practitioner_id, $3 title, $4 history, $5 starts_at_ms, $6 flat_after_ms, $7 now_ms.
insert into live_rooms (session_id, practitioner_id, title, history, starts_at_ms, flat_after_ms, created_at_ms)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict do nothing

-- name: count_open
-- $1 practitioner_id: how many rooms of theirs are open, or to come.
select count(*) from live_rooms where practitioner_id = $1 and closed_at_ms is null

-- name: rooms_of_leaving
-- $1 limit. Rooms that are open, or to come, while their host is to be erased.
select live_rooms.session_id, practitioner_id from live_rooms
join erasures on erasures.user_id = practitioner_id and erasures.state in ('requested', 'waiting', 'running')
where closed_at_ms is null
order by live_rooms.session_id
limit $1

-- name: open_rooms (as authenticated)
-- $1 before this session_id or null, $2 limit. The newest first.
select session_id, practitioner_id, title, history, starts_at_ms from live_rooms
where closed_at_ms is null and ($1::uuid is null or session_id < $1)
order by session_id desc
limit $2

-- name: insert_knock
-- $1 session_id, $2 no, $3 user_id. They may read nothing yet. Repeated, it changes nothing.
insert into participants (session_id, no, user_id, role, from_seq)
values ($1, $2, $3, 'guest', 9223372036854775807)
on conflict do nothing

-- name: enter
-- $1 session_id, $2 no, $3 entered_at_ms, $4 from_seq: they are in, and may know who else is.
update participants set entered_at_ms = $3, from_seq = $4 where session_id = $1 and no = $2 and entered_at_ms is null

-- name: end_part
-- $1 session_id, $2 no, $3 entered_at_ms or null, $4 part_ended_at_ms, $5 part_end_reason, $6 from_seq.
update participants set entered_at_ms = $3, part_ended_at_ms = $4, part_end_reason = $5,
    from_seq = case when $3::bigint is null then 9223372036854775807 else $6::bigint end
where session_id = $1 and no = $2

-- name: note_speakers
-- $1 session_id: whoever spoke is seen by all who were there, also where the others are an audience.
update participants set spoke = true
where session_id = $1 and not spoke
    and no in (select distinct participant_no from messages where messages.session_id = $1)

-- name: close
-- $1 session_id, $2 ended_at_ms
update live_rooms set closed_at_ms = $2 where session_id = $1 and closed_at_ms is null

-- name: unsettled
-- $1 session_id: whether the record is not complete yet, for any of its guests or altogether.
select transcript_head is null or exists (
    select from participants
    left join settlements on settlements.session_id = participants.session_id
        and settlements.participant_no = participants.no
    where participants.session_id = $1 and participants.no > 0 and settlements.session_id is null
)
from sessions where id = $1
