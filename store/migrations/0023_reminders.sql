-- What is said by text message about booked sessions. Times are Unix milliseconds.

-- A reminder of one start to one person, `lead_s` seconds before. It is made when it falls due, from the booking;
-- a booking that moves has others. `sending` is on record before anything goes out and is never left for `due`
-- unless it is certain that nothing went: so nobody is told the same twice.
-- `number`: where it went, sealed, only while nobody knows whether it did. `number_mark`: a keyed hash of it.
-- `prefix`: the country's code and the first digits, by which floods are recognised.
create table reminders (
    id uuid primary key,
    booking_id uuid not null references bookings (id) on delete cascade,
    person_id uuid not null references people (id) on delete cascade,
    starts_at_ms bigint not null,
    lead_s integer not null check (lead_s > 0),
    due_at_ms bigint not null,
    state text not null default 'due'
        check (state in ('due', 'sending', 'sent', 'delivered', 'failed', 'suppressed', 'expired', 'lost')),
    reason text check (reason ~ '^[a-z_]{1,40}$'),
    error integer,
    attempts integer not null default 0 check (attempts >= 0),
    sent_at_ms bigint,
    sid text unique check (sid ~ '^(SM|MM)[0-9a-f]{32}$'),
    prefix text check (prefix ~ '^\+[0-9]{1,10}$'),
    number_mark bytea check (length(number_mark) = 32),
    number bytea,
    next_at_ms bigint not null,
    lease_until_ms bigint not null default 0,
    changed_at_ms bigint not null,
    unique (booking_id, person_id, lead_s, starts_at_ms),
    check (number is null or state = 'sending'),
    check (state not in ('due', 'suppressed', 'expired') or sent_at_ms is null),
    check (state not in ('sending', 'sent', 'delivered', 'lost') or sent_at_ms is not null)
);
create index reminders_next on reminders (next_at_ms) where state in ('due', 'sending');
create index reminders_person on reminders (person_id, sent_at_ms);
create index reminders_number on reminders (number_mark, sent_at_ms) where number_mark is not null;
create index reminders_prefix on reminders (prefix, sent_at_ms) where prefix is not null;
create index bookings_next on bookings (starts_at_ms) where state = 'booked';

-- A consent that was withdrawn by a text from a number, or by Twilio's word that it was. Who then writes START
-- from the same number has it back, as long as this is the last decision.
create table sms_stops (
    consent_id bigint primary key references consents (id) on delete cascade,
    person_id uuid not null references people (id) on delete cascade,
    number_mark bytea not null check (length(number_mark) = 32),
    at_ms bigint not null
);
create index sms_stops_person on sms_stops (person_id);
create index people_phone on people (phone) where phone is not null;

select keep_to_hub('reminders', 'sms_stops');

grant select, insert on reminders, sms_stops to hub_worker;
grant update (
    state, reason, error, attempts, sent_at_ms, sid, prefix, number_mark, number, next_at_ms, lease_until_ms,
    changed_at_ms, due_at_ms
) on reminders to hub_worker;

grant select (
    id, booking_id, person_id, starts_at_ms, lead_s, due_at_ms, state, reason, sent_at_ms, changed_at_ms
) on reminders to authenticated;
create policy own on reminders for select to authenticated using (person_id = (select auth.uid()));
grant select (consent_id, person_id, at_ms) on sms_stops to authenticated;
create policy own on sms_stops for select to authenticated using (person_id = (select auth.uid()));

-- What becomes of it when somebody is erased, and of old reminders.
grant select, delete on reminders to hub_eraser, hub_retention;
grant select, delete on sms_stops to hub_eraser;

select let_work('hub_eraser', 'reminders', 'sms_stops');
select let_work('hub_retention', 'reminders');
