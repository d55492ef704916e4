-- What a moderator decides by: reports, and evidence under keys of its own; and who wants nothing more to do with
-- whom. None of it refers to people or sessions by foreign key: it outlives erasure, and a session may be open
-- and not on record yet.

-- Plain words of a moment, sealed under the evidence's own key (`subject_keys`, by the evidence's id): it can
-- still be read when the person's own key is destroyed, until its time is over.
create table evidence (
    id uuid primary key,
    flag_id uuid not null,
    session_id uuid,
    subject_id uuid,
    kind text not null check (kind in ('message', 'snapshot')),
    sealed bytea not null check (length(sealed) <= 1048576),
    created_at_ms bigint not null,
    keep_until_ms bigint not null,
    hold_reason text check (length(hold_reason) between 1 and 500),
    held_by uuid,
    held_at_ms bigint,
    check ((hold_reason is null) = (held_by is null) and (hold_reason is null) = (held_at_ms is null))
);
create index evidence_flag on evidence (flag_id);
create index evidence_session on evidence (session_id, created_at_ms) where kind = 'message';
create index evidence_due on evidence (keep_until_ms) where hold_reason is null;
-- A flagged message is kept once, however often its flag is raised.
create unique index evidence_one_message on evidence (flag_id) where kind = 'message';

-- What was reported, without a word of it: reason and note are in the evidence. `flag_id` is what came of it,
-- and is missing only between the report and its flag.
create table reports (
    id uuid primary key,
    reporter_id uuid not null,
    session_id uuid not null,
    user_id uuid not null,
    message_id uuid,
    evidence_id uuid not null,
    flag_id uuid,
    created_at_ms bigint not null,
    outcome text check (outcome in ('upheld', 'dismissed')),
    decided_at_ms bigint,
    check (reporter_id <> user_id),
    check ((outcome is null) = (decided_at_ms is null))
);
-- Once for each message and for each person, whoever asks again and from however many hubs at once.
create unique index reports_once on reports (reporter_id, session_id, user_id, message_id) nulls not distinct;
create index reports_flag on reports (flag_id) where flag_id is not null;
create index reports_unflagged on reports (created_at_ms) where flag_id is null;
create index reports_reporter on reports (reporter_id, decided_at_ms);

create table blocks (
    blocker_id uuid not null,
    blocked_id uuid not null,
    created_at_ms bigint not null,
    primary key (blocker_id, blocked_id),
    check (blocker_id <> blocked_id)
);
create index blocks_blocked on blocks (blocked_id);

do $$
declare
    guarded text;
    stranger text;
begin
    foreach guarded in array array['evidence', 'reports', 'blocks'] loop
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

grant select, insert, delete on evidence, blocks to hub_worker;
grant select, insert on reports to hub_worker;
-- A report that was merged into an older flag takes its evidence with it; what was kept never changes.
grant update (flag_id, hold_reason, held_by, held_at_ms) on evidence to hub_worker;
grant update (flag_id, outcome, decided_at_ms) on reports to hub_worker;

-- A person sees whom they blocked and what they reported; never who blocked or reported them.
grant select on blocks to authenticated;
grant select (id, reporter_id, session_id, user_id, message_id, created_at_ms, outcome, decided_at_ms) on reports
    to authenticated;
create policy own on blocks for select to authenticated using (blocker_id = (select auth.uid()));
create policy own on reports for select to authenticated using (reporter_id = (select auth.uid()));
