-- What people say against decisions about them. Times are Unix milliseconds.

-- name: insert_appeal
-- $1 id, $2 action_id, $3 user_id, $4 sealed text, $5 now_ms. No row: there is one.
insert into appeals (id, action_id, user_id, text, created_at_ms) values ($1, $2, $3, $4, $5)
on conflict do nothing
returning id

-- name: appeal_of_action
-- $1 action_id
select * from appeals where action_id = $1

-- name: lock_appeal
-- $1 id: whoever decides does it alone until they commit.
select * from appeals where id = $1 for update

-- name: decide_appeal
-- $1 id, $2 status, $3 decided_by, $4 sealed note, $5 now_ms
update appeals set status = $2, decided_by = $3, note = $4, decided_at_ms = $5
where id = $1 and status = 'open'
returning *

-- name: appeals
-- $1 who asks, $2 status or null, $3 before this id or null, $4 limit. The newest first, but not one's own.
select * from appeals
where user_id <> $1 and ($2::text is null or status = $2) and ($3::uuid is null or id < $3)
order by id desc
limit $4

-- name: own_appeals (as authenticated)
-- $1 before this id or null, $2 limit. The newest first.
select id, action_id, user_id, text, status, decided_at_ms, created_at_ms from appeals
where user_id = (select auth.uid()) and ($1::uuid is null or id < $1)
order by id desc
limit $2
