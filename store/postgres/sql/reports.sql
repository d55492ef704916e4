-- Reports, without a word of them, and what they are about. Times are Unix milliseconds.

-- name: known_report
-- $1 reporter_id, $2 session_id, $3 user_id, $4 message_id or null
select id, reporter_id, session_id, user_id, message_id, evidence_id, flag_id, created_at_ms from reports
where reporter_id = $1 and session_id = $2 and user_id = $3 and message_id is not distinct from $4::uuid

-- name: insert_report
-- $1 id, $2 reporter_id, $3 session_id, $4 user_id, $5 message_id, $6 evidence_id, $7 now_ms.
-- No row: it was reported by them before.
insert into reports (id, reporter_id, session_id, user_id, message_id, evidence_id, created_at_ms)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (reporter_id, session_id, user_id, message_id) do nothing
returning id

-- name: set_flag
-- $1 id, $2 flag_id. No row: somebody else was faster.
update reports set flag_id = $2 where id = $1 and flag_id is null returning id

-- name: unflagged
-- $1 before_ms, $2 limit. Reports whose flag was never raised: a process died in between.
select id, reporter_id, session_id, user_id, message_id, evidence_id, flag_id, created_at_ms from reports
where flag_id is null and created_at_ms < $1 order by created_at_ms limit $2

-- name: decide
-- $1 flag_id, $2 outcome, $3 now_ms. Those that were just decided; a second time there are none.
update reports set outcome = $2, decided_at_ms = $3 where flag_id = $1 and outcome is null
returning id, reporter_id, session_id

-- name: recorded_part (as authenticated)
-- $1 session_id. When the session ended, if it did, and everyone who took part; nobody for who did not.
select participants.no, participants.user_id, participants.role, coalesce(people.name, '') as name,
    sessions.ended_at_ms
from participants
join sessions on sessions.id = participants.session_id
left join people on people.id = participants.user_id
where participants.session_id = $1
order by participants.no

-- name: around
-- $1 session_id, $2 message_id or null, $3 how many before, $4 how many after. With a message the ones around it,
-- else the last ones; a lost message has no id and no words.
with named as (
    select seq from messages where session_id = $1 and id = $2::uuid
), bounds as (
    select case when $2::uuid is null then max(messages.seq) else (select seq from named) end as at
    from messages where session_id = $1
)
select seq, coalesce(id::text, '') as id, coalesce(participant_no, -1) as participant_no,
    coalesce(at_ms, 0) as at_ms, coalesce(client_id, '') as client_id, coalesce(body, '') as body
from messages, bounds
where session_id = $1 and seq between bounds.at - $3::bigint and bounds.at + $4::bigint
order by seq
