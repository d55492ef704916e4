-- What staff did and saw, chained; and what has to be carried to others: kicks, roles, purges.

-- Each entry covers the one before it. `detail` is canonical JSON of codes, ids and numbers; what a person wrote
-- stands in `audit_texts` and only its digest here, so that it can be erased and the chain still verifies.
create table audit_entries (
    n bigint primary key check (n > 0),
    at_ms bigint not null,
    actor_id text not null check (length(actor_id) between 1 and 64),
    actor_role text not null check (actor_role ~ '^[a-z_]{1,40}$'),
    action text not null check (action ~ '^[a-z_]{1,60}$'),
    subject_id text check (length(subject_id) between 1 and 255),
    session_id text check (length(session_id) between 1 and 64),
    detail bytea not null check (length(detail) <= 4096),
    prev bytea not null check (length(prev) = 32),
    digest bytea not null check (length(digest) = 32)
);
create index audit_entries_session on audit_entries (session_id, n) where session_id is not null;
create index audit_entries_subject on audit_entries (subject_id, n) where subject_id is not null;
create index audit_entries_actor on audit_entries (actor_id, n);

create table audit_texts (
    n bigint not null references audit_entries (n),
    name text not null check (name ~ '^[a-z_]{1,40}$'),
    salt bytea not null check (length(salt) = 16),
    text text check (length(text) <= 2000),
    erased_at_ms bigint,
    primary key (n, name),
    check ((text is null) = (erased_at_ms is not null))
);

-- The chain as it stood, signed by a key that the database does not have.
create table audit_heads (
    n bigint primary key check (n > 0),
    digest bytea not null check (length(digest) = 32),
    signed_at_ms bigint not null,
    key_id text not null check (key_id ~ '^[0-9a-f]{16}$'),
    signature bytea not null check (length(signature) = 64)
);

-- Whoever inserts and whatever they say: the database numbers and chains. The lock is held until the transaction
-- ends, so numbers are dense; each query of this function sees what was committed before it got the lock.
-- `rooms/audit.py` computes the same digest.
create function audit_is_chained() returns trigger language plpgsql set search_path = '' as $$
declare
    last_n bigint;
    last_digest bytea;
begin
    perform pg_advisory_xact_lock(6172823901174490275);
    select n, digest into last_n, last_digest from public.audit_entries order by n desc limit 1;
    new.n := coalesce(last_n, 0) + 1;
    new.prev := coalesce(last_digest, sha256(convert_to('allinya audit 1', 'UTF8')));
    new.digest := sha256(
        new.prev || int8send(new.n) || int8send(new.at_ms)
        || sha256(convert_to(new.actor_id, 'UTF8'))
        || sha256(convert_to(new.actor_role, 'UTF8'))
        || sha256(convert_to(new.action, 'UTF8'))
        || coalesce(sha256(convert_to(new.subject_id, 'UTF8')), decode(repeat('00', 32), 'hex'))
        || coalesce(sha256(convert_to(new.session_id, 'UTF8')), decode(repeat('00', 32), 'hex'))
        || sha256(new.detail)
    );
    return new;
end $$;
create trigger audit_entries_chained before insert on audit_entries
    for each row execute function audit_is_chained();

create function audit_stays() returns trigger language plpgsql set search_path = '' as $$
begin
    raise exception 'the audit only grows' using errcode = 'insufficient_privilege';
end $$;
create trigger audit_entries_append_only before update or delete or truncate on audit_entries
    for each statement execute function audit_stays();
create trigger audit_heads_append_only before update or delete or truncate on audit_heads
    for each statement execute function audit_stays();
create trigger audit_texts_stay before delete or truncate on audit_texts
    for each statement execute function audit_stays();

