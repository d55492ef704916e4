-- Bookings. Times are Unix milliseconds, money minor units. That no two of a person overlap is the table's own
-- rule; whoever changes times takes `lock_calendars` first, so that two at once wait instead of failing each other.

-- name: lock_calendars
-- $1 people, $2 their number. Until the transaction is over, in one order for everybody.
select pg_advisory_xact_lock(7201655, hashtext(person)) from (
    select person from unnest($1::text[]) as person order by hashtext(person), person limit $2
) as sorted

-- name: insert_booking
-- $1 id, $2 practitioner_id, $3 guest_id, $4 request_id, $5 starts_at_ms, $6 ends_at_ms, $7 buffer_ms,
-- $8 price_kind, $9 currency, $10 rate_minor_per_minute, $11 free_ms, $12 fee_bps, $13 minimum_minor, $14 cap_minor,
-- $15 hold_minutes, $16 missed_minor, $17 free_until_ms, $18 due_at_ms, $19 now_ms. No row: it was asked for before.
insert into bookings (id, practitioner_id, guest_id, request_id, starts_at_ms, ends_at_ms, buffer_ms, price_kind,
    currency, rate_minor_per_minute, free_ms, fee_bps, minimum_minor, cap_minor, hold_minutes, missed_minor,
    free_until_ms, due_at_ms, created_at_ms, changed_at_ms)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $19)
on conflict (guest_id, request_id) do nothing
returning *

-- name: booking
-- $1 id
select * from bookings where id = $1

-- name: requested_booking
-- $1 guest_id, $2 request_id
select * from bookings where guest_id = $1 and request_id = $2

-- name: own_booking (as authenticated)
-- $1 id
select bookings.id, practitioner_id, coalesce(host.name, '') as practitioner_name, guest_id,
    coalesce(guest.name, '') as guest_name, starts_at_ms, ends_at_ms, state, bookings.version, price_kind,
    currency, rate_minor_per_minute, free_ms, minimum_minor, cap_minor, hold_minutes, missed_minor,
    free_until_ms, bookings.created_at_ms, changed_at_ms, room_at_ms, ended_at_ms, end_reason, reason, reason_by
from bookings
left join people host on host.id = practitioner_id
left join people guest on guest.id = guest_id
where bookings.id = $1

-- name: own_bookings (as authenticated)
-- $1 ends after, $2 starts before or null, $3 after this start and $4 id, or null, $5 limit. The next one first.
select bookings.id, practitioner_id, coalesce(host.name, '') as practitioner_name, guest_id,
    coalesce(guest.name, '') as guest_name, starts_at_ms, ends_at_ms, state, bookings.version, price_kind,
    currency, rate_minor_per_minute, free_ms, minimum_minor, cap_minor, hold_minutes, missed_minor,
    free_until_ms, bookings.created_at_ms, changed_at_ms, room_at_ms, ended_at_ms, end_reason, reason, reason_by
from bookings
left join people host on host.id = practitioner_id
left join people guest on guest.id = guest_id
where ends_at_ms > $1 and ($2::bigint is null or starts_at_ms < $2)
    and ($4::uuid is null or (starts_at_ms, bookings.id) > ($3::bigint, $4::uuid))
order by starts_at_ms, bookings.id
limit $5

-- name: taken
-- $1 practitioner_id, $2 guest_id or null, $3 from_ms, $4 to_ms, $5 a booking that does not count, or null: times
-- in which either of the two is booked. A pause of the practitioner's is none of the guest's.
select starts_at_ms as from_ms, ends_at_ms as to_ms,
    case when practitioner_id = $1 then buffer_ms else 0 end as buffer_ms
from bookings
where state in ('booked', 'started') and (practitioner_id = $1 or guest_id = $2)
    and starts_at_ms < $4 and ends_at_ms + buffer_ms > $3 and ($5::uuid is null or id <> $5)
order by starts_at_ms
limit 20000

-- name: next_start_ms
-- $1 people, $2 after (ms), $3 a booking that does not count, or null: when the next booking of any of them begins
-- that is not over by then.
select min(starts_at_ms) from bookings
where state in ('booked', 'started') and ends_at_ms > $2 and ($3::uuid is null or id <> $3)
    and (practitioner_id = any ($1::uuid[]) or guest_id = any ($1::uuid[]))

-- name: booked_ahead
-- $1 guest_id: how many bookings of theirs are to come, or run.
select count(*)::int from bookings where guest_id = $1 and state in ('booked', 'started')

-- name: move_booking
-- $1 id, $2 guest_id, $3 version, $4 starts_at_ms, $5 ends_at_ms, $6 cap_minor, $7 missed_minor, $8 free_until_ms,
-- $9 due_at_ms, $10 now_ms. No row: it is not as it was, or its room is made.
update bookings set starts_at_ms = $4, ends_at_ms = $5, cap_minor = $6, missed_minor = $7, free_until_ms = $8,
    due_at_ms = $9, changed_at_ms = $10, version = version + 1
