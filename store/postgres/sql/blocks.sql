-- Who wants nothing to do with whom. It counts both ways.

-- name: blockable (as authenticated)
-- $1 id. A person whom one may know of: listed, or met in a session; never staff, never oneself.
select exists (
    select from people where id = $1 and id <> (select auth.uid()) and role in ('guest', 'practitioner')
)

-- name: insert_block
-- $1 blocker_id, $2 blocked_id, $3 now_ms, $4 how many a person may have. No row: it is there already, or there
-- are too many. Neither likes the other nor waits for them any more.
with made as (
    insert into blocks (blocker_id, blocked_id, created_at_ms)
    select $1, $2, $3 where (select count(*) from blocks where blocker_id = $1) < $4
    on conflict (blocker_id, blocked_id) do nothing
    returning blocker_id, blocked_id
), liked as (
    delete from favourites using made
    where (person_id = blocker_id and practitioner_id = blocked_id)
        or (person_id = blocked_id and practitioner_id = blocker_id)
), waited as (
    delete from waitlist using made
    where (guest_id = blocker_id and practitioner_id = blocked_id)
        or (guest_id = blocked_id and practitioner_id = blocker_id)
)
select blocked_id from made

-- name: delete_block
-- $1 blocker_id, $2 blocked_id. No row: there was none.
delete from blocks where blocker_id = $1 and blocked_id = $2 returning blocked_id

-- name: own_block (as authenticated)
-- $1 blocked_id. One's own block of somebody.
select blocked_id as id, coalesce(people.name, '') as name, blocks.created_at_ms
from blocks left join people on people.id = blocked_id
where blocked_id = $1

-- name: own_blocks (as authenticated)
-- $1 after this id or null, $2 limit. One's own blocks, in the order of ids.
select blocked_id as id, coalesce(people.name, '') as name, blocks.created_at_ms
from blocks left join people on people.id = blocked_id
where $1::uuid is null or blocked_id > $1
order by blocked_id
limit $2

-- name: blocked_with
-- $1 user_id. Everyone with whom there is a block, whoever made it.
select blocked_id as id from blocks where blocker_id = $1
union
select blocker_id from blocks where blocked_id = $1

-- name: is_between
-- $1, $2 two people. Whether either blocked the other.
select exists (
    select from blocks
    where (blocker_id = $1 and blocked_id = $2) or (blocker_id = $2 and blocked_id = $1)
)
