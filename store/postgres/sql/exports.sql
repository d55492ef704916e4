-- Exports of people's own data. Times are Unix milliseconds.

-- name: lock_person
-- $1 person_id. Until the end of the transaction nobody else asks for an export of theirs.
select id from people where id = $1 for no key update

-- name: insert_export
-- $1 id, $2 person_id, $3 now_ms
insert into exports (id, person_id, state, requested_at_ms, next_at_ms) values ($1, $2, 'queued', $3, $3)

-- name: export
-- $1 id, $2 person_id
select id, person_id, state, progress_permille, blob_id, size_bytes, sha256, attempts, requested_at_ms,
    ready_at_ms, expires_at_ms, downloaded_at_ms
from exports where id = $1 and person_id = $2

-- name: standing
-- $1 person_id, $2 now_ms
select id, person_id, state, progress_permille, blob_id, size_bytes, sha256, attempts, requested_at_ms,
    ready_at_ms, expires_at_ms, downloaded_at_ms
from exports
where person_id = $1 and (state in ('queued', 'running') or (state = 'ready' and expires_at_ms > $2))

-- name: nth_last
-- $1 person_id, $2 since_ms, $3 n from 1. One that failed does not count.
select requested_at_ms from exports
where person_id = $1 and requested_at_ms > $2 and state <> 'failed'
order by requested_at_ms desc offset $3::integer - 1 limit 1

-- name: due
-- $1 now_ms, $2 limit. Exports that wait for somebody, or whose worker has not been heard of.
select id from exports where state in ('queued', 'running') and next_at_ms <= $1 order by next_at_ms limit $2

-- name: take
-- $1 id, $2 now_ms, $3 until_ms, $4 attempts_max. No row: it is somebody else's, over, or was tried too often.
update exports set state = 'running', attempts = attempts + 1, next_at_ms = $3, progress_permille = 0
where id = $1 and state in ('queued', 'running') and next_at_ms <= $2 and attempts < $4
returning id, person_id, state, progress_permille, blob_id, size_bytes, sha256, attempts, requested_at_ms,
    ready_at_ms, expires_at_ms, downloaded_at_ms

-- name: write_into
-- $1 id, $2 attempt, $3 blob_id
update exports set blob_id = $3 where id = $1 and attempts = $2 and state = 'running'

-- name: went_on
-- $1 id, $2 attempt, $3 progress_permille, $4 until_ms. No row: somebody else has taken it up, or it was ended.
update exports set progress_permille = greatest(progress_permille, $3), next_at_ms = $4
where id = $1 and attempts = $2 and state = 'running'
returning id

-- name: ready
-- $1 id, $2 attempt, $3 size_bytes, $4 sha256, $5 now_ms, $6 expires_at_ms
update exports set state = 'ready', progress_permille = 1000, size_bytes = $3, sha256 = $4, ready_at_ms = $5,
    expires_at_ms = $6
where id = $1 and attempts = $2 and state = 'running'
returning id

-- name: again
-- $1 id, $2 attempt, $3 next_at_ms
update exports set state = 'queued', next_at_ms = $3 where id = $1 and attempts = $2 and state = 'running'

-- name: give_up
-- $1 id, $2 attempt
update exports set state = 'failed' where id = $1 and attempts = $2 and state in ('queued', 'running')
returning id

-- name: give_up_stuck
-- $1 now_ms, $2 attempts_max, $3 limit. Those that nobody brought to an end in so many attempts.
update exports set state = 'failed' where id in (
    select id from exports where state in ('queued', 'running') and next_at_ms <= $1 and attempts >= $2
    order by next_at_ms limit $3 for update skip locked
)
returning id, person_id, state, progress_permille, blob_id, size_bytes, sha256, attempts, requested_at_ms,
    ready_at_ms, expires_at_ms, downloaded_at_ms

-- name: give_up_of
-- $1 person_id. Whoever is at work on one finds out at the next piece.
update exports set state = 'failed' where person_id = $1 and state in ('queued', 'running')

-- name: delivered
-- $1 id, $2 first byte, $3 byte after the last
update exports set delivered = delivered + int8multirange(int8range($2, $3)) where id = $1 and state = 'ready'

-- name: end_delivered
-- $1 id, $2 now_ms. No row: that was noted before.
update exports set state = 'expired', downloaded_at_ms = $2
where id = $1 and state = 'ready' and delivered @> int8range(0, size_bytes)
returning id

-- name: take_back
-- $1 id, $2 first byte, $3 byte after the last, $4 when they were noted as sent, $5 now_ms. They were not, after all.
update exports set delivered = delivered - int8multirange(int8range($2, $3)), state = 'ready', downloaded_at_ms = null
where id = $1 and blob_id is not null and expires_at_ms > $5
    and (state = 'ready' or (state = 'expired' and downloaded_at_ms = $4))

-- name: expire
-- $1 now_ms, $2 limit
update exports set state = 'expired' where id in (
    select id from exports where state = 'ready' and expires_at_ms <= $1 limit $2 for update skip locked
)

-- name: expire_of
-- $1 person_id, $2 now_ms
update exports set state = 'expired' where person_id = $1 and state = 'ready' and expires_at_ms <= $2

-- name: left_over
-- $1 limit, $2 until_ms. Archives that nobody may have any more; of those that were had, not before that time, as
-- the last bytes of one may still be on their way.
select blob_id from exports
where state in ('failed', 'expired') and blob_id is not null and coalesce(downloaded_at_ms, 0) <= $2
limit $1

-- name: seats (as authenticated)
-- $1 after, or null, $2 limit. The sessions that they took part in, by id, and under which number.
select mine.session_id, mine.no, mine.role, sessions.transcript_head, sessions.message_count
from participants mine
join sessions on sessions.id = mine.session_id
where mine.user_id = (select auth.uid()) and ($1::uuid is null or mine.session_id > $1)
order by mine.session_id
limit $2

-- name: said_total (as authenticated)
select coalesce(sum(sessions.message_count), 0)::bigint
from participants mine
join sessions on sessions.id = mine.session_id
where mine.user_id = (select auth.uid())

-- name: said (as authenticated)
-- $1 session_id, $2 after_seq, $3 limit, $4 the number whose words may be read
select seq, id, participant_no, at_ms, lost, body_sha256, body is null as gone,
    case when participant_no = $4 then body end as body
from messages where session_id = $1 and seq > $2 order by seq limit $3

-- name: reads (as authenticated)
-- $1 before, or null, $2 limit. Who read what was said in their sessions, by role, the latest first.
select n, at_ms, role, action, session_id from own_reads()
where $1::bigint is null or n < $1
order by n desc
limit $2

-- name: shapes
-- $1 names of tables. The types of all their columns.
select table_name::text as table_name, column_name::text as column_name, data_type::text as data_type,
    is_nullable = 'YES' as nullable
from information_schema.columns
where table_schema = 'public' and table_name = any ($1::text[])
order by table_name, ordinal_position
