-- What admins do, and what they look at. Times are Unix milliseconds.

-- name: next_action
select nextval('admin_actions_id_seq')

-- name: note_action
-- $1 id, $2 admin_id, $3 action, $4 subject, $5 session_id, $6 sealed reason or null, $7 whose key sealed it,
-- $8 detail, $9 now_ms
insert into admin_actions (id, admin_id, action, subject, session_id, reason, sealed_for, detail, at_ms)
overriding system value values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
returning id, admin_id, action, subject, session_id, reason, sealed_for, detail, at_ms

-- name: actions_of
-- $1 ids: those that entries of the audit chain cover.
select id, admin_id, action, subject, session_id, reason, sealed_for, detail, at_ms from admin_actions
where id = any ($1::bigint[])

-- name: actions
-- $1 before this id or null, $2 limit. The newest first.
select id, admin_id, action, subject, session_id, reason, sealed_for, detail, at_ms from admin_actions
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
