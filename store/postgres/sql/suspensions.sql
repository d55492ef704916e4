-- Who may not connect. Times are Unix milliseconds.

-- name: insert_suspension
-- $1 action_id, $2 user_id, $3 reason, $4 from_ms, $5 until_ms or null
insert into suspensions (action_id, user_id, reason, from_ms, until_ms) values ($1, $2, $3, $4, $5)
on conflict do nothing

-- name: current
-- $1 user_id, $2 now_ms: of several, the one that lasts longest.
select * from suspensions
where user_id = $1 and lifted_at_ms is null and (until_ms is null or until_ms > $2)
order by until_ms desc nulls first
limit 1

-- name: lift
-- $1 action_id, $2 now_ms
update suspensions set lifted_at_ms = $2 where action_id = $1 and lifted_at_ms is null
returning user_id

-- name: all_current
-- $1 now_ms, $2 after this action or null, $3 limit
select * from suspensions
where lifted_at_ms is null and (until_ms is null or until_ms > $1) and ($2::uuid is null or action_id > $2)
order by action_id
limit $3

-- name: suspensions_of
-- $1 who asks, $2 user_id, $3 limit. The newest first. Not for what was done in sessions of their own.
select * from suspensions
where user_id = $2 and not exists (
    select from moderation_actions
    join participants on participants.session_id = moderation_actions.session_id
    where moderation_actions.id = suspensions.action_id and participants.user_id = $1
)
order by from_ms desc
limit $3
