-- Sessions whose money has all moved. Transfers come later, after their delay, and do not count; nor does a charge
-- that was declined and is tried again another day: the session is over, and its guest owes.

-- name: charged
-- $1 limit: sessions that are over and on record for every guest, with nothing more to charge or release, and not
-- marked as settled yet.
select id from sessions
where state in ('ended', 'declined', 'expired', 'cancelled') and settled_at_ms is null
    and transcript_head is not null
    and not exists (
        select from participants
        left join settlements on settlements.session_id = participants.session_id
            and settlements.participant_no = participants.no
        where participants.session_id = sessions.id and participants.no > 0 and settlements.session_id is null
    )
    and not exists (
        select from payment_ops
        where session_id = sessions.id and kind in ('hold', 'capture', 'cancel', 'charge')
            and state in ('pending', 'in_flight', 'unknown')
            and not (kind = 'charge' and attempt > 1 and next_at_ms > created_at_ms + 3600000)
    )
order by ended_at_ms
limit $1

-- name: is_charged
-- $1 session_id: the same of one session.
select settled_at_ms is null and transcript_head is not null
    and not exists (
        select from participants
        left join settlements on settlements.session_id = participants.session_id
            and settlements.participant_no = participants.no
        where participants.session_id = sessions.id and participants.no > 0 and settlements.session_id is null
    )
    and not exists (
        select from payment_ops
        where session_id = sessions.id and kind in ('hold', 'capture', 'cancel', 'charge')
            and state in ('pending', 'in_flight', 'unknown')
            and not (kind = 'charge' and attempt > 1 and next_at_ms > created_at_ms + 3600000)
    )
from sessions where id = $1