where id = $1 and guest_id = $2 and version = $3 and state = 'booked' and room_at_ms is null and $10 < free_until_ms
returning *

-- name: cancel_booking
-- $1 id, $2 end_reason, $3 now_ms. No row: its room is made, or it is over.
update bookings set state = 'cancelled', end_reason = $2, ended_at_ms = $3, changed_at_ms = $3, version = version + 1
where id = $1 and state = 'booked' and room_at_ms is null
returning *

-- name: say_why
-- $1 id, $2 who, $3 reason, sealed. The first word stands.
update bookings set reason = $3, reason_by = $2 where id = $1 and reason is null

-- name: extend_booking
-- $1 id, $2 ends_at_ms, $3 now_ms. Never shorter.
update bookings set ends_at_ms = greatest(ends_at_ms, $2), changed_at_ms = $3, version = version + 1,
    told_version = version + 1
where id = $1 and state in ('booked', 'started')
returning ends_at_ms

-- name: due_bookings
-- $1 now_ms, $2 limit, $3 lease_ms. What has to be looked at now, the most urgent first.
with taken as (
    select id from bookings
    where state in ('booked', 'started') and due_at_ms <= $1 and lease_until_ms <= $1
    order by starts_at_ms, id
    limit $2
    for update skip locked
)
update bookings set lease_until_ms = $1::bigint + $3::bigint
from taken where bookings.id = taken.id
returning bookings.*

-- name: claim_booking
-- $1 id, $2 now_ms, $3 version that was due. From now on its room decides. No row: it was cancelled or moved.
update bookings set room_at_ms = coalesce(room_at_ms, $2)
where id = $1 and state in ('booked', 'started') and (room_at_ms is not null or version = $3)
returning *

-- name: look_again
-- $1 id, $2 due_at_ms, $3 whether it is live. Ends the lease.
update bookings set due_at_ms = $2, lease_until_ms = 0,
    state = case when $3 and state = 'booked' then 'started' else state end
where id = $1 and state in ('booked', 'started')

-- name: hold_told
-- $1 id, $2 what the guest is told of the hold. No row: they know it.
update bookings set hold_told = $2 where id = $1 and hold_told is distinct from $2
returning id

-- name: finish_booking
-- $1 id, $2 state, $3 end_reason, $4 ended_at_ms. What its session came to, or that it never had one.
update bookings set state = $2, end_reason = $3, ended_at_ms = $4, changed_at_ms = $4, version = version + 1,
    lease_until_ms = 0
where id = $1 and state in ('booked', 'started')
returning *

-- name: untold
-- $1 changed before (ms), $2 limit: bookings of whose change the people have not been told.
select * from bookings where told_version < version and changed_at_ms < $1 order by changed_at_ms limit $2

-- name: told
-- $1 id, $2 version
update bookings set told_version = greatest(told_version, $2) where id = $1

-- name: unfit_bookings
-- $1 now_ms, $2 until start (ms), $3 limit, $4 only this one, or null for all without a room: bookings that cannot
-- take place: one of the two is suspended beyond the start, is to be erased or gone, or they want nothing to do with
-- each other. Of the one whose time has come the practitioner has to be verified, and paid out to where it is paid
-- for, and nobody has still to look at whether one of the two is of age.
select * from bookings
where state = 'booked' and starts_at_ms < $2 and (id = $4 or ($4::uuid is null and room_at_ms is null)) and (
    exists (
        select from suspensions
        where user_id in (practitioner_id, guest_id) and lifted_at_ms is null
            and (until_ms is null or until_ms > greatest($1::bigint, starts_at_ms))
    )
    or exists (
        select from blocks
        where (blocker_id = practitioner_id and blocked_id = guest_id)
            or (blocker_id = guest_id and blocked_id = practitioner_id)
    )
    or exists (
        select from erasures
        where user_id in (practitioner_id, guest_id) and state in ('requested', 'waiting', 'running')
    )
    or not exists (select from people where people.id = practitioner_id)
    or not exists (select from people where people.id = guest_id)
    or ($4::uuid is not null and not exists (
        select from practices
        where practices.practitioner_id = bookings.practitioner_id and verified_at_ms is not null
            and (transfers_active or price_kind = 'free')
    ))
    or ($4::uuid is not null and exists (
        select from flags
        where user_id in (practitioner_id, guest_id) and category = 'minor' and status in ('open', 'claimed')
    ))
)
order by starts_at_ms
limit $3

-- name: bookings_of
-- $1 person, $2 limit: their bookings that are still to come.
select * from bookings
where state = 'booked' and (practitioner_id = $1 or guest_id = $1)
order by starts_at_ms
limit $2

-- name: put_link
-- $1 person_id, $2 digest, $3 now_ms. The one before opens nothing any more.
insert into calendar_links (person_id, digest, created_at_ms) values ($1, $2, $3)
on conflict (person_id) do update set digest = excluded.digest, created_at_ms = excluded.created_at_ms

-- name: delete_link
-- $1 person_id
delete from calendar_links where person_id = $1

-- name: link_owner
-- $1 digest
select person_id from calendar_links where digest = $1
