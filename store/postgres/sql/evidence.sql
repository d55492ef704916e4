-- Evidence: sealed under keys of its own. Times are Unix milliseconds.

-- name: insert_evidence
-- $1 id, $2 flag_id, $3 session_id, $4 subject_id, $5 kind, $6 sealed, $7 now_ms, $8 keep_until_ms.
-- No row: the flagged message is kept already.
insert into evidence (id, flag_id, session_id, subject_id, kind, sealed, created_at_ms, keep_until_ms)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (flag_id) where kind = 'message' do nothing
returning id

-- name: of_message
-- $1 flag_id. The evidence of a flagged message.
select id from evidence where flag_id = $1 and kind = 'message'

-- name: one_evidence
-- $1 id
select id, flag_id, session_id, subject_id, kind, sealed, created_at_ms, keep_until_ms, hold_reason, held_by,
    held_at_ms
from evidence where id = $1

-- name: of_flag
-- $1 flag_id, $2 limit. The newest first.
select id, flag_id, session_id, subject_id, kind, sealed, created_at_ms, keep_until_ms, hold_reason, held_by,
    held_at_ms
from evidence where flag_id = $1 order by created_at_ms desc, id desc limit $2

-- name: move_to_flag
-- $1 id, $2 flag_id. The report it belongs to became part of an older flag.
update evidence set flag_id = $2 where id = $1

-- name: hold
-- $1 id, $2 reason, $3 held_by, $4 now_ms. No row: there is none, or it is on hold already.
update evidence set hold_reason = $2, held_by = $3, held_at_ms = $4 where id = $1 and hold_reason is null
returning id

-- name: lift_hold
-- $1 id. No row: there is none, or it is not on hold.
update evidence set hold_reason = null, held_by = null, held_at_ms = null
where id = $1 and hold_reason is not null
returning id

-- name: is_involved
-- $1 session_id or null, $2 user_id. The person took part in the session, was reported in it, or reported.
select exists (select from participants where session_id = $1 and user_id = $2)
    or exists (select from reports where session_id = $1 and (reporter_id = $2 or user_id = $2))

-- name: due
-- $1 now_ms, $2 acted_since_ms, $3 limit. Past its time, and needed by nobody: not on hold, its flag is closed, and
-- nobody can or did appeal against what followed from it.
select id from evidence
where keep_until_ms <= $1 and hold_reason is null
    and not exists (select from flags where flags.id = flag_id and status in ('open', 'claimed'))
    and not exists (
        select from moderation_actions acted
        left join appeals on appeals.action_id = acted.id
        where acted.flag_id = evidence.flag_id and (acted.created_at_ms > $2 or appeals.status = 'open')
    )
order by keep_until_ms limit $3

-- name: delete_evidence
-- $1 id, $2 now_ms, $3 acted_since_ms. No row when it may not go, by the same conditions.
delete from evidence
where id = $1 and keep_until_ms <= $2 and hold_reason is null
    and not exists (select from flags where flags.id = flag_id and status in ('open', 'claimed'))
    and not exists (
        select from moderation_actions acted
        left join appeals on appeals.action_id = acted.id
        where acted.flag_id = evidence.flag_id and (acted.created_at_ms > $3 or appeals.status = 'open')
    )
returning id

-- name: withheld
-- $1 session_id, $2 limit. Messages of a session that were held or blocked, the newest first.
select evidence.id, evidence.flag_id, evidence.session_id, evidence.subject_id, evidence.kind, evidence.sealed,
    evidence.created_at_ms, evidence.keep_until_ms, evidence.hold_reason, evidence.held_by, evidence.held_at_ms,
    flags.message_id, flags.verdict, flags.created_at_ms as flagged_at_ms
from evidence join flags on flags.id = evidence.flag_id
where evidence.session_id = $1 and evidence.kind = 'message' and flags.message_id is not null
order by evidence.created_at_ms desc, evidence.id desc limit $2
