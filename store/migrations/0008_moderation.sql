-- What moderators have to look at, what they did about it, and what somebody said against it. Nothing here
-- holds a text that a person wrote, but sealed. No foreign key to sessions: a live one may not be on record
-- yet. None to people: what was decided outlives their erasure.

-- One case for a person to look at. `user_id` is whom it is about. `due_by_ms` orders the queue: by when
-- somebody should have looked.
create table flags (
    id uuid primary key,
    version integer not null default 1 check (version > 0),
    session_id uuid not null,
    message_id uuid,
    seq bigint check (seq > 0),
    user_id uuid not null,
    category text not null check (category ~ '^[a-z_]{1,40}$'),
    severity text not null check (severity in ('low', 'medium', 'high', 'critical')),
    rule text not null check (length(rule) <= 100),
    rule_version text not null check (length(rule_version) <= 100),
    verdict text not null check (verdict in ('flag', 'hold', 'block')),
    source text not null check (source in ('rule', 'report', 'fraud')),
    span_start integer check (span_start >= 0),
    span_end integer check (span_end >= span_start),
    status text not null default 'open' check (status in ('open', 'claimed', 'resolved', 'dismissed')),
    claimed_by uuid,
    claimed_until_ms bigint,
    first_claimed_at_ms bigint,
    reports integer not null default 0 check (reports >= 0),
    due_by_ms bigint not null,
    resolution text check (resolution ~ '^[a-z_]{1,40}$'),
    resolved_by uuid,
    resolved_at_ms bigint,
    created_at_ms bigint not null,
    updated_at_ms bigint not null,
    check ((status = 'claimed') = (claimed_by is not null and claimed_until_ms is not null)),
    check ((status in ('resolved', 'dismissed')) = (resolved_at_ms is not null))
);
create unique index flags_message on flags (message_id) where message_id is not null;
-- The queue: signs of danger to somebody's life before all else.
create index flags_queue on flags ((category <> 'distress'), due_by_ms, id) where status in ('open', 'claimed');
create index flags_changed on flags (updated_at_ms);
create index flags_session on flags (session_id, user_id);
create index flags_person on flags (user_id, category) where status in ('open', 'claimed');

-- Who reported what, for what their word has been worth so far.
create table flag_reporters (
    flag_id uuid not null references flags (id),
    reporter_id uuid not null,
    at_ms bigint not null,
    primary key (flag_id, reporter_id)
);
create index flag_reporters_person on flag_reporters (reporter_id);

-- What moderators and reviewers did: never changed, never removed; taken back by another row. `note` is sealed
-- under a key of its own, the action's id. `n` orders them, whatever the clocks of two hubs say.
create table moderation_actions (
    id uuid primary key,
    n bigint not null unique generated always as identity,
    flag_id uuid references flags (id),
    session_id uuid not null,
    actor_id uuid not null,
    user_id uuid,
    action text not null check (action in (
        'dismiss', 'warn', 'mute', 'unmute', 'remove', 'end', 'suspend', 'release', 'reject', 'overrule'
    )),
    reason text not null check (reason in ('conduct', 'minor', 'none')),
    note bytea not null,
    duration_s integer check (duration_s > 0),
    until_ms bigint,
    before jsonb not null default '{}',
    after jsonb not null default '{}',
    undoes uuid unique references moderation_actions (id),
    request_id text check (length(request_id) <= 100),
    created_at_ms bigint not null,
    unique (actor_id, request_id),
    check ((action = 'overrule') = (undoes is not null))
);
create index moderation_actions_flag on moderation_actions (flag_id) where flag_id is not null;
create index moderation_actions_person on moderation_actions (user_id, id desc) where user_id is not null;
create index moderation_actions_actor on moderation_actions (actor_id, id desc);
create function moderation_actions_stay() returns trigger language plpgsql set search_path = '' as $$
begin
    raise exception 'what was done stays on record' using errcode = 'insufficient_privilege';
end $$;
create trigger moderation_actions_append_only before update or delete or truncate on moderation_actions
    for each statement execute function moderation_actions_stay();

-- Actions whose effects are not all carried out yet: on the room, the person's lines, the people told.
create table moderation_effects (
    action_id uuid primary key references moderation_actions (id),
    next_at_ms bigint not null,
    attempts integer not null default 0
);
create index moderation_effects_due on moderation_effects (next_at_ms);

-- What counts against a person, for a while. One that was overruled counts no more.
create table strikes (
    action_id uuid primary key references moderation_actions (id),
    user_id uuid not null,
    points integer not null check (points > 0),
    created_at_ms bigint not null,
    removed_at_ms bigint
);
create index strikes_person on strikes (user_id, created_at_ms desc) where removed_at_ms is null;

-- `until_ms` null: until it is lifted.
create table suspensions (
    action_id uuid primary key references moderation_actions (id),
    user_id uuid not null,
    reason text not null check (reason in ('conduct', 'minor')),
    from_ms bigint not null,
    until_ms bigint check (until_ms > from_ms),
    lifted_at_ms bigint
);
create index suspensions_person on suspensions (user_id) where lifted_at_ms is null;

-- What the person concerned says against a decision: once, to another moderator. `text` is sealed under their
-- own key, `note` under the appeal's.
create table appeals (
    id uuid primary key,
    action_id uuid not null unique references moderation_actions (id),
    user_id uuid not null,
    text bytea not null,
    status text not null default 'open' check (status in ('open', 'upheld', 'overruled')),
    decided_by uuid,
    decided_at_ms bigint,
    note bytea,
    created_at_ms bigint not null,
    check ((status = 'open') = (decided_by is null)),
    check ((status = 'open') = (decided_at_ms is null))
);
create index appeals_person on appeals (user_id, id desc);
create index appeals_open on appeals (id) where status = 'open';

do $$
declare
    guarded text;
    stranger text;
begin
    foreach guarded in array array[
        'flags', 'flag_reporters', 'moderation_actions', 'moderation_effects', 'strikes', 'suspensions', 'appeals'
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

grant select, insert on flags, flag_reporters, moderation_actions, strikes, suspensions, appeals to hub_worker;
grant update (version, seq, category, severity, rule, rule_version, verdict, span_start, span_end, status, claimed_by,
    claimed_until_ms, first_claimed_at_ms, reports, due_by_ms, resolution, resolved_by, resolved_at_ms, updated_at_ms)
    on flags to hub_worker;
grant select, insert, update, delete on moderation_effects to hub_worker;
grant update (removed_at_ms) on strikes to hub_worker;
grant update (lifted_at_ms) on suspensions to hub_worker;
grant update (status, decided_by, decided_at_ms, note) on appeals to hub_worker;

-- What concerns a person is theirs to read: decisions against them, and their appeals. Not who decided, not what
-- moderators note for each other, and not what was found to be nothing: that would tell them of a report.
grant select (id, session_id, user_id, action, reason, duration_s, until_ms, undoes, created_at_ms)
    on moderation_actions to authenticated;
grant select (id, action_id, user_id, text, status, decided_at_ms, created_at_ms) on appeals to authenticated;
create policy about_oneself on moderation_actions for select to authenticated
    using (user_id = (select auth.uid())
           and action in ('warn', 'mute', 'remove', 'end', 'suspend', 'overrule'));
create policy own on appeals for select to authenticated using (user_id = (select auth.uid()));
