-- name: was_closed
-- $1 kind, $2 session_id, $3 subject: whether a person has looked at such a case, and closed it.
select exists (
    select from cases where kind = $1 and session_id = $2 and subject = $3 and closed_at_ms is not null
)

-- name: open_case
-- $1 kind, $2 session_id, $3 detail, $4 now_ms, $5 subject or null. One open case a kind, session and subject.
insert into cases (kind, session_id, detail, created_at_ms, subject) values ($1, $2, $3, $4, $5)
on conflict do nothing
returning id
