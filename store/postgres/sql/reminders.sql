-- Reminders of booked sessions by text message. Times are Unix milliseconds. What was sent, or may have been, never
-- becomes due again.

-- name: make_due
-- $1 leads (s), $2 now_ms, $3 limit. For those who have a number and ever agreed, what falls due now or is late by at
-- most half its lead; not what was due before the booking was made or moved, or before they last decided. Whoever
-- has taken their consent back has reminders on record that are left out. A start that was moved away from and is
-- the booking's again has its reminders again, unless they were sent.
insert into reminders as kept (id, booking_id, person_id, starts_at_ms, lead_s, due_at_ms, next_at_ms, changed_at_ms)
select gen_random_uuid(), found.id, found.person_id, found.starts_at_ms, found.lead_s, found.due_at_ms, $2, $2
from (
    select bookings.id, people.id as person_id, bookings.starts_at_ms, leads.lead_s,
        bookings.starts_at_ms - leads.lead_s * 1000::bigint as due_at_ms
    from unnest($1::integer[]) as leads (lead_s)
    join bookings on bookings.state = 'booked'
        and bookings.starts_at_ms between $2::bigint + leads.lead_s * 500::bigint and $2::bigint + leads.lead_s * 1000::bigint
    join people on people.id in (bookings.guest_id, bookings.practitioner_id) and people.phone is not null
    cross join lateral (
        select at_ms from consents
        where person_id = people.id and purpose = 'sms'
        order by consents.id desc
        limit 1
    ) as consent
    left join reminders as made on made.booking_id = bookings.id and made.person_id = people.id
        and made.lead_s = leads.lead_s and made.starts_at_ms = bookings.starts_at_ms
    where bookings.starts_at_ms - leads.lead_s * 1000::bigint >= greatest(bookings.changed_at_ms, consent.at_ms)
        and (made.id is null or (made.state = 'suppressed' and made.reason = 'moved'))
    order by bookings.starts_at_ms, bookings.id
    limit $3
) as found
on conflict (booking_id, person_id, lead_s, starts_at_ms) do update set state = 'due', reason = null,
    due_at_ms = excluded.due_at_ms, next_at_ms = excluded.next_at_ms, lease_until_ms = 0,
    changed_at_ms = excluded.changed_at_ms
where kept.state = 'suppressed' and kept.reason = 'moved'
returning id

-- name: take_reminders
-- $1 state: due or sending, $2 now_ms, $3 limit, $4 lease_ms. Whoever takes one has it to itself for the lease.
with taken as (
    select id from reminders
    where state = $1 and next_at_ms <= $2 and lease_until_ms <= $2
    order by starts_at_ms, id
    limit $3
    for update skip locked
)
update reminders set lease_until_ms = $2::bigint + $4::bigint
from taken where reminders.id = taken.id
returning reminders.id, booking_id, person_id, reminders.starts_at_ms, lead_s, state, attempts, sent_at_ms, number

-- name: reminder_facts
-- $1 id, $2 now_ms. What is known of it and of its recipient right now.
select reminders.lead_s, reminders.starts_at_ms, bookings.state as booking_state,
    bookings.starts_at_ms as booking_starts_at_ms, people.phone, people.country, people.language,
    reminders.person_id = bookings.practitioner_id as hosts, bookings.practitioner_id,
    coalesce(host.name, '') as practitioner_name, availability.zone,
    coalesce((
        select granted from consents where person_id = people.id and purpose = 'sms' order by consents.id desc limit 1
    ), false) as consents,
    exists (
        select from suspensions
        where user_id = people.id and lifted_at_ms is null and (until_ms is null or until_ms > $2)
    ) or exists (
        select from erasures where user_id = people.id and state in ('requested', 'waiting', 'running')
    ) as barred
from reminders
join bookings on bookings.id = reminders.booking_id
join people on people.id = reminders.person_id
left join people host on host.id = bookings.practitioner_id
left join availability on availability.practitioner_id = people.id
where reminders.id = $1

-- name: lock_prefix
-- $1 prefix. Until the transaction is over, nobody else counts and sends to these numbers.
select pg_advisory_xact_lock(hashtextextended('sms:' || $1::text, 0))

-- name: sent_to_prefix
-- $1 prefix, $2 since_ms
select count(*) from reminders where prefix = $1 and sent_at_ms > $2

