-- What is looked at for fraud, what was found, and what a person decided about it.

-- Which browser, network or both a person came with, as keyed hashes under this month's key and last month's.
create table fraud_sightings (
    person_id uuid not null references people (id) on delete cascade,
    kind text not null check (kind in ('browser', 'device', 'network')),
    mark text not null check (mark ~ '^[0-9a-f]{32}$'),
    before text not null check (before ~ '^[0-9a-f]{32}$'),
    day integer not null,
    at_ms bigint not null,
    primary key (person_id, kind, mark, day)
);
create index fraud_sightings_time on fraud_sightings (at_ms);
create index fraud_sightings_mark on fraud_sightings (mark, at_ms);
create index fraud_sightings_before on fraud_sightings (before, at_ms);
comment on table fraud_sightings is
    'To see that two people are one, or that an account is used from elsewhere. Removed after 65 days.';
comment on column fraud_sightings.mark is 'Keyed hash; the address and the browser themselves are never kept.';
comment on column fraud_sightings.before is 'The same under the key of the month before, to compare across its end.';
comment on column fraud_sightings.day is 'Days since 1970 (UTC): one sighting a day is enough.';

-- Every card that was ever saved, while `cards` keeps the last one.
create table fraud_cards (
    payment_method text primary key check (length(payment_method) <= 255),
    person_id uuid not null references people (id) on delete cascade,
    fingerprint text not null check (length(fingerprint) <= 255),
    saved_at_ms bigint not null
);
create index fraud_cards_person on fraud_cards (person_id);
create index fraud_cards_fingerprint on fraud_cards (fingerprint);
create index fraud_cards_time on fraud_cards (saved_at_ms);
comment on table fraud_cards is
    'To see cards that are tested, and a card on several accounts. Removed after 100 days.';
comment on column fraud_cards.fingerprint is 'Stripe''s own name of the card; says nothing about its number.';

-- When a practitioner's earnings began to go to another account.
create table fraud_destinations (
    practitioner_id uuid not null references people (id) on delete cascade,
    account_no integer not null,
    at_ms bigint not null,
    primary key (practitioner_id, account_no)
);
comment on table fraud_destinations is
    'To see payouts that are sent elsewhere after somebody came with a new browser. Removed after 100 days.';

create function fraud_notes_card() returns trigger language plpgsql set search_path = '' as $$
begin
    insert into public.fraud_cards (payment_method, person_id, fingerprint, saved_at_ms)
    values (new.stripe_payment_method, new.person_id, new.fingerprint, new.saved_at_ms)
    on conflict do nothing;
    return null;
end $$;
create trigger cards_noted after insert or update on cards for each row execute function fraud_notes_card();
insert into fraud_cards (payment_method, person_id, fingerprint, saved_at_ms)
select stripe_payment_method, person_id, fingerprint, saved_at_ms from cards
on conflict do nothing;

create function fraud_notes_destination() returns trigger language plpgsql set search_path = '' as $$
begin
    insert into public.fraud_destinations (practitioner_id, account_no, at_ms)
    values (new.practitioner_id, new.account_no, (extract(epoch from clock_timestamp()) * 1000)::bigint)
    on conflict do nothing;
    return null;
end $$;
-- The first account is no change.
create trigger practices_noted after update of stripe_account on practices for each row
    when (new.stripe_account is not null and new.stripe_account is distinct from old.stripe_account
          and new.account_no > 1)
    execute function fraud_notes_destination();

create table fraud_reviews (
    id uuid primary key,
    subject_kind text not null check (subject_kind in ('person', 'practitioner', 'card', 'network', 'prefix')),
    subject text not null check (length(subject) <= 255),
    state text not null default 'open' check (state in ('open', 'cleared', 'held', 'released')),
    opened_at_ms bigint not null,
    decided_by uuid,
    decided_at_ms bigint,
    reason text check (length(reason) between 1 and 500),
    check ((state = 'open') = (decided_by is null)),
    check ((decided_by is null) = (decided_at_ms is null) and (decided_by is null) = (reason is null)),
    check (decided_by::text is distinct from subject),
    check (state not in ('held', 'released') or subject_kind = 'practitioner')
);
-- A subject has one review that is not over.
create unique index fraud_reviews_current on fraud_reviews (subject_kind, subject) where state in ('open', 'held');
comment on table fraud_reviews is 'What admins look at and decide. Every decision is in admin_actions as well.';
comment on column fraud_reviews.subject is 'A person''s id, a card''s fingerprint, a network''s mark, or a prefix.';
comment on column fraud_reviews.state is 'held: the practitioner''s transfers wait until a person releases them.';

