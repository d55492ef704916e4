-- What people do with their own profile: corrections, pictures, applications, consents, the policy.

alter table people
    add column language text check (language in ('en', 'fr')),
    add column born_on date check (born_on >= date '1900-01-01');
alter table practices add column version integer not null default 1;

-- A correction that has still to reach the person's open session, the directory and Stripe. A later one takes
-- its place, so a row is what is wanted now and never a queue.
create table corrections (
    person_id uuid primary key references people (id) on delete cascade,
    version integer not null,
    told boolean not null default false,
    attempts integer not null default 0,
    at_ms bigint not null,
    next_at_ms bigint not null
);
create index corrections_due on corrections (next_at_ms);

-- Bytes that belong to a person, sealed in pieces under that person's data key. Gone with the key.
create table blobs (
    id uuid primary key,
    subject_id uuid not null,
    kind text not null check (kind ~ '^[a-z_]{1,40}$'),
    media_type text not null check (length(media_type) <= 100),
    size_bytes bigint not null check (size_bytes >= 0),
    chunks integer not null check (chunks >= 0),
    created_at_ms bigint not null
);
create index blobs_subject on blobs (subject_id);

create table blob_chunks (
    blob_id uuid not null references blobs (id) on delete cascade,
    no integer not null check (no >= 0),
    sealed bytea not null,
    primary key (blob_id, no)
);

create table avatars (
    person_id uuid not null references people (id) on delete cascade,
    size integer not null check (size in (128, 512)),
    blob_id uuid not null references blobs (id),
    primary key (person_id, size)
);
create index avatars_blob on avatars (blob_id);

-- A guest's wish to be a practitioner. `about` is sealed under the guest's data key. Approved is a decision; done
-- is the role at the identity provider, which is somebody else's system and may take a while.
create table applications (
    id uuid primary key,
    person_id uuid not null references people (id) on delete cascade,
    headline text not null check (length(headline) between 1 and 300),
    about bytea,
    topics text[] not null check (cardinality(topics) <= 20),
    rate_minor_per_minute bigint not null check (rate_minor_per_minute >= 0),
    currency text not null check (currency ~ '^[a-z]{3}$'),
    state text not null check (state in ('pending', 'approved', 'rejected', 'done')),
    created_at_ms bigint not null,
    decided_by uuid,
    decided_at_ms bigint,
    reason text check (length(reason) between 1 and 500),
    check ((state = 'pending') = (decided_by is null)),
    check (decided_by is distinct from person_id)
);
create unique index applications_open on applications (person_id) where state in ('pending', 'approved');

-- What somebody agreed to and when, one row a decision: the last one of a purpose holds.
create table consents (
    id bigint generated always as identity primary key,
    person_id uuid not null references people (id) on delete cascade,
    purpose text not null check (purpose in ('analytics', 'sms', 'recording')),
    granted boolean not null,
    at_ms bigint not null
);
create index consents_person on consents (person_id, purpose, id desc);

-- Who did it is a mark under a key that is destroyed when its week is over; when, is the week.
create table analytics_events (
    id bigint generated always as identity primary key,
    week integer not null,
    name text not null check (name ~ '^[a-z_]{1,40}$'),
    props jsonb not null,
    marked bytea not null check (length(marked) = 16)
);
create index analytics_events_week on analytics_events (week);

-- Versions of the privacy policy as they were published: never changed, never removed.
create table policies (
    version integer primary key check (version > 0),
    effective_at_ms bigint not null,
    published_at_ms bigint not null,
    published_by uuid,
    text_en text not null check (length(text_en) between 1 and 100000),
    text_fr text not null check (length(text_fr) between 1 and 100000)
);
create function policies_stay() returns trigger language plpgsql set search_path = '' as $$
begin
    raise exception 'a published policy stays as it is' using errcode = 'insufficient_privilege';
end $$;
create trigger policies_immutable before update or delete or truncate on policies
    for each statement execute function policies_stay();

-- That somebody was told of a version, without which nothing they do counts as acceptance.
create table policy_notices (
    person_id uuid not null references people (id) on delete cascade,
    version integer not null,
    at_ms bigint not null,
    primary key (person_id, version)
);

create table policy_acceptances (
    person_id uuid not null references people (id) on delete cascade,
    version integer not null,
    basis text not null check (basis in ('explicit', 'continued_use')),
    at_ms bigint not null,
    primary key (person_id, version)
);

do $$
declare
    guarded text;
    stranger text;
begin
    foreach guarded in array array[
        'corrections', 'blobs', 'blob_chunks', 'avatars', 'applications', 'consents', 'analytics_events',
        'policies', 'policy_notices', 'policy_acceptances'
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

grant select, insert, update, delete on corrections, avatars to hub_worker;
grant select, insert, delete on blobs, blob_chunks to hub_worker;
grant select, insert on applications, consents, analytics_events, policies, policy_notices, policy_acceptances
    to hub_worker;
grant update (state, decided_by, decided_at_ms, reason) on applications to hub_worker;

grant select (id, person_id, purpose, granted, at_ms) on consents to authenticated;
create policy own on consents for select to authenticated using (person_id = (select auth.uid()));
