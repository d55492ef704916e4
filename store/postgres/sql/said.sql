-- What was said, across sessions, for trying rules on it. `body` is ciphertext.

-- name: said_since
-- $1 from_ms, $2 and $3 the session_id and seq after which to go on, $4 limit
select messages.session_id, messages.seq, messages.id, messages.at_ms, messages.body, participants.user_id
from messages
join participants on participants.session_id = messages.session_id
    and participants.no = messages.participant_no
where messages.at_ms >= $1 and messages.body is not null and (messages.session_id, messages.seq) > ($2, $3)
order by messages.session_id, messages.seq
limit $4
