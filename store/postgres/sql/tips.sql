-- Tips: one a guest and session, sent as an operation like any other.

-- name: tipping (as authenticated)
-- $1 session_id: the asking guest's part of a session that is on record, and whom a tip would go to.
select sessions.id as session_id, participants.no as participant_no, sessions.practitioner_id, sessions.currency,
    sessions.live_at_ms, coalesce(participants.part_ended_at_ms, sessions.ended_at_ms) as ended_at_ms,
    coalesce(participants.part_end_reason, sessions.end_reason) as end_reason,
    sessions.end_reason as whole_end_reason,
    (sessions.transcript_head is not null or sessions.kind = 'live_room') and settlements.session_id is not null as complete
from sessions
join participants on participants.session_id = sessions.id and participants.user_id = auth.uid()
left join settlements on settlements.session_id = sessions.id and settlements.participant_no = participants.no
where sessions.id = $1 and participants.role = 'guest'

-- name: tips
-- $1 session_id, $2 participant_no: every attempt, the latest last.
select * from payment_ops where session_id = $1 and participant_no = $2 and kind = 'tip' order by attempt
