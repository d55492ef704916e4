-- The privacy policy: its versions, who was told of which, who accepted which. Times are Unix milliseconds.

-- name: first_policy
-- $1 now_ms, $2 text_en, $3 text_fr. Of several processes that start at once, the first one writes it.
insert into policies (version, effective_at_ms, published_at_ms, text_en, text_fr) values (1, $1, $1, $2, $3)
on conflict (version) do nothing

-- name: publish
-- $1 effective_at_ms, $2 now_ms, $3 admin_id, $4 text_en, $5 text_fr
insert into policies (version, effective_at_ms, published_at_ms, published_by, text_en, text_fr)
select max(version) + 1, $1, $2, $3, $4, $5 from policies
returning version

-- name: lock_policies
-- Two admins who publish at once take turns.
select pg_advisory_xact_lock(hashtextextended('policies', 0))

-- name: versions
-- The newest first.
select version, effective_at_ms, published_at_ms from policies order by version desc limit 500

-- name: text
-- $1 version
select text_en, text_fr from policies where version = $1

-- name: unaccepted
-- $1 person_id. Versions after the last one that the person accepted; who accepted before versions were counted
-- accepted the first.
select version, effective_at_ms, published_at_ms from policies
where version > greatest(
    coalesce((select max(version) from policy_acceptances where person_id = $1), 0),
    (select count(*) from people where id = $1 and policy_accepted_ms is not null)
)
order by version

-- name: note_notices
-- $1 person ids, $2 version, $3 now_ms. That they were told of it, and of all before it.
insert into policy_notices (person_id, version, at_ms)
select people.id, policies.version, $3
from people, policies
where people.id = any ($1) and policies.version <= $2
on conflict do nothing

-- name: accept
-- $1 person_id, $2 version, $3 now_ms. No row: it was accepted before.
with accepted as (
    insert into policy_acceptances (person_id, version, basis, at_ms) values ($1, $2, 'explicit', $3)
    on conflict do nothing
)
update people set policy_accepted_ms = $3 where id = $1 and policy_accepted_ms is null
returning id

-- name: accept_by_use
-- $1 person_id, $2 now_ms. What the person was told of and is in effect; only for who accepted explicitly once.
insert into policy_acceptances (person_id, version, basis, at_ms)
select $1, policies.version, 'continued_use', $2
from policies join policy_notices using (version)
where policy_notices.person_id = $1 and policies.version > 1
    and policy_notices.at_ms <= $2 and policies.effective_at_ms <= $2
    and exists (select from people where id = $1 and policy_accepted_ms is not null)
on conflict do nothing
returning version

-- name: acceptances
-- $1 person_id
select version, basis, at_ms from policy_acceptances where person_id = $1 order by version desc limit 500
