-- People, the sessions between them, and the record of what was said and how long they were together.
-- Times are Unix milliseconds, money is in minor units, ids are UUIDs made by the application.

create table people (
    id uuid primary key,
    role text not null check (role in ('guest', 'practitioner', 'moderator', 'admin')),
    name text not null default '' check (length(name) <= 200),
    email text not null default '' check (length(email) <= 320),
    country text check (country is null or country ~ '^[A-Z]{2}$'),
    phone text check (length(phone) <= 32),
    adult boolean not null default false,
    policy_accepted_ms bigint,
    version integer not null default 1,
    created_at_ms bigint not null
);

create table cards (
    person_id uuid primary key references people (id) on delete cascade,
    stripe_customer text not null,
    stripe_payment_method text not null,
    brand text not null,
    last4 text not null check (last4 ~ '^[0-9]{4}$'),
    fingerprint text not null,
    saved_at_ms bigint not null
);

create table practices (
    practitioner_id uuid primary key references people (id) on delete cascade,
    headline text not null default '' check (length(headline) <= 300),
    topics text[] not null default '{}' check (cardinality(topics) <= 20),
    rate_minor_per_minute bigint not null check (rate_minor_per_minute >= 0),
    currency text not null check (currency ~ '^[a-z]{3}$'),
    free_s integer not null default 0 check (free_s >= 0),
    accepts_instant boolean not null default true,
    stripe_account text,
    transfers_active boolean not null default false,
    verified_at_ms bigint,
    rating numeric(3, 2) check (rating between 1 and 5),
    rating_count integer not null default 0 check (rating_count >= 0)
);
create index practices_account on practices (stripe_account) where stripe_account is not null;

-- One data key a person, wrapped by DATA_KEY. A shredded key is a row without `wrapped`: the row stays,
-- so that nobody makes the person a second key and the act itself is on record.
create table subject_keys (
    subject_id uuid primary key,
    wrapped bytea,
    key_version integer not null check (key_version > 0),
    created_at_ms bigint not null,
    shredded_at_ms bigint,
    check ((wrapped is null) = (shredded_at_ms is not null))
);

-- A known text sealed under DATA_KEY when the key was first used: a start with another key finds out here.
create table key_canaries (
    key_version integer primary key check (key_version > 0),
    sealed bytea not null,
    created_at_ms bigint not null
);

create table sessions (
    id uuid primary key,
    kind text not null check (kind in ('instant', 'booked', 'live_room')),
    state text not null check (state in (
        'requested', 'declined', 'expired', 'cancelled', 'waiting', 'live', 'paused', 'ended', 'settled'
    )),
    practitioner_id uuid not null,
    seats integer not null check (seats > 0),
    price_kind text not null check (price_kind in ('free', 'flat', 'per_minute')),
    currency text not null check (currency ~ '^[a-z]{3}$'),
    rate_minor_per_minute bigint not null check (rate_minor_per_minute >= 0),
    free_ms bigint not null check (free_ms >= 0),
    fee_bps integer not null check (fee_bps between 0 and 10000),
    minimum_minor bigint not null check (minimum_minor >= 0),
    cap_minor bigint not null check (cap_minor >= 0),
    requested_at_ms bigint not null,
    offered_at_ms bigint,
    accepted_at_ms bigint,
    live_at_ms bigint,
    ended_at_ms bigint,
    end_reason text,
    version bigint not null default 0,
    settled_at_ms bigint,
    transcript_head bytea check (length(transcript_head) = 32),
    message_count bigint not null default 0 check (message_count >= 0)
);
create index sessions_unsettled on sessions (ended_at_ms) where state = 'ended';

-- `no` is what ledger, meter and chain call a person by: it stays when the person is erased.
create table participants (
    session_id uuid not null references sessions (id),
    no integer not null check (no >= 0),
    user_id uuid not null,
    role text not null check (role in ('guest', 'practitioner')),
    primary key (session_id, no),
    unique (session_id, user_id),
    check ((no = 0) = (role = 'practitioner'))
);
create index participants_history on participants (user_id, session_id desc);

create table intervals (
    session_id uuid not null,
    participant_no integer not null,
    kind text not null check (kind in ('billed', 'present')),
    ordinal integer not null check (ordinal >= 0),
    from_ms bigint not null,
    to_ms bigint not null check (to_ms > from_ms),
    primary key (session_id, participant_no, kind, ordinal),
    foreign key (session_id, participant_no) references participants (session_id, no)
);

-- `body` is ciphertext under its sender's data key. `body_sha256` outlives it: a body may be erased, and the
-- chain of digests still verifies. A lost message keeps its place in the sequence and nothing else.
create table messages (
    session_id uuid not null references sessions (id),
    seq bigint not null check (seq > 0),
    id uuid,
    participant_no integer,
    at_ms bigint,
    client_id text,
    body bytea,
    body_sha256 bytea check (length(body_sha256) = 32),
    digest bytea check (length(digest) = 32),
    lost boolean not null default false,
    primary key (session_id, seq),
    check (lost or (id is not null and participant_no is not null and at_ms is not null
                    and client_id is not null and body_sha256 is not null))
);

-- The room as its hub last saw it, until the session is settled: what is left when Redis is lost.
create table checkpoints (
    session_id uuid primary key references sessions (id),
    version bigint not null,
    epoch uuid not null,
    at_ms bigint not null,
    head_seq bigint not null default 0,
    room bytea not null
);

-- Which life of Redis the rooms belong to. One row; it differs from Redis's own after a loss or a restore.
create table epochs (
    singleton boolean primary key default true check (singleton),
    epoch uuid not null,
    state text not null check (state in ('rebuilding', 'ready')),
    changed_at_ms bigint not null
);

-- What a person has to look at: a difference, a settlement that does not go through.
create table cases (
    id uuid primary key default gen_random_uuid(),
    kind text not null check (kind ~ '^[a-z_]{1,60}$'),
    session_id uuid,
    detail jsonb not null default '{}',
    created_at_ms bigint not null,
    closed_at_ms bigint
);
-- One open case a kind and session: a worker that fails again and again opens it once.
create unique index cases_open on cases (kind, session_id) where closed_at_ms is null;
