-- What admins do, and what they look at. Times are Unix milliseconds.

-- name: note_action
-- $1 admin_id, $2 action, $3 subject, $4 session_id, $5 reason, $6 detail, $7 now_ms
insert into admin_actions (admin_id, action, subject, session_id, reason, detail, at_ms)
values ($1, $2, $3, $4, $5, $6, $7)
returning id, admin_id, action, subject, session_id, reason, detail, at_ms

-- name: actions_of
-- $1 ids: those that entries of the audit chain cover.
select id, admin_id, action, subject, session_id, reason, detail, at_ms from admin_actions
where id = any ($1::bigint[])

-- name: actions
-- $1 before this id or null, $2 limit. The newest first.
select id, admin_id, action, subject, session_id, reason, detail, at_ms from admin_actions
where $1::bigint is null or id < $1
order by id desc
limit $2

-- name: cases
-- $1 only open ones, $2 before this id or null, $3 limit. The newest first.
select id, kind, session_id, subject, detail, created_at_ms, closed_at_ms from cases
where (not $1::boolean or closed_at_ms is null)
    and ($2::uuid is null or (created_at_ms, id) < (select last.created_at_ms, last.id from cases last where last.id = $2))
order by created_at_ms desc, id desc
limit $3

-- name: close_case
-- $1 id, $2 now_ms. No row: there is none, or it was closed before.
update cases set closed_at_ms = $2 where id = $1 and closed_at_ms is null
returning id, kind, session_id, subject, detail, created_at_ms, closed_at_ms

-- name: one_case
-- $1 id
select id, kind, session_id, subject, detail, created_at_ms, closed_at_ms from cases where id = $1
