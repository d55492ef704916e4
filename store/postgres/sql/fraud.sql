-- Sightings, findings about fraud, and what people decide about them. Times are Unix milliseconds.

-- name: insert_sightings
-- Of each: $1 person_id, $2 kind, $3 mark, $4 before, $5 day, $6 at_ms. Whoever has no profile yet comes again;
-- whoever is being removed is noted no more, or what waits in a hub's memory would outlive them.
insert into fraud_sightings (person_id, kind, mark, before, day, at_ms)
select seen.* from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::bigint[])
    as seen (person_id, kind, mark, before, day, at_ms)
join people on people.id = seen.person_id
where not exists (select from erasures where erasures.user_id = seen.person_id and step > 0)
on conflict (person_id, kind, mark, day) do nothing

-- name: take_progress
-- $1 now_ms, $2 lease_ms. No row: another worker looks.
update fraud_progress set lease_until_ms = $1::bigint + $2::bigint where lease_until_ms <= $1
returning until_ms

-- name: keep_progress
-- $1 until_ms, $2 lease_until_ms as taken
update fraud_progress set until_ms = $1, lease_until_ms = 0 where lease_until_ms = $2

-- name: insert_findings
-- $1 now_ms, and of each: $2 rule, $3 version, $4 mode, $5 weight, $6 subject_kind, $7 subject, $8 window_no,
-- $9 at_ms, $10 reason, $11 facts. Those that were not found before.
insert into fraud_findings (rule, version, mode, weight, subject_kind, subject, window_no, at_ms, reason, facts,
                            created_at_ms)
select found.*, $1
from unnest($2::text[], $3::integer[], $4::text[], $5::integer[], $6::text[], $7::text[], $8::bigint[],
            $9::bigint[], $10::text[], $11::jsonb[]) as found
on conflict (rule, version, mode, subject_kind, subject, window_no) do nothing
returning mode, subject_kind, subject

-- name: open_review
-- $1 id, $2 subject_kind, $3 subject, $4 findings after, $5 review_at, $6 now_ms. No row: the live rules that fired
-- for the subject do not weigh enough, or a review is under way.
insert into fraud_reviews (id, subject_kind, subject, opened_at_ms)
select $1, $2, $3, $6
where (
    select coalesce(sum(weight), 0) from (
        select max(weight) as weight from fraud_findings
        where subject_kind = $2 and subject = $3 and mode = 'live' and review_id is null and at_ms > $4
        group by rule
    ) fired
) >= $5
on conflict (subject_kind, subject) where state in ('open', 'held') do nothing
returning id

-- name: attach_findings
-- $1 subject_kind, $2 subject, $3 findings after. What fired for a subject belongs to the review that is under way;
-- one that is being decided just now is waited for, as nobody has seen this finding yet.
with current as (
    select id from fraud_reviews where subject_kind = $1 and subject = $2 and state in ('open', 'held')
    for no key update
)
update fraud_findings set review_id = current.id
from current
where fraud_findings.subject_kind = $1 and fraud_findings.subject = $2 and mode = 'live'
    and review_id is null and at_ms > $3

-- name: reviews
-- $1 state or null for all, $2 before this id or null, $3 limit. The newest first.
select * from fraud_reviews where ($1::text is null or state = $1) and ($2::uuid is null or id < $2)
order by id desc
limit $3

-- name: lock_review
-- $1 id
select * from fraud_reviews where id = $1 for update

-- name: findings
-- $1 reviews: what fired for them, in order, so many of each at most as $2 says.
select rule, version, mode, weight, subject_kind, subject, window_no, at_ms, reason, facts, review_id
from (
    select *, row_number() over (partition by review_id order by at_ms, id) as place
    from fraud_findings where review_id = any ($1::uuid[])
) listed
where place <= $2
order by at_ms, id

-- name: decide_review
-- $1 id, $2 state, $3 admin, $4 sealed reason, $5 now_ms, under the review's lock. No row: no live rule stands behind it,
-- or it is not where it could be decided so.
update fraud_reviews set state = $2, decided_by = $3, reason = $4, decided_at_ms = $5
where id = $1
    and ((state = 'open' and $2 in ('cleared', 'held')) or (state = 'held' and $2 = 'released'))
    and exists (select from fraud_findings where review_id = $1 and mode = 'live')
returning *

-- name: payouts_held
-- $1 practitioner_id: whether a person holds their transfers.
select exists (
    select from fraud_reviews where subject_kind = 'practitioner' and subject = $1::uuid::text and state = 'held'
)