-- name: sent_to_person
-- $1 person_id, $2 number_mark, $3 since_ms: to this person, or to their number in whosever name.
select count(*) from reminders where (person_id = $1 or number_mark = $2) and sent_at_ms > $3

-- name: begin_sending
-- $1 id, $2 now_ms, $3 prefix, $4 number_mark, $5 number, sealed, $6 look_at_ms. From now on it may have gone out.
-- No row: it is not due any more, or its booking is not to be reminded of, at this very moment.
update reminders set state = 'sending', sent_at_ms = $2, prefix = $3, number_mark = $4, number = $5,
    next_at_ms = $6, lease_until_ms = 0, attempts = attempts + 1, changed_at_ms = $2
from bookings
where reminders.id = $1 and reminders.state = 'due' and bookings.id = reminders.booking_id
    and bookings.state = 'booked' and bookings.starts_at_ms = reminders.starts_at_ms
returning reminders.id

-- name: not_sent
-- $1 id, $2 sent_at_ms, $3 next_at_ms, $4 now_ms. It is certain that it did not go out then: it is due again.
update reminders set state = 'due', sent_at_ms = null, prefix = null, number_mark = null, number = null,
    next_at_ms = $3, lease_until_ms = 0, changed_at_ms = $4
where id = $1 and state = 'sending' and sent_at_ms = $2
returning id

-- name: was_sent
-- $1 id, $2 sid, $3 now_ms. Also of one that was given up as lost. No row: it is known already.
update reminders set state = 'sent', sid = $2, number = null, changed_at_ms = $3
where id = $1 and state in ('due', 'sending', 'lost')
returning id

-- name: was_refused
-- $1 id, $2 reason, $3 error, $4 now_ms. Twilio does not send it.
update reminders set state = 'failed', reason = $2, error = $3, number = null, changed_at_ms = $4
where id = $1 and state = 'sending'
returning id

-- name: look_later
-- $1 id, $2 next_at_ms. Whether it went out is looked up again then.
update reminders set next_at_ms = $2, lease_until_ms = 0 where id = $1 and state = 'sending'

-- name: give_up
-- $1 id, $2 now_ms. Nobody knows whether it went out: it is not sent again.
update reminders set state = 'lost', number = null, changed_at_ms = $2 where id = $1 and state = 'sending'
returning id

-- name: put_off
-- $1 id, $2 next_at_ms, $3 now_ms
update reminders set next_at_ms = $2, lease_until_ms = 0, changed_at_ms = $3 where id = $1 and state = 'due'

-- name: leave_out
-- $1 id, $2 state: suppressed or expired, $3 reason, $4 now_ms
update reminders set state = $2, reason = $3, changed_at_ms = $4 where id = $1 and state = 'due'
returning id

-- name: report
-- $1 id, $2 sid, $3 state: sent, delivered or failed, $4 error or null, $5 now_ms. What Twilio reports, which comes
-- late, twice and out of order: it only moves forward. No row: nothing new, or another message's.
update reminders set state = $3, sid = $2, error = $4, number = null, changed_at_ms = $5,
    sent_at_ms = coalesce(sent_at_ms, $5),
    reason = case when $3 = 'failed' then 'undelivered' end
where id = $1 and (sid is null or sid = $2)
    and (state in ('due', 'sending', 'lost') or (state = 'sent' and $3 in ('delivered', 'failed')))
returning id

-- name: reminders_of
-- $1 booking_id, $2 limit. The longest notice first, then by person.
select id, booking_id, person_id, starts_at_ms, lead_s, due_at_ms, state, reason, error, attempts, sent_at_ms, sid,
    next_at_ms
from reminders where booking_id = $1
order by starts_at_ms, lead_s desc, person_id
limit $2

-- name: people_with
-- $1 phone, $2 limit. Whoever has this number, in one order for everybody.
select id, language from people where phone = $1 order by id limit $2

-- name: note_stop
-- $1 person_id, $2 number_mark, $3 now_ms. The withdrawal that holds came by text from this number.
insert into sms_stops (consent_id, person_id, number_mark, at_ms)
select consents.id, $1, $2, $3 from consents
where person_id = $1 and purpose = 'sms' and not granted
order by consents.id desc
limit 1
on conflict (consent_id) do nothing

-- name: stopped_by
-- $1 person_id, $2 number_mark: whether the last decision is a withdrawal by text from this number.
select exists (
    select from sms_stops
    where number_mark = $2 and consent_id = (
        select max(id) from consents where person_id = $1 and purpose = 'sms'
    )
)
