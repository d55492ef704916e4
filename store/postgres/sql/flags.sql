-- The moderators' cases. Times are Unix milliseconds. `concerned` are the people who may not look into one: who
-- took part in the session, whom it is about, who reported it.

-- name: insert_flag
-- $1 id, $2 session_id, $3 message_id, $4 seq, $5 user_id, $6 category, $7 severity, $8 rule, $9 rule_version,
-- $10 verdict, $11 source, $12 span_start, $13 span_end, $14 reports, $15 due_by_ms, $16 created_at_ms, $17 now_ms,
-- $18 review_id.
-- No row: this message has one already.
insert into flags (id, session_id, message_id, seq, user_id, category, severity, rule, rule_version, verdict,
                   source, span_start, span_end, reports, due_by_ms, created_at_ms, updated_at_ms, review_id)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
on conflict do nothing
returning id

-- name: lock_flag
-- $1 id: whoever decides about it does it alone until they commit.
select id from flags where id = $1 for update

-- name: lock_subject
-- $1 session_id, $2 user_id: of two reports of one person at once, the second finds the first one's case.
select pg_advisory_xact_lock(hashtextextended('flag:' || $1::uuid::text || ':' || $2::uuid::text, 0))

-- name: flag
-- $1 id
select flags.*, array(
    select user_id from participants where participants.session_id = flags.session_id
    union select reporter_id from flag_reporters where flag_id = flags.id
    union select flags.user_id
) as concerned
from flags where id = $1

-- name: flag_of_message
-- $1 message_id
select id from flags where message_id = $1

-- name: reported_flag
-- $1 session_id, $2 user_id: the case that reports of this person in this session belong to, while it is open.
select id from flags
where session_id = $1 and user_id = $2 and source = 'report' and review_id is null
    and status in ('open', 'claimed')
order by id
limit 1

-- name: flag_of_review
-- $1 review_id, $2 user_id: the open case about somebody's words in a review.
select id from flags where review_id = $1 and user_id = $2 and status in ('open', 'claimed')
order by id
limit 1

-- name: in_distress
-- $1 session_id, $2 user_id
select exists (
    select from flags
    where session_id = $1 and user_id = $2 and category = 'distress' and status in ('open', 'claimed')
)

-- name: add_reporter
-- $1 flag_id, $2 reporter_id, $3 now_ms. No row: they are known.
insert into flag_reporters (flag_id, reporter_id, at_ms) values ($1, $2, $3)
on conflict do nothing
returning flag_id

-- name: words
-- $1 flag_id: for each who reported it, how many of their other reports are decided, and how many upheld.
select mine.reporter_id,
    count(flags.id)::int as decided,
    count(flags.id) filter (where flags.status = 'resolved')::int as upheld
from flag_reporters mine
left join flag_reporters other on other.reporter_id = mine.reporter_id and other.flag_id <> mine.flag_id
left join flags on flags.id = other.flag_id and flags.status in ('resolved', 'dismissed')
where mine.flag_id = $1
group by mine.reporter_id
limit 100

-- name: aggravate
-- $1 id, $2 severity, $3 reports, $4 due_by_ms, $5 now_ms
update flags set version = version + 1, severity = $2, reports = $3, due_by_ms = least(due_by_ms, $4),
    updated_at_ms = $5
where id = $1

-- name: take_over
-- $1 id, $2 seq, $3 category, $4 severity, $5 rule, $6 rule_version, $7 verdict, $8 span_start, $9 span_end,
-- $10 due_by_ms, $11 now_ms
update flags set version = version + 1, seq = coalesce(seq, $2), category = $3, severity = $4, rule = $5,
    rule_version = $6, verdict = $7, span_start = $8, span_end = $9, due_by_ms = least(due_by_ms, $10),
    updated_at_ms = $11
where id = $1

-- name: save_claim
-- $1 id, $2 version, $3 claimed_by, $4 claimed_until_ms, $5 now_ms
update flags set version = $2, status = 'claimed', claimed_by = $3, claimed_until_ms = $4,
    first_claimed_at_ms = coalesce(first_claimed_at_ms, $5), updated_at_ms = $5
where id = $1

-- name: resolve
-- $1 id, $2 status, $3 resolution, $4 resolved_by, $5 now_ms
update flags set version = version + 1, status = $2, resolution = $3, resolved_by = $4, resolved_at_ms = $5,
    claimed_by = null, claimed_until_ms = null, updated_at_ms = $5
where id = $1

-- name: reopen_lapsed
-- $1 now_ms, $2 limit: claims that nobody renewed.
update flags set version = version + 1, status = 'open', claimed_by = null, claimed_until_ms = null,
    updated_at_ms = $1
where id in (
    select id from flags where status = 'claimed' and claimed_until_ms <= $1
    order by claimed_until_ms limit $2 for update skip locked
)
returning id

-- name: queue
-- $1 who asks, $2 after this id or null, $3 limit. Most pressing first, without cases of one's own.
select flags.*, array(
    select user_id from participants where participants.session_id = flags.session_id
    union select reporter_id from flag_reporters where flag_id = flags.id
    union select flags.user_id
) as concerned
from flags
where status in ('open', 'claimed')
    and ($2::uuid is null or (category <> 'distress', due_by_ms, id) > (
        select last.category <> 'distress', last.due_by_ms, last.id from flags last where last.id = $2))
    and user_id <> $1
    and not exists (select from participants where participants.session_id = flags.session_id and user_id = $1)
    and not exists (select from flag_reporters where flag_id = flags.id and reporter_id = $1)
order by (category <> 'distress'), due_by_ms, id
limit $3

-- name: flag_history
-- $1 who asks, $2 status or null, $3 category or null, $4 before this id or null, $5 limit. The newest first.
select flags.*, array(
    select user_id from participants where participants.session_id = flags.session_id
    union select reporter_id from flag_reporters where flag_id = flags.id
    union select flags.user_id
) as concerned
from flags
where ($2::text is null or status = $2) and ($3::text is null or category = $3)
    and ($4::uuid is null or id < $4)
    and user_id <> $1
    and not exists (select from participants where participants.session_id = flags.session_id and user_id = $1)
    and not exists (select from flag_reporters where flag_id = flags.id and reporter_id = $1)
order by id desc
limit $5

-- name: changed_since
-- $1 since_ms, $2 limit
select flags.*, array(
    select user_id from participants where participants.session_id = flags.session_id
    union select reporter_id from flag_reporters where flag_id = flags.id
    union select flags.user_id
) as concerned
from flags where updated_at_ms >= $1
order by updated_at_ms
limit $2

-- name: figures
select count(*)::int as waiting, min(created_at_ms) as oldest_at_ms from flags
where status in ('open', 'claimed')

-- name: concerned
-- $1 session_id: who takes part in a session on record.
select user_id from participants where session_id = $1
