-- Every settled session has exactly one bill for each of its guests.
select sessions.id as session_id, participants.no as participant_no
from sessions
join participants on participants.session_id = sessions.id and participants.no > 0
left join settlements on settlements.session_id = sessions.id and settlements.participant_no = participants.no
where sessions.settled_at_ms is not null and sessions.transcript_head is not null
    and settlements.session_id is null
