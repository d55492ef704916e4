-- When a practitioner can be booked, and who booked them when. Times are Unix milliseconds.

-- Two bookings of a person must not overlap, whatever races: that is an exclusion, and it compares ids too.
do $$
begin
    if exists (select from pg_namespace where nspname = 'extensions') then
        create extension if not exists btree_gist with schema extensions;
    else
        create extension if not exists btree_gist;
    end if;
exception when duplicate_object or unique_violation then
    null;  -- Made by somebody else at this moment.
end $$;

-- Weekly hours in the practitioner's own zone, and the days that differ. Their form is `rooms.bookings`'.
create table availability (
    practitioner_id uuid primary key references people (id) on delete cascade,
    zone text not null check (length(zone) between 1 and 64),
    weekly jsonb not null check (jsonb_typeof(weekly) = 'array'),
    exceptions jsonb not null check (jsonb_typeof(exceptions) = 'array'),
    notice_s integer not null check (notice_s >= 0),
    horizon_days integer not null check (horizon_days between 1 and 366),
    slot_s integer not null check (slot_s > 0),
    buffer_s integer not null check (buffer_s >= 0),
    version integer not null default 1 check (version > 0),
    changed_at_ms bigint not null
);

-- A booking, with all that was agreed when it was made. Its session has the same id.
-- `room_at_ms`: from then on the live store decides, and this row follows. `due_at_ms`: when the duty has to look.
-- `hold_told`: what of the hold the guest was told last.
-- `missed_minor`: what the guest agreed to pay for cancelling after `free_until_ms`, or for not coming.
create table bookings (
    id uuid primary key,
    practitioner_id uuid not null,
    guest_id uuid not null,
    request_id text not null check (length(request_id) between 1 and 200),
    starts_at_ms bigint not null,
    ends_at_ms bigint not null,
    buffer_ms bigint not null default 0 check (buffer_ms >= 0),
    state text not null default 'booked' check (state in ('booked', 'started', 'done', 'missed', 'cancelled')),
    version integer not null default 1 check (version > 0),
    price_kind text not null check (price_kind in ('free', 'per_minute')),
    currency text not null check (currency ~ '^[a-z]{3}$'),
    rate_minor_per_minute bigint not null check (rate_minor_per_minute >= 0),
    free_ms bigint not null check (free_ms >= 0),
    fee_bps integer not null check (fee_bps between 0 and 10000),
    minimum_minor bigint not null check (minimum_minor >= 0),
    cap_minor bigint not null check (cap_minor >= 0),
    hold_minutes integer not null check (hold_minutes > 0),
    missed_minor bigint not null check (missed_minor between 0 and cap_minor),
    free_until_ms bigint not null,
    created_at_ms bigint not null,
    changed_at_ms bigint not null,
    told_version integer not null default 0,
    room_at_ms bigint,
    hold_told text,
    due_at_ms bigint not null,
    lease_until_ms bigint not null default 0,
    ended_at_ms bigint,
    end_reason text,
    reason bytea,
    reason_by uuid,
    unique (guest_id, request_id),
    check (ends_at_ms > starts_at_ms),
    check (practitioner_id <> guest_id),
    check ((state in ('booked', 'started')) = (ended_at_ms is null)),
    check ((reason is null) = (reason_by is null)),
    -- After each booking the practitioner has their pause, whichever of the two was booked first.
    constraint bookings_practitioner_once exclude using gist (
        practitioner_id with =, int8range(starts_at_ms, ends_at_ms + buffer_ms) with &&
    ) where (state in ('booked', 'started')),
    constraint bookings_guest_once exclude using gist (
        guest_id with =, int8range(starts_at_ms, ends_at_ms) with &&
    ) where (state in ('booked', 'started'))
);
create index bookings_due on bookings (due_at_ms) where state in ('booked', 'started');
create index bookings_untold on bookings (changed_at_ms) where told_version < version;
create index bookings_practitioner on bookings (practitioner_id, starts_at_ms, id);
create index bookings_guest on bookings (guest_id, starts_at_ms, id);
create index bookings_people on bookings (practitioner_id, guest_id);

-- A private address of one's own calendar. Only a digest of what opens it is kept.
create table calendar_links (
    person_id uuid primary key references people (id) on delete cascade,
    digest bytea not null unique check (length(digest) = 32),
    created_at_ms bigint not null
);

-- `time`: the price of time together. `missed`: the fee that was agreed for a booking's guest who did not come.
alter table settlements add column kind text not null default 'time' check (kind in ('time', 'missed'));

select keep_to_hub('availability', 'bookings', 'calendar_links');

grant select, insert, update on availability, bookings to hub_worker;
grant select, insert, update, delete on calendar_links to hub_worker;

grant select (
    id, practitioner_id, guest_id, request_id, starts_at_ms, ends_at_ms, state, version, price_kind, currency,
    rate_minor_per_minute, free_ms, minimum_minor, cap_minor, hold_minutes, missed_minor, free_until_ms,
    created_at_ms, changed_at_ms, room_at_ms, ended_at_ms, end_reason, reason, reason_by
) on bookings to authenticated;
create policy party on bookings for select to authenticated
    using (practitioner_id = (select auth.uid()) or guest_id = (select auth.uid()));
-- Who books somebody is known to them by name, before the two have met.
create function has_booked(other uuid) returns boolean
    language sql stable security definer set search_path = '' as $$
    select exists (
        select from public.bookings
        where (practitioner_id = auth.uid() and guest_id = other)
            or (guest_id = auth.uid() and practitioner_id = other)
    )
$$;
revoke all on function has_booked(uuid) from public;
grant execute on function has_booked(uuid) to authenticated;
create policy booked on people for select to authenticated using (has_booked(id));

grant select on availability to authenticated;
create policy own on availability for select to authenticated using (practitioner_id = (select auth.uid()));

-- What becomes of it when somebody is erased, and of old bookings.
grant select, delete on availability, calendar_links to hub_eraser;
grant select, update (practitioner_id, guest_id, request_id, reason, reason_by) on bookings to hub_eraser, hub_retention;

select let_work('hub_eraser', 'availability', 'calendar_links', 'bookings');
select let_work('hub_retention', 'bookings');
