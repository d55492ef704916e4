-- Recordings at the media vendor. Times are Unix milliseconds.

-- name: consent_to_recording
-- $1 person_id: the decision by which they agree right now. Take the lock first.
select id from (
    select id, granted from consents where person_id = $1 and purpose = 'recording' order by id desc limit 1
) latest
where granted

-- name: want
-- $1 id, $2 session_id, $3 practitioner_id, $4 guest_id, $5 practitioner_consent_id, $6 guest_consent_id, $7 channel,
-- $8 the first uid of recorders, $9 lasts_s, $10 now_ms, $11 how many a session may have. No row: one is open, or
-- there were enough.
insert into recordings (
    id, session_id, practitioner_id, guest_id, practitioner_consent_id, guest_consent_id, channel, uid, lasts_s,
    requested_at_ms, next_at_ms
)
select $1, $2, $3, $4, $5, $6, $7, $8::bigint + count(*), $9, $10, $10 from recordings where session_id = $2
having count(*) < $11::integer
on conflict do nothing
returning id, session_id, practitioner_id, guest_id, channel, uid, lasts_s, resource_id, sid, state, stop_reason,
    requested_at_ms, acquired_at_ms, started_at_ms, stopped_at_ms, shown, missed, looked_at_ms, attempts,
    true as agreed

-- name: latest
-- $1 session_id
select id, session_id, practitioner_id, guest_id, channel, uid, lasts_s, resource_id, sid, state, stop_reason,
    requested_at_ms, acquired_at_ms, started_at_ms, stopped_at_ms, shown, missed, looked_at_ms, attempts,
    true as agreed
from recordings where session_id = $1 order by id desc limit 1

-- name: due
-- $1 now_ms, $2 limit, $3 lease_ms: what is open, or not shown in its room. Whoever takes one has it to itself for
-- the lease, unless somebody wants it stopped. `agreed` is whether both agree now.
with taken as (
    select id from recordings
    where (state in ('requested', 'acquired', 'recording') or not shown) and next_at_ms <= $1
    order by next_at_ms
    limit $2
    for update skip locked
)
update recordings set next_at_ms = $1::bigint + $3::bigint, attempts = attempts + 1
from taken where recordings.id = taken.id
returning recordings.id, session_id, practitioner_id, guest_id, channel, uid, lasts_s, resource_id, sid, state,
    stop_reason, requested_at_ms, acquired_at_ms, started_at_ms, stopped_at_ms, shown, missed, looked_at_ms, attempts,
    (select count(*) = 2 from (
        select distinct on (person_id) person_id, granted from consents
        where person_id in (practitioner_id, guest_id) and purpose = 'recording' order by person_id, id desc
    ) standing where granted) as agreed

-- name: acquired
-- $1 id, $2 resource_id, $3 now_ms. No row: somebody else was faster, or it is over.
update recordings set state = 'acquired', resource_id = $2, acquired_at_ms = $3, attempts = 0
where id = $1 and state = 'requested'
returning id

-- name: started
-- $1 id, $2 sid, $3 now_ms, $4 next_at_ms. No row: it is over, and must not run.
update recordings set state = 'recording', sid = $2, started_at_ms = coalesce(started_at_ms, $3), looked_at_ms = $3,
    shown = false, attempts = 0, next_at_ms = case when stop_reason is null then $4 else $3 end
where id = $1 and (state = 'acquired' or (state = 'recording' and sid = $2))
returning id

-- name: looked
-- $1 id, $2 now_ms, $3 files or null, $4 whether it was missed, $5 next_at_ms
update recordings set looked_at_ms = $2, files = coalesce($3, files), attempts = 0,
    missed = case when $4 then missed + 1 else 0 end,
    next_at_ms = case when stop_reason is null then $5 else next_at_ms end
where id = $1 and state = 'recording'

-- name: again
-- $1 id, $2 next_at_ms. Not later than somebody wants it stopped.
update recordings set next_at_ms = case when stop_reason is not null and attempts = 0 then next_at_ms else $2 end
where id = $1 and (state in ('requested', 'acquired', 'recording') or not shown)

-- name: want_stop
-- $1 session_id, $2 stop_reason, $3 now_ms: the one that is open. The first reason holds.
update recordings set stop_reason = coalesce(stop_reason, $2), next_at_ms = least(next_at_ms, $3), attempts = 0
where session_id = $1 and state in ('requested', 'acquired', 'recording')

-- name: withdraw
-- $1 person_id, $2 now_ms: everything open that they are in.
update recordings set stop_reason = coalesce(stop_reason, 'consent_withdrawn'), next_at_ms = least(next_at_ms, $2),
    attempts = 0
where state in ('requested', 'acquired', 'recording') and (practitioner_id = $1 or guest_id = $1)

-- name: over
-- $1 id, $2 state: stopped or failed, $3 stop_reason, $4 failure or null, $5 now_ms. It stays as it was over first.
update recordings set state = $2, stop_reason = coalesce(stop_reason, $3), failure = $4, stopped_at_ms = $5,
    shown = false, next_at_ms = $5
where id = $1 and state in ('requested', 'acquired', 'recording')

-- name: mark_shown
-- $1 id, $2 state
update recordings set shown = true where id = $1 and state = $2

-- name: heard
-- $1 channel, $2 uid, $3 sid, $4 at_ms, $5 what: started, over, files or trouble, $6 files or null, $7 now_ms. What
-- is over stays so, and what is known stays known. No row: it is none of ours.
update recordings set
    sid = coalesce(sid, $3),
    started_at_ms = case when $5 = 'started' then least(coalesce(started_at_ms, $4), $4) else started_at_ms end,
    files = case when $6::jsonb is null then files else $6 end,
    state = case when $5 = 'over' and state in ('acquired', 'recording') then 'stopped' else state end,
    stop_reason = case when $5 = 'over' and state in ('acquired', 'recording')
        then coalesce(stop_reason, 'ended_by_vendor') else stop_reason end,
    stopped_at_ms = case when $5 = 'over' and state in ('acquired', 'recording') then $4 else stopped_at_ms end,
    shown = shown and not ($5 = 'over' and state in ('acquired', 'recording')),
    looked_at_ms = case when $5 = 'trouble' then 0 else looked_at_ms end,
    next_at_ms = case when $5 = 'files' then next_at_ms else least(next_at_ms, $7) end
where channel = $1 and uid = $2 and (sid is null or sid = $3) and state <> 'requested'
returning id

-- name: own_recordings (as authenticated)
-- $1 limit, the newest first.
select id, session_id, practitioner_id as started_by, state, stop_reason, requested_at_ms, started_at_ms,
    stopped_at_ms, files
from recordings order by id desc limit $1
