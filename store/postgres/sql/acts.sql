-- What moderators did, and what of it still has to be carried out. Times are Unix milliseconds.

-- name: insert_action
-- $1 id, $2 flag_id, $3 session_id, $4 actor_id, $5 user_id, $6 action, $7 reason, $8 note, $9 duration_s,
-- $10 until_ms, $11 before, $12 after, $13 undoes, $14 request_id, $15 now_ms. No row: this request_id of theirs was
-- used before, or what it undoes was undone.
insert into moderation_actions (id, flag_id, session_id, actor_id, user_id, action, reason, note, duration_s,
                                until_ms, before, after, undoes, request_id, created_at_ms)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
on conflict do nothing
returning id

-- name: insert_effect
-- $1 action_id, $2 next_at_ms: when somebody else may carry it out, should whoever acts die.
insert into moderation_effects (action_id, next_at_ms) values ($1, $2)
on conflict do nothing

-- name: action
-- $1 id
select * from moderation_actions where id = $1

-- name: requested_action
-- $1 actor_id, $2 request_id
select * from moderation_actions where actor_id = $1 and request_id = $2

-- name: last_action_against
-- $1 actor_id, $2 session_id, $3 user_id, $4 since_ms: what they last did there to this person, about no case.
select * from moderation_actions
where actor_id = $1 and session_id = $2 and user_id = $3 and flag_id is null and created_at_ms >= $4
    and not exists (select from moderation_actions later where later.undoes = moderation_actions.id)
order by n desc
limit 1

-- name: last_action
-- $1 flag_id: what was last done about a case.
select * from moderation_actions where flag_id = $1 order by n desc limit 1

-- name: actions_of_flag
-- $1 flag_id, $2 limit
select * from moderation_actions where flag_id = $1 order by id limit $2

-- name: actions_about
-- $1 who asks, $2 user_id, $3 before this id or null, $4 limit. The newest first. Not of sessions of their own.
select * from moderation_actions
where user_id = $2 and ($3::uuid is null or id < $3)
    and not exists (
        select from participants where participants.session_id = moderation_actions.session_id and user_id = $1
    )
order by id desc
limit $4

-- name: actions_by
-- $1 actor_id, $2 before this id or null, $3 limit. The newest first.
select * from moderation_actions where actor_id = $1 and ($2::uuid is null or id < $2) order by id desc limit $3

-- name: who_put_out
-- $1 session_id, $2 user_id: who ended it because of this person; a suspension from elsewhere ends it too.
select actor_id from moderation_actions
where user_id = $2 and action in ('end', 'remove', 'suspend')
order by session_id = $1 desc, n desc
limit 1

-- name: undone
-- $1 action_id: whether it was taken back.
select exists (select from moderation_actions where undoes = $1)

-- name: own_actions (as authenticated)
-- $1 before this id or null, $2 limit. Decisions about whoever asks, the newest first.
select id, session_id, action, reason, until_ms, created_at_ms, exists (
    select from moderation_actions later where later.undoes = moderation_actions.id
) as undone
from moderation_actions
where user_id = (select auth.uid()) and action in ('warn', 'mute', 'remove', 'end', 'suspend')
    and ($1::uuid is null or id < $1)
order by id desc
limit $2

-- name: take_due
-- $1 now_ms, $2 lease until ms, $3 limit: actions begun and not finished; taken for a while.
update moderation_effects set next_at_ms = $2, attempts = attempts + 1
where action_id in (
    select action_id from moderation_effects where next_at_ms <= $1
    order by next_at_ms limit $3 for update skip locked
)
returning action_id, attempts

-- name: finish
-- $1 action_id
delete from moderation_effects where action_id = $1

-- name: insert_strike
-- $1 action_id, $2 user_id, $3 points, $4 now_ms
insert into strikes (action_id, user_id, points, created_at_ms) values ($1, $2, $3, $4)
on conflict do nothing

-- name: strikes
-- $1 people, $2 limit for each. The newest first.
select person.id as user_id, strike.points, strike.created_at_ms
from unnest($1::uuid[]) person (id)
cross join lateral (
    select points, created_at_ms from strikes
    where user_id = person.id and removed_at_ms is null
    order by created_at_ms desc
    limit $2
) strike

-- name: remove_strike
-- $1 action_id, $2 now_ms
update strikes set removed_at_ms = $2 where action_id = $1 and removed_at_ms is null

-- name: superseded
-- $1 session_id, $2 user_id, $3 action_id, $4 an action that does not count or null: whether something was decided
-- later about whether this person may speak there.
select exists (
    select from moderation_actions
    where session_id = $1 and user_id = $2 and id is distinct from $4
        and n > (select n from moderation_actions this where this.id = $3)
        and (action in ('mute', 'unmute') or undoes = $3)
)
