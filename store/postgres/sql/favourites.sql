-- Whom people like to come back to. Times are Unix milliseconds.

-- name: insert_favourite
-- $1 person_id, $2 practitioner_id, $3 now_ms, $4 how many a person may have. Only of who is listed, and with whom
-- there is no block. No row: it is there already, or may not be.
insert into favourites (person_id, practitioner_id, created_at_ms)
select $1, practices.practitioner_id, $3 from practices
where practices.practitioner_id = $2 and verified_at_ms is not null
    and not exists (
        select from blocks
        where (blocker_id = $1 and blocked_id = $2) or (blocker_id = $2 and blocked_id = $1)
    )
    and (select count(*) from favourites where person_id = $1) < $4
on conflict (person_id, practitioner_id) do nothing
returning practitioner_id

-- name: delete_favourite
-- $1 person_id, $2 practitioner_id
delete from favourites where person_id = $1 and practitioner_id = $2

-- name: own_favourite (as authenticated)
-- $1 practitioner_id
select practitioner_id as id, coalesce(people.name, '') as name, favourites.created_at_ms
from favourites left join people on people.id = practitioner_id
where practitioner_id = $1

-- name: own_favourites (as authenticated)
-- $1 after this id or null, $2 limit. In the order of ids.
select practitioner_id as id, coalesce(people.name, '') as name, favourites.created_at_ms
from favourites left join people on people.id = practitioner_id
where $1::uuid is null or practitioner_id > $1
order by practitioner_id
limit $2