-- Who must leave a media channel at the vendor. No key to sessions: a live one may not be on record.
create table media_kicks (
    id bigint generated always as identity primary key,
    session_id uuid not null,
    user_id uuid not null,
    channel text not null check (length(channel) between 1 and 64),
    uid bigint not null check (uid > 0),
    until_ms bigint not null,
    state text not null default 'pending' check (state in ('pending', 'done', 'not_needed', 'gave_up')),
    rule_id bigint,
    attempts integer not null default 0 check (attempts >= 0),
    next_at_ms bigint not null,
    created_at_ms bigint not null,
    done_at_ms bigint,
    unique (session_id, user_id)
);
create index media_kicks_due on media_kicks (next_at_ms) where state = 'pending';

-- A role as it shall be. The identity provider is told from this row, until it knows.
create table role_changes (
    id uuid primary key,
    user_id uuid not null,
    role text not null check (role in ('guest', 'practitioner', 'moderator', 'admin')),
    previous text not null check (previous in ('guest', 'practitioner', 'moderator', 'admin')),
    ordered_by uuid not null check (ordered_by <> user_id),
    state text not null default 'pending' check (state in ('pending', 'done', 'refused')),
    attempts integer not null default 0 check (attempts >= 0),
    next_at_ms bigint not null,
    created_at_ms bigint not null,
    done_at_ms bigint
);
create index role_changes_due on role_changes (next_at_ms) where state = 'pending';
create unique index role_changes_open on role_changes (user_id) where state = 'pending';

-- People who are to be removed for good. `step` is the last one that is done; it only moves forward. Cancelled is
-- what was ordered by mistake.
create table purges (
    user_id uuid primary key,
    reason text not null check (reason ~ '^[a-z_]{1,40}$'),
    ordered_by uuid not null,
    session_id uuid,
    step integer not null default 0 check (step >= 0),
    attempts integer not null default 0 check (attempts >= 0),
    next_at_ms bigint not null,
    ordered_at_ms bigint not null,
    done_at_ms bigint,
    cancelled_at_ms bigint,
    check (done_at_ms is null or cancelled_at_ms is null)
);
create index purges_due on purges (next_at_ms) where done_at_ms is null and cancelled_at_ms is null;

-- Who was removed: what is left to know after a backup is restored, so that they are removed again.
create table tombstones (
    user_id uuid primary key,
    reason text not null check (reason ~ '^[a-z_]{1,40}$'),
    erased_at_ms bigint not null
);

create index people_email on people (lower(email));
create index subject_keys_shredded on subject_keys (shredded_at_ms) where shredded_at_ms is not null;

do $$
declare
    guarded text;
    stranger text;
begin
    foreach guarded in array array[
        'audit_entries', 'audit_texts', 'audit_heads', 'media_kicks', 'role_changes', 'purges', 'tombstones'
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

grant select, insert on audit_entries, audit_heads, audit_texts, media_kicks, role_changes, purges, tombstones
    to hub_worker;
grant update (text, erased_at_ms) on audit_texts to hub_worker;
grant update (until_ms, state, rule_id, attempts, next_at_ms, done_at_ms) on media_kicks to hub_worker;
grant update (state, attempts, next_at_ms, done_at_ms) on role_changes to hub_worker;
grant update (reason, ordered_by, session_id, step, attempts, next_at_ms, ordered_at_ms, done_at_ms, cancelled_at_ms)
    on purges to hub_worker;
grant delete on cards, customers to hub_worker;

-- Who read the sessions of whoever asks. As definer, because nobody but staff sees the table. Their role is shown,
-- who it was is not; and only once the session is over: somebody who is observed must not find out by asking.
create function own_reads() returns table (n bigint, at_ms bigint, role text, action text, session_id text)
    language sql stable security definer set search_path = '' as $$
    select n, at_ms, actor_role, action, audit_entries.session_id from public.audit_entries
    where action in ('moderator_observed', 'evidence_read', 'transcript_read') and audit_entries.session_id in (
        select sessions.id::text from public.participants
        join public.sessions on sessions.id = participants.session_id
        where user_id = auth.uid() and state in ('declined', 'expired', 'cancelled', 'ended', 'settled')
    )
$$;
revoke all on function own_reads() from public;
grant execute on function own_reads() to authenticated;