create table fraud_findings (
    id bigint generated always as identity primary key,
    rule text not null check (rule ~ '^[a-z_]{1,40}$'),
    version integer not null,
    mode text not null check (mode in ('shadow', 'live')),
    weight integer not null,
    subject_kind text not null check (subject_kind in ('person', 'practitioner', 'card', 'network', 'prefix')),
    subject text not null check (length(subject) <= 255),
    window_no bigint not null,
    at_ms bigint not null,
    reason text not null,
    facts jsonb not null,
    review_id uuid references fraud_reviews (id),
    created_at_ms bigint not null,
    check (review_id is null or mode = 'live'),
    unique (rule, version, mode, subject_kind, subject, window_no)
);
create index fraud_findings_subject on fraud_findings (subject_kind, subject, at_ms);
create index fraud_findings_review on fraud_findings (review_id) where review_id is not null;
create index fraud_findings_time on fraud_findings (at_ms);
comment on table fraud_findings is 'What a rule found, once a subject and window. One without a review goes after 400 days.';
comment on column fraud_findings.facts is 'Numbers and ids that fired the rule; never a word that a person wrote.';
comment on column fraud_findings.window_no is 'at_ms divided by the length of the rule''s window.';

-- A rule and a person: whoever writes, payouts are held only where a live rule has fired for that practitioner.
create function fraud_holds_with_cause() returns trigger language plpgsql set search_path = '' as $$
begin
    if new.state = 'held' and not exists (
        select from public.fraud_findings
        where review_id = new.id and mode = 'live' and subject_kind = new.subject_kind and subject = new.subject
    ) then
        raise exception 'payouts are held by a rule and a person, never by one alone'
            using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger fraud_reviews_cause before insert or update on fraud_reviews
    for each row execute function fraud_holds_with_cause();

-- How far the duty has looked. A lease, so that of several workers one looks.
create table fraud_progress (
    singleton boolean primary key default true check (singleton),
    until_ms bigint not null,
    lease_until_ms bigint not null
);
comment on table fraud_progress is 'Up to when people''s news were looked at for fraud.';
insert into fraud_progress (until_ms, lease_until_ms) values (0, 0);

create index payment_ops_declined on payment_ops ((coalesce(first_sent_at_ms, created_at_ms)))
    where state = 'failed' and kind in ('hold', 'charge', 'tip');
create index webhook_inbox_accounts on webhook_inbox (received_at_ms)
    where type = 'account.external_account.created';
create index sessions_requested on sessions (requested_at_ms);
create index settlements_created on settlements (created_at_ms);
create index disputes_opened on disputes (opened_at_ms);

do $$
declare
    guarded text;
    stranger text;
begin
    foreach guarded in array array[
        'fraud_sightings', 'fraud_cards', 'fraud_destinations', 'fraud_reviews', 'fraud_findings', 'fraud_progress'
    ] loop
        execute format('alter table public.%I enable row level security', guarded);
        execute format('revoke all on public.%I from public', guarded);
        for stranger in select rolname from pg_roles
                        where rolname in ('anon', 'authenticated', 'service_role', 'hub_worker') loop
            execute format('revoke all on public.%I from %I', guarded, stranger);
        end loop;
        execute format('create policy hub_worker_works on public.%I to hub_worker using (true) with check (true)',
                       guarded);
    end loop;
end $$;

grant select, insert, delete on fraud_sightings, fraud_cards, fraud_destinations to hub_worker;
grant select, insert on fraud_reviews to hub_worker;
grant update (state, decided_by, decided_at_ms, reason) on fraud_reviews to hub_worker;
grant select, insert, delete on fraud_findings to hub_worker;
grant update (review_id) on fraud_findings to hub_worker;
grant select on fraud_progress to hub_worker;
grant update (until_ms, lease_until_ms) on fraud_progress to hub_worker;
