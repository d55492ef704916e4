-- The audit chain: entries, the texts beside them, signed heads. Times are Unix milliseconds.

-- name: append
-- $1 at_ms, $2 actor_id, $3 actor_role, $4 action, $5 subject_id, $6 session_id, $7 detail. The database numbers
-- it and chains it.
insert into audit_entries (at_ms, actor_id, actor_role, action, subject_id, session_id, detail)
values ($1, $2, $3, $4, $5, $6, $7)
returning n

-- name: keep_texts
-- $1 n, $2 sealed_for, $3 now_ms, then arrays of one element a text: $4 name, $5 salt, $6 sealed text, or null where
-- the key is destroyed
insert into audit_texts (n, name, salt, text, sealed_for, erased_at_ms)
select $1, kept.name, kept.salt, kept.text, case when kept.text is not null then $2::uuid end,
    case when kept.text is null then $3::bigint end
from unnest($4::text[], $5::bytea[], $6::bytea[]) as kept (name, salt, text)

-- name: erase_texts
-- $1 user_id, $2 now_ms. What was written about somebody, or about a session that they were in.
update audit_texts set text = null, erased_at_ms = $2
from audit_entries
where audit_entries.n = audit_texts.n and audit_texts.text is not null
    and (sealed_for = $1::text::uuid or subject_id = $1::text or session_id in (
        select participants.session_id::text from participants where user_id = $1::text::uuid))

-- name: last
select n, at_ms, actor_id, actor_role, action, subject_id, session_id, detail, prev, digest
from audit_entries order by n desc limit 1

-- name: page
-- $1 after this n, $2 limit
select n, at_ms, actor_id, actor_role, action, subject_id, session_id, detail, prev, digest
from audit_entries where n > $1 order by n limit $2

-- name: texts
-- $1 from n, $2 to n, both included
select n, name, salt, text, sealed_for from audit_texts where n between $1 and $2 order by n, name

-- name: texts_of
-- $1 numbers of entries
select n, name, salt, text, sealed_for from audit_texts where n = any ($1::bigint[]) order by n, name

-- name: listed
-- $1 actor_id or null for everybody, $2 before this n or null, $3 limit. The newest first.
select n, at_ms, actor_id, actor_role, action, subject_id, session_id, detail from audit_entries
where ($1::text is null or actor_id = $1) and ($2::bigint is null or n < $2)
order by n desc
limit $3

-- name: last_head
select n, digest, signed_at_ms, key_id, signature from audit_heads order by n desc limit 1

-- name: heads
-- $1 from n, $2 to n, both included
select n, digest, signed_at_ms, key_id, signature from audit_heads where n between $1 and $2 order by n

-- name: keep_head
-- $1 n, $2 digest, $3 signed_at_ms, $4 key_id, $5 signature. No row: another process signed it first.
insert into audit_heads (n, digest, signed_at_ms, key_id, signature) values ($1, $2, $3, $4, $5)
on conflict (n) do nothing
returning n
