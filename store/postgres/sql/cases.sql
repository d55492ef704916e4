-- name: open_case
-- $1 kind, $2 session_id, $3 detail, $4 now_ms. One open case a kind and session.
insert into cases (kind, session_id, detail, created_at_ms) values ($1, $2, $3, $4)
on conflict (kind, session_id) where closed_at_ms is null do nothing
returning id
