-- Recordings at the media vendor, and what it says of who was in a channel. Times are Unix milliseconds.

-- A recording from the wish for it until it is over. It is asked for with both people's standing consent alone:
-- the rows that said so are its proof, and stay named here when the consents themselves are erased. `resource_id`
-- is known before anything is recorded, `sid` once it is. `uid` is the recorder's own place in the channel.
create table recordings (
    id uuid primary key,
    session_id uuid not null references sessions (id),
    practitioner_id uuid not null,
    guest_id uuid not null,
    practitioner_consent_id bigint not null,
    guest_consent_id bigint not null,
    channel text not null check (length(channel) between 1 and 64),
    uid bigint not null check (uid > 0),
    lasts_s integer not null check (lasts_s > 0),
    resource_id text check (length(resource_id) between 1 and 1024),
    sid text check (length(sid) between 1 and 256),
    state text not null default 'requested' check (state in ('requested', 'acquired', 'recording', 'stopped', 'failed')),
    stop_reason text check (stop_reason ~ '^[a-z_]{1,40}$'),
    failure text check (failure ~ '^[a-z_0-9]{1,60}$'),
    requested_at_ms bigint not null,
    acquired_at_ms bigint,
    started_at_ms bigint,
    stopped_at_ms bigint,
    files jsonb not null default '[]',
    shown boolean not null default true,
    missed integer not null default 0 check (missed >= 0),
    looked_at_ms bigint not null default 0,
    attempts integer not null default 0 check (attempts >= 0),
    next_at_ms bigint not null,
    unique (channel, uid),
    check (state <> 'recording' or sid is not null),
    check ((stopped_at_ms is not null) = (state in ('stopped', 'failed')))
);
create unique index recordings_open on recordings (session_id) where state in ('requested', 'acquired', 'recording');
create index recordings_due on recordings (next_at_ms)
    where state in ('requested', 'acquired', 'recording') or not shown;
create index recordings_practitioner on recordings (practitioner_id);
create index recordings_guest on recordings (guest_id);

-- The vendor's word that somebody came into a channel or left it, once each, in whatever order it came.
-- A channel is a digest of its session's id, and a uid a place in it: nobody is named.
create table media_moves (
    channel text not null check (length(channel) between 1 and 64),
    uid bigint not null check (uid >= 0),
    client_seq bigint not null,
    joined boolean not null,
    at_ms bigint not null,
    lasted_ms bigint not null default 0 check (lasted_ms >= 0),
    received_at_ms bigint not null,
    primary key (channel, uid, client_seq, joined)
);
create index media_moves_age on media_moves (received_at_ms);

-- Of a settled part: when the vendor saw guest and host together, as pairs; null where it told nothing at all.
-- `stale` once it told more.
create table media_checks (
    session_id uuid not null,
    participant_no integer not null check (participant_no > 0),
    channel text not null,
    seen jsonb,
    unseen_ms bigint not null check (unseen_ms >= 0),
    checked_at_ms bigint not null,
    stale boolean not null default false,
    primary key (session_id, participant_no),
    foreign key (session_id, participant_no) references settlements (session_id, participant_no)
);
create index media_checks_channel on media_checks (channel);
create index media_checks_stale on media_checks (checked_at_ms) where stale;
create index media_checks_checked on media_checks (checked_at_ms);

select keep_to_hub('recordings', 'media_moves', 'media_checks');

grant select, insert on recordings, media_moves, media_checks to hub_worker;
grant update (resource_id, sid, state, stop_reason, failure, acquired_at_ms, started_at_ms, stopped_at_ms, files,
              shown, missed, looked_at_ms, attempts, next_at_ms) on recordings to hub_worker;
grant update (seen, unseen_ms, checked_at_ms, stale) on media_checks to hub_worker;

grant select (id, session_id, practitioner_id, guest_id, practitioner_consent_id, guest_consent_id, state,
              stop_reason, failure, requested_at_ms, started_at_ms, stopped_at_ms, files) on recordings to authenticated;
create policy party on recordings for select to authenticated
    using ((select auth.uid()) in (practitioner_id, guest_id));
grant select (session_id, participant_no, seen, unseen_ms, checked_at_ms) on media_checks to authenticated;
create policy own_or_host on media_checks for select to authenticated using (sees_part(session_id, participant_no));

-- What becomes of it when somebody is erased, and of what is old.
grant select, update (practitioner_id, guest_id) on recordings to hub_eraser;
select let_work('hub_eraser', 'recordings');
grant select, delete on recordings, media_moves, media_checks to hub_retention;
select let_work('hub_retention', 'recordings', 'media_moves', 'media_checks');
