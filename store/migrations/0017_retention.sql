-- What goes with its age, the one role that may remove it, and legal holds: copies that outlive their originals.

-- A copy of what there was about a person, or of a session, at the moment an authority asked for it to be kept.
-- Nothing that comes later is in it. It lies sealed under a key of its own (`subject_keys`, by the hold's id), so
-- what it was copied from can go at its time; when the hold is over, its key is destroyed. `disclosed`: the person
-- sees that it is there, and who read it; where the authority forbids that, `undisclosed_reason` says why.
create table legal_holds (
    id uuid primary key,
    subject_id uuid,
    session_id uuid,
    reason bytea check (length(reason) <= 4096),
    disclosed boolean not null default true,
    undisclosed_reason bytea check (length(undisclosed_reason) <= 4096),
    placed_by uuid not null,
    placed_at_ms bigint not null,
    review_by_ms bigint not null,
    ends_at_ms bigint not null check (ends_at_ms > placed_at_ms),
    pieces integer not null default 0 check (pieces >= 0),
    rows_held bigint not null default 0 check (rows_held >= 0),
    released_by uuid,
    released_at_ms bigint,
    check ((subject_id is null) <> (session_id is null)),
    check (placed_by is distinct from subject_id),
    check (released_at_ms is not null or reason is not null),
    check (released_at_ms is null or (reason is null and undisclosed_reason is null))
);
create index legal_holds_subject on legal_holds (subject_id) where subject_id is not null;
create index legal_holds_session on legal_holds (session_id) where session_id is not null;
create index legal_holds_standing on legal_holds (least(review_by_ms, ends_at_ms)) where released_at_ms is null;

-- Rows of one table each, as JSON, sealed under the hold's key.
create table legal_hold_pieces (
    hold_id uuid not null references legal_holds (id) on delete cascade,
    no integer not null check (no >= 0),
    table_name text not null check (table_name ~ '^[a-z][a-z0-9_]*$'),
    row_count integer not null check (row_count > 0),
    sealed bytea not null,
    primary key (hold_id, no)
);

-- How much of each kind was removed. `pending` is not in the audit yet: it is counted in the transaction that
-- removes, so that whoever dies in between, the audit is told.
create table retention_counts (
    kind text primary key check (kind ~ '^[a-z_]{1,40}$'),
    pending bigint not null default 0 check (pending >= 0),
    total bigint not null default 0 check (total >= 0),
    at_ms bigint not null
);

select keep_to_hub('legal_holds', 'legal_hold_pieces', 'retention_counts');
grant select, insert on legal_holds to hub_worker;
grant update (reason, undisclosed_reason, review_by_ms, pieces, rows_held, released_by, released_at_ms) on legal_holds
    to hub_worker;
grant select, insert, delete on legal_hold_pieces to hub_worker;
grant select, insert on retention_counts to hub_worker;
grant update (pending, total, at_ms) on retention_counts to hub_worker;

grant select (id, subject_id, placed_at_ms, ends_at_ms, released_at_ms, rows_held) on legal_holds to authenticated;
create policy own on legal_holds for select to authenticated
    using (subject_id = (select auth.uid()) and disclosed);

-- Who is erased is named by no hold; what was copied stays until the hold is over.
grant select, update (subject_id, placed_by, released_by) on legal_holds to hub_eraser;
select let_work('hub_eraser', 'legal_holds');

-- Reading a copy is reading what was said: it stands among the reads that a person is shown, unless the hold may
-- not be known of, and then neither the entry of the audit names them.
create or replace function own_reads() returns table (n bigint, at_ms bigint, role text, action text, session_id text)
    language sql stable security definer set search_path = '' as $$
    select n, at_ms, actor_role, action, audit_entries.session_id from public.audit_entries
    where (
        action in ('moderator_observed', 'evidence_read', 'transcript_read', 'legal_hold_read')
        and audit_entries.session_id in (
            select sessions.id::text from public.participants
            join public.sessions on sessions.id = participants.session_id
            where user_id = auth.uid() and state in ('declined', 'expired', 'cancelled', 'ended', 'settled')
        )
    ) or (action = 'legal_hold_read' and subject_id = auth.uid()::text)
$$;

-- Who may remove what is too old: a role that nobody signs in as, which a worker takes on for one batch at a time.
-- It may do what the registry says of expiry, and no more; a test compares the two.
do $$
begin
    create role hub_retention nologin noinherit;
exception when duplicate_object or unique_violation then
    null;  -- Made by a migration of another database of this server.
end $$;
do $$
begin
    if current_setting('server_version_num')::int >= 160000 then
        execute 'grant hub_retention to hub_worker with inherit false, set true';
    else
        execute 'grant hub_retention to hub_worker';
    end if;
exception when unique_violation or internal_error then
    null;  -- Granted by a migration of another database of this server at the same moment.
end $$;
grant usage on schema public to hub_retention;
grant execute on function payer_forgotten(jsonb) to hub_retention;

grant select, delete on exports, checkpoints, payouts, free_grants, movements_kept, flags, flag_reporters,
    moderation_actions, strikes, suspensions, appeals, reports, media_kicks, fraud_sightings, fraud_cards,
    fraud_destinations, fraud_reviews, fraud_findings, role_changes, erasures, tombstones, cases, webhook_inbox,
    analytics_events, pgqueuer, pgqueuer_log, pgqueuer_statistics, legal_holds to hub_retention;
-- Of books and transcripts, what tells of somebody; digests and amounts stay.
grant select on sessions, participants, messages, payment_ops, refunds, restitutions to hub_retention;
grant update (practitioner_id) on sessions to hub_retention;
grant update (user_id) on participants to hub_retention;
grant update (body, client_id) on messages to hub_retention;
grant update (params, outcome) on payment_ops to hub_retention;
grant update (reason, requested_by, decided_by) on refunds to hub_retention;
grant update (guest_id, ordered_by) on restitutions to hub_retention;
-- What refers to a row that may go is looked at first.
grant select on moderation_effects, settlements, deductions to hub_retention;
-- What had a key of its own loses it, and with it every copy.
grant select, update (wrapped, shredded_at_ms) on subject_keys to hub_retention;
grant select, insert, update (pending, total, at_ms) on retention_counts to hub_retention;

do $$
declare
    reached text;
begin
    for reached in select distinct table_name from information_schema.column_privileges
                   where grantee = 'hub_retention' and table_schema = 'public' loop
        perform public.let_work('hub_retention', reached);
    end loop;
end $$;

-- Decisions of moderators are not changed, and nobody removes one but with its age.
create or replace function moderation_actions_stay() returns trigger language plpgsql set search_path = '' as $$
begin
    if tg_op = 'DELETE' and current_user = 'hub_retention' then
        return null;
    end if;
    raise exception 'what was done stays on record' using errcode = 'insufficient_privilege';
end $$;

-- What is looked for by its age where there is much of it.
create index messages_expiring on messages (at_ms) where body is distinct from null or client_id is distinct from '';
create index sessions_age on sessions (requested_at_ms);
create index payment_ops_age on payment_ops (created_at_ms);
create index webhook_inbox_age on webhook_inbox (received_at_ms);
