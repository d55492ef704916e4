-- What the record has about whoever asks. Times are Unix milliseconds. Of each, $1 is the limit, and where it can be
-- too old to be shown, $2 what it has to be younger than.

-- name: own_sessions (as authenticated)
select sessions.id, mine.role, kind, state, requested_at_ms, accepted_at_ms, live_at_ms, ended_at_ms, end_reason
from participants mine
join sessions on sessions.id = mine.session_id
where mine.user_id = (select auth.uid()) and requested_at_ms > $2
order by sessions.id desc
limit $1

-- name: own_reports (as authenticated)
select id, session_id, message_id, user_id, created_at_ms, outcome, decided_at_ms from reports
where created_at_ms > $2
order by id desc
limit $1

-- name: own_blocks (as authenticated)
select blocked_id as user_id, created_at_ms from blocks order by created_at_ms desc, blocked_id limit $1

-- name: own_actions (as authenticated)
-- What was decided against them; `undoes` is the decision that was taken back. Not what was found to be nothing:
-- that would tell them of a report.
select id, session_id, action, reason, duration_s, until_ms, undoes, created_at_ms from moderation_actions
where action in ('warn', 'mute', 'remove', 'end', 'suspend', 'overrule')
    and (created_at_ms > $2
        or id in (select action_id from suspensions where lifted_at_ms is null and until_ms is null))
order by id desc
limit $1

-- name: own_appeals (as authenticated)
select id, action_id, status, created_at_ms, decided_at_ms from appeals
where created_at_ms > $2 or status = 'open'
order by id desc
limit $1

-- name: own_reads (as authenticated)
-- Who read what was said in their sessions, by role.
select at_ms, role, action, session_id from own_reads() order by n desc limit $1
