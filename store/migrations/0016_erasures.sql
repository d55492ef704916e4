-- People who are erased: who asked and by when it has to be done, how far it is, and the one role that may do it.

-- One open erasure a person. `receipt` is told to whoever asked and says nothing about them; once it is done
-- nothing else of the row leads to anybody. `step` is the last one that is done; it only moves forward.
-- `received_at_ms` is when the wish reached us, also by e-mail: the periods count from there. `besides` is the wish
-- that others' order took over: it stays when that order turns out to be wrong.
create table erasures (
    receipt uuid primary key,
    user_id uuid,
    source text not null check (source in ('self', 'email', 'minor', 'inactive', 'restored')),
    state text not null default 'requested'
        check (state in ('requested', 'waiting', 'running', 'cancelled', 'done')),
    besides text check (besides in ('self', 'email')),
    waits_for text check (waits_for ~ '^[a-z_]{1,40}$'),
    ordered_by uuid,
    session_id uuid,
    step integer not null default 0 check (step >= 0),
    attempts integer not null default 0 check (attempts >= 0),
    alerted integer not null default 0 check (alerted between 0 and 3),
    received_at_ms bigint not null,
    verified_at_ms bigint not null,
    cancellable_until_ms bigint not null,
    vendors_by_ms bigint not null,
    due_by_ms bigint not null,
    next_at_ms bigint not null,
    done_at_ms bigint,
    cancelled_at_ms bigint,
    check ((state = 'done') = (done_at_ms is not null)),
    check ((state = 'cancelled') = (cancelled_at_ms is not null)),
    check ((state = 'done') <= (user_id is null)),
    check (user_id is not null or state in ('done', 'cancelled'))
);
create unique index erasures_open on erasures (user_id) where state in ('requested', 'waiting', 'running');
create index erasures_due on erasures (next_at_ms) where state in ('requested', 'waiting', 'running');
create index erasures_alerts on erasures (due_by_ms) where state in ('requested', 'waiting', 'running');
create index erasures_person on erasures (user_id) where user_id is not null;

-- What was ordered before goes on here, from its first step: each can be repeated.
insert into erasures (receipt, user_id, source, state, ordered_by, session_id, received_at_ms, verified_at_ms,
    cancellable_until_ms, vendors_by_ms, due_by_ms, next_at_ms, done_at_ms, cancelled_at_ms)
select gen_random_uuid(), case when done_at_ms is null then user_id end, 'minor',
    case when done_at_ms is not null then 'done' when cancelled_at_ms is not null then 'cancelled'
        else 'requested' end,
    ordered_by, case when done_at_ms is null then session_id end, ordered_at_ms, ordered_at_ms, ordered_at_ms,
    greatest(next_at_ms, ordered_at_ms) + 864000000, greatest(next_at_ms, ordered_at_ms) + 2592000000, next_at_ms,
    done_at_ms, cancelled_at_ms
from purges;
drop table purges;

-- What somebody asked to be shown by e-mail, until an admin has answered.
create table access_requests (
    id uuid primary key,
    user_id uuid not null references people (id) on delete cascade,
    recorded_by uuid not null check (recorded_by <> user_id),
    received_at_ms bigint not null,
    due_by_ms bigint not null,
    answered_by uuid,
    answered_at_ms bigint,
    check ((answered_by is null) = (answered_at_ms is null))
);
create index access_requests_open on access_requests (id) where answered_at_ms is null;
create index access_requests_person on access_requests (user_id);

-- A tombstone is a keyed mark of an id and no longer the id itself: without the key nobody learns from it whether
-- somebody was here. Those from before are marked by the first worker that starts, which has the key.
alter table tombstones drop constraint tombstones_pkey, alter column user_id drop not null,
    add column n bigint generated always as identity primary key,
    add column mark bytea check (length(mark) = 32), add check ((mark is null) <> (user_id is null));
create unique index tombstones_mark on tombstones (mark) where mark is not null;
create index tombstones_unmarked on tombstones (user_id) where user_id is not null;
grant update (user_id, mark) on tombstones to hub_worker;

drop function forget_payer(uuid);

-- Findings and reviews about somebody and about cards that were theirs alone. What was found about others names
-- them no longer.
create function forget_findings(person uuid, pseudonym uuid) returns void
    language sql security definer set search_path = '' as $$
    with theirs (subject) as (
        select person::text
        union
        select mine.fingerprint from public.fraud_cards mine
        where mine.person_id = person and not exists (
            select from public.fraud_cards other
            where other.fingerprint = mine.fingerprint and other.person_id <> person
        )
    )
    delete from public.fraud_findings using theirs
    where fraud_findings.subject = theirs.subject
        or (review_id is null and facts::text like '%' || person::text || '%');

    with theirs (subject) as (
        select person::text
        union
        select mine.fingerprint from public.fraud_cards mine
        where mine.person_id = person and not exists (
            select from public.fraud_cards other
            where other.fingerprint = mine.fingerprint and other.person_id <> person
        )
    )
    delete from public.fraud_reviews using theirs where fraud_reviews.subject = theirs.subject;

    update public.fraud_findings
    set facts = replace(facts::text, person::text, pseudonym::text)::jsonb,
        reason = replace(reason, person::text, pseudonym::text)
    where facts::text like '%' || person::text || '%' or reason like '%' || person::text || '%'
$$;
drop function forget_findings(uuid);
revoke all on function forget_findings(uuid, uuid) from public;
grant execute on function forget_findings(uuid, uuid) to hub_worker;

