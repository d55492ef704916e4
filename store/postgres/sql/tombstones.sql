-- Who was erased, as keyed marks. Times are Unix milliseconds.

-- name: bury
-- Of each: $1 mark, $2 reason, $3 erased_at_ms. How many were not known.
with put as (
    insert into tombstones (mark, reason, erased_at_ms)
    select buried.* from unnest($1::bytea[], $2::text[], $3::bigint[]) as buried
    on conflict (mark) where mark is not null do nothing
    returning n
)
select count(*) from put

-- name: known
-- $1 marks
select mark from tombstones where mark = any ($1::bytea[])

-- name: page
-- $1 after this n, $2 limit
select n, mark, reason, erased_at_ms from tombstones where n > $1 and mark is not null order by n limit $2

-- name: unmarked
-- $1 limit. From before there were marks.
select user_id from tombstones where user_id is not null order by n limit $1

-- name: mark
-- $1 user_id, $2 mark. One that has its mark already is not needed twice.
update tombstones set mark = $2, user_id = null
where user_id = $1 and not exists (select from tombstones where mark = $2)

-- name: people_after
-- $1 after this id or null, $2 limit. Whoever has a profile.
select id from people where ($1::uuid is null or id > $1) order by id limit $2
