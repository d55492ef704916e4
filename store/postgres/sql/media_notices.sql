-- What the media vendor says of who was in a channel, held against what was billed. Times are Unix milliseconds.

-- name: insert_move
-- $1 channel, $2 uid, $3 client_seq, $4 joined, $5 at_ms, $6 lasted_ms, $7 received_at_ms. Repeated, it is what it was.
-- A part that was compared already is compared again.
with kept as (
    insert into media_moves (channel, uid, client_seq, joined, at_ms, lasted_ms, received_at_ms)
    values ($1, $2, $3, $4, $5, $6, $7)
    on conflict do nothing
    returning channel
)
update media_checks set stale = true from kept where media_checks.channel = kept.channel

-- name: moves
-- $1 channel, $2 limit
select uid, client_seq, joined, at_ms, lasted_ms from media_moves where channel = $1 order by uid, client_seq limit $2

-- name: unchecked
-- $1 settled before, $2 settled after, $3 limit: parts that were settled and not compared, or were told more of.
select settlements.session_id, participant_no, coalesce(sessions.ended_at_ms, settlements.created_at_ms) as ended_at_ms
from settlements
join sessions on sessions.id = settlements.session_id
where settlements.created_at_ms <= $1 and settlements.created_at_ms > $2
    and not exists (
        select from media_checks checked
        where checked.session_id = settlements.session_id and checked.participant_no = settlements.participant_no
            and not (checked.stale and checked.checked_at_ms <= $1)
    )
order by settlements.created_at_ms
limit $3

-- name: billed
-- $1 session_id, $2 participant_no
select from_ms, to_ms from intervals where session_id = $1 and participant_no = $2 and kind = 'billed' order by ordinal

-- name: note_check
-- $1 session_id, $2 participant_no, $3 channel, $4 seen or null, $5 unseen_ms, $6 now_ms
insert into media_checks (session_id, participant_no, channel, seen, unseen_ms, checked_at_ms)
values ($1, $2, $3, $4, $5, $6)
on conflict (session_id, participant_no) do update
set seen = excluded.seen, unseen_ms = excluded.unseen_ms, checked_at_ms = excluded.checked_at_ms, stale = false