-- The record of what staff did stays, but for whose id stands in it: that may become one which leads to nobody.
-- Nobody else may change even that: only the role below has the right to, and whoever owns the table.
create function only_ids_change() returns trigger language plpgsql set search_path = '' as $$
declare
    ids text[] := array['user_id', 'actor_id', 'admin_id', 'subject', 'sealed_for'];
begin
    if to_jsonb(new) - ids is distinct from to_jsonb(old) - ids or tg_op <> 'UPDATE' then
        raise exception 'what was done stays on record' using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;
drop trigger moderation_actions_append_only on moderation_actions;
create trigger moderation_actions_append_only before delete or truncate on moderation_actions
    for each statement execute function moderation_actions_stay();
create trigger moderation_actions_update before update of id, n, flag_id, session_id, action, reason, note, duration_s,
    until_ms, before, after, undoes, request_id, created_at_ms on moderation_actions
    for each statement execute function moderation_actions_stay();
create trigger moderation_actions_ids before update on moderation_actions
    for each row execute function only_ids_change();
drop trigger admin_actions_append_only on admin_actions;
create trigger admin_actions_append_only before delete or truncate on admin_actions
    for each statement execute function admin_actions_stay();
create trigger admin_actions_update before update of id, action, session_id, detail, at_ms on admin_actions
    for each statement execute function admin_actions_stay();
create trigger admin_actions_ids before update on admin_actions
    for each row execute function only_ids_change();

select keep_to_hub('erasures', 'access_requests');

grant select, insert on erasures, access_requests to hub_worker;
grant update (user_id, source, besides, state, waits_for, ordered_by, session_id, step, attempts, alerted,
    received_at_ms, vendors_by_ms, due_by_ms, next_at_ms, done_at_ms, cancelled_at_ms) on erasures to hub_worker;
grant update (answered_by, answered_at_ms) on access_requests to hub_worker;
grant select (receipt, user_id, source, state, waits_for, received_at_ms, cancellable_until_ms, due_by_ms, done_at_ms,
    cancelled_at_ms) on erasures to authenticated;
grant select (id, user_id, received_at_ms, due_by_ms, answered_at_ms) on access_requests to authenticated;
create policy own on erasures for select to authenticated using (user_id = (select auth.uid()));
create policy own on access_requests for select to authenticated using (user_id = (select auth.uid()));

-- Who may remove people from the record: a role that nobody signs in as, which a worker takes on for one batch at a
-- time. It may do what the registry says becomes of each column, and no more; a test compares the two.
do $$
begin
    create role hub_eraser nologin noinherit;
exception when duplicate_object or unique_violation then
    null;  -- Made by a migration of another database of this server.
end $$;
do $$
begin
    if current_setting('server_version_num')::int >= 160000 then
        execute 'grant hub_eraser to hub_worker with inherit false, set true';
    else
        execute 'grant hub_eraser to hub_worker';
    end if;
exception when unique_violation or internal_error then
    null;  -- Granted by a migration of another database of this server at the same moment.
end $$;
grant usage on schema public to hub_eraser;
-- What the hub itself needed for removing somebody, it needs no more.
revoke delete on cards, customers from hub_worker;
grant execute on function payer_forgotten(jsonb) to hub_eraser;

-- Rows that go with the person.
grant select, delete on people, practices, corrections, blobs, blob_chunks, avatars, applications, consents,
    policy_notices, policy_acceptances, exports, cards, customers, fraud_sightings, fraud_cards, fraud_destinations,
    fraud_reviews, fraud_findings, flag_reporters, strikes, suspensions, blocks, media_kicks, checkpoints, role_changes,
    access_requests to hub_eraser;
-- Ids that become one which leads to nobody, and what is emptied.
grant select on sessions, participants, messages, payment_ops, refunds, payouts, free_grants, restitutions, flags,
    moderation_actions, admin_actions, appeals, evidence, reports, cases, erasures to hub_eraser;
grant update (practitioner_id) on sessions to hub_eraser;
grant update (user_id) on participants to hub_eraser;
grant update (client_id) on messages to hub_eraser;
grant update (params, outcome) on payment_ops to hub_eraser;
grant update (requested_by, decided_by) on refunds to hub_eraser;
grant update (practitioner_id) on payouts to hub_eraser;
grant update (guest_id) on free_grants to hub_eraser;
grant update (guest_id, ordered_by) on restitutions to hub_eraser;
grant update (user_id, claimed_by, resolved_by) on flags to hub_eraser;
grant update (user_id, actor_id) on moderation_actions to hub_eraser;
grant update (admin_id, subject) on admin_actions to hub_eraser;
grant update (user_id, decided_by) on appeals to hub_eraser;
grant update (subject_id, held_by) on evidence to hub_eraser;
grant update (reporter_id, user_id) on reports to hub_eraser;
grant update (subject, detail) on cases to hub_eraser;
grant update (decided_by) on applications, fraud_reviews to hub_eraser;
grant update (ordered_by) on role_changes, erasures to hub_eraser;
grant update (recorded_by, answered_by) on access_requests to hub_eraser;

do $$
declare
    reached text;
begin
    for reached in select distinct table_name from information_schema.role_table_grants
                   where grantee = 'hub_eraser' and table_schema = 'public' loop
        perform public.let_work('hub_eraser', reached);
    end loop;
end $$;
