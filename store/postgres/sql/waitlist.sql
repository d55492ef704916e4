-- Who waits for whom, and whose turn it is. Times are Unix milliseconds.

-- name: join_waitlist
-- $1 guest_id, $2 practitioner_id, $3 now_ms, $4 expires_at_ms, $5 for how many one may wait, $6 how many may wait
-- for one. Only for who is listed, and with whom there is no block. Who waits already keeps their place.
insert into waitlist (guest_id, practitioner_id, asked_at_ms, expires_at_ms)
select $1, practices.practitioner_id, $3, $4 from practices
where practices.practitioner_id = $2 and verified_at_ms is not null
    and not exists (
        select from blocks
        where (blocker_id = $1 and blocked_id = $2) or (blocker_id = $2 and blocked_id = $1)
    )
    and (select count(*) from waitlist where guest_id = $1 and expires_at_ms > $3) < $5
    and (select count(*) from waitlist where practitioner_id = $2 and expires_at_ms > $3) < $6
on conflict (guest_id, practitioner_id) do update set asked_at_ms = excluded.asked_at_ms,
    expires_at_ms = excluded.expires_at_ms, offer_id = null, offered_at_ms = null, offer_until_ms = null,
    told_at_ms = null
where waitlist.expires_at_ms <= $3
returning practitioner_id

-- name: leave_waitlist
-- $1 guest_id, $2 practitioner_id
delete from waitlist where guest_id = $1 and practitioner_id = $2

-- name: waiting
-- $1 guest_id, $2 practitioner_id or null for all, $3 now_ms, $4 limit. In the order in which one asked.
select mine.practitioner_id, coalesce(people.name, '') as name, mine.asked_at_ms, mine.expires_at_ms,
    mine.offer_until_ms,
    (
        select count(*)::int from waitlist other
        where other.practitioner_id = mine.practitioner_id and other.expires_at_ms > $3
            and (other.asked_at_ms, other.guest_id) <= (mine.asked_at_ms, mine.guest_id)
    ) as place
from waitlist mine
left join people on people.id = mine.practitioner_id
where mine.guest_id = $1 and ($2::uuid is null or mine.practitioner_id = $2) and mine.expires_at_ms > $3
    and (mine.offer_until_ms is null or mine.offer_until_ms > $3)
order by mine.asked_at_ms, mine.practitioner_id
limit $4

-- name: clear_waitlist
-- $1 now_ms, $2 limit. Who waited long enough, let their turn go by, or has asked for a session since.
delete from waitlist where (guest_id, practitioner_id) in (
    select guest_id, practitioner_id from waitlist
    where expires_at_ms <= $1 or (offer_until_ms <= $1 and told_at_ms is not null) or exists (
        select from sessions
        join participants on participants.session_id = sessions.id and participants.user_id = waitlist.guest_id
        where sessions.practitioner_id = waitlist.practitioner_id
            and sessions.requested_at_ms >= waitlist.asked_at_ms
    )
    limit $2
)
returning guest_id

-- name: withdraw_unheard
-- $1 now_ms. Turns that went by while nobody told of them: they keep their place.
update waitlist set offer_id = null, offered_at_ms = null, offer_until_ms = null
where offer_until_ms <= $1 and told_at_ms is null

-- name: offers
-- $1 now_ms, $2 limit. Whose turn it is.
select guest_id, practitioner_id, offer_id, offer_until_ms, told_at_ms from waitlist
where offer_until_ms > $1 order by offered_at_ms limit $2

-- name: sought
-- $1 now_ms, $2 limit. For whom somebody waits, while it is nobody's turn.
select practitioner_id from waitlist
group by practitioner_id
having bool_and(offer_id is null) and max(expires_at_ms) > $1
order by min(asked_at_ms)
limit $2

-- name: next_in_line
-- $1 practitioner_id, $2 now_ms, $3 limit, $4 until (ms). Guests who may be offered a practitioner, in their order,
-- while neither of the two has something booked that begins before then.
select guest_id from waitlist
join people on people.id = guest_id and people.role = 'guest'
where practitioner_id = $1 and expires_at_ms > $2 and offer_id is null
    and exists (
        select from practices
        where practices.practitioner_id = $1 and verified_at_ms is not null and accepts_instant and transfers_active
    )
    and not exists (
        select from blocks
        where (blocker_id = guest_id and blocked_id = $1) or (blocker_id = $1 and blocked_id = guest_id)
    )
    and not exists (
        select from suspensions where user_id in (guest_id, $1) and lifted_at_ms is null
            and (until_ms is null or until_ms > $2)
    )
    and not exists (
        select from erasures where user_id in (guest_id, $1) and state in ('requested', 'waiting', 'running')
    )
    and not exists (
        select from bookings
        where (bookings.practitioner_id = $1 or bookings.guest_id = waitlist.guest_id)
            and state in ('booked', 'started') and ends_at_ms > $2 and starts_at_ms < $4
    )
order by asked_at_ms, guest_id
limit $3

-- name: make_offer
-- $1 guest_id, $2 practitioner_id, $3 offer_id, $4 now_ms, $5 until. No row: it is somebody's turn, or they left.
update waitlist set offer_id = $3, offered_at_ms = $4, offer_until_ms = $5, told_at_ms = null
where guest_id = $1 and practitioner_id = $2 and offer_id is null and expires_at_ms > $4
    and not exists (select from waitlist other where other.practitioner_id = $2 and other.offer_id is not null)
returning offer_id

-- name: withdraw_offer
-- $1 offer_id. It is their turn no more, through no doing of theirs: they keep their place.
update waitlist set offer_id = null, offered_at_ms = null, offer_until_ms = null, told_at_ms = null
where offer_id = $1

-- name: note_told
-- $1 offer_id, $2 now_ms
update waitlist set told_at_ms = $2 where offer_id = $1 and told_at_ms is null

-- name: others_turn_until_ms
-- $1 practitioner_id, $2 who asks, $3 now_ms: when the turn of another ends, if it is one's.
select offer_until_ms from waitlist
where practitioner_id = $1 and guest_id <> $2 and offer_until_ms > $3 and told_at_ms is not null
