-- Who may touch what. Two roles work here: `hub_worker`, the login role of every hub and worker, with no more
-- than each table needs; and `authenticated`, which a hub takes on for a person's own reads and which sees
-- that person's own rows alone.

do $$
begin
    create role hub_worker nologin noinherit;
exception when duplicate_object or unique_violation then
    null;  -- Made at installation, with its password, or by another database of this server just now.
end $$;

-- `hub_worker` may become `authenticated`; it must not silently have that role's rights on top of its own.
do $$
begin
    if current_setting('server_version_num')::int >= 160000 then
        execute 'grant authenticated to hub_worker with inherit false, set true';
    else
        execute 'grant authenticated to hub_worker';
    end if;
exception when unique_violation or internal_error then
    null;  -- Granted by a migration of another database of this server at the same moment.
end $$;

do $$
declare
    guarded text;
    stranger text;
begin
    for guarded in select tablename from pg_tables where schemaname = 'public' loop
        execute format('alter table public.%I enable row level security', guarded);
        execute format('revoke all on public.%I from public', guarded);
        -- A hosted Postgres may grant its API roles everything on new tables; take that back.
        for stranger in select rolname from pg_roles
                        where rolname in ('anon', 'authenticated', 'service_role', 'hub_worker') loop
            execute format('revoke all on public.%I from %I', guarded, stranger);
        end loop;
        if guarded <> 'schema_migrations' then
            execute format('create policy hub_worker_works on public.%I to hub_worker using (true) with check (true)',
                           guarded);
        end if;
    end loop;
end $$;

grant usage on schema public to hub_worker, authenticated;
grant select, insert, update on people, cards, practices, subject_keys, sessions, messages, epochs, webhook_inbox
    to hub_worker;
grant select, insert on key_canaries, participants, intervals, settlements, ledger_transactions, ledger_entries
    to hub_worker;
grant select, insert, update, delete on checkpoints to hub_worker;
grant select, insert on cases, payment_ops to hub_worker;
grant update (closed_at_ms) on cases to hub_worker;
-- What was wanted is frozen: only the course of an operation may change.
grant update (state, stripe_id, outcome, first_sent_at_ms, next_at_ms, lease_until_ms, applied_at_ms)
    on payment_ops to hub_worker;

-- The person a query is made for is a party to the session. As definer, because participants guards itself
-- with it.
create function is_party(session uuid) returns boolean
    language sql stable security definer set search_path = '' as $$
    select exists (
        select from public.participants where session_id = session and user_id = auth.uid()
    )
$$;

-- The person is that participant, or hosts the session: in a live room, guests do not see each other's bills.
create function sees_part(session uuid, part integer) returns boolean
    language sql stable security definer set search_path = '' as $$
    select exists (
        select from public.participants
        where session_id = session and user_id = auth.uid() and (no = part or no = 0)
    )
$$;

-- The person shares a session with the other one, and so may know the other's name.
create function has_met(other uuid) returns boolean
    language sql stable security definer set search_path = '' as $$
    select exists (
        select from public.participants mine
        join public.participants theirs using (session_id)
        where mine.user_id = auth.uid() and theirs.user_id = other
    )
$$;

-- The whole of one's own profile. Of others, the grant below shows a name and no more.
create function own_profile() returns setof people
    language sql stable security definer set search_path = '' as $$
    select * from public.people where id = auth.uid()
$$;

-- What was given back to a participant, or added by them: Stripe's parameters stay out of reach.
create function done_minor(session uuid, part integer, wanted text) returns bigint
    language sql stable security definer set search_path = '' as $$
    select coalesce(sum(amount_minor), 0)::bigint from public.payment_ops
    where session_id = session and participant_no = part and kind = wanted and state = 'succeeded'
        and public.sees_part(session, part)
$$;

revoke all on function is_party(uuid), sees_part(uuid, integer), has_met(uuid), own_profile(),
    done_minor(uuid, integer, text) from public;
grant execute on function is_party(uuid), sees_part(uuid, integer), has_met(uuid), own_profile(),
    done_minor(uuid, integer, text) to authenticated;

grant select (id, role, name) on people to authenticated;
grant select (practitioner_id, headline, topics, rate_minor_per_minute, currency, free_s, accepts_instant,
    verified_at_ms, rating, rating_count) on practices to authenticated;
grant select (person_id, brand, last4, saved_at_ms) on cards to authenticated;
grant select on sessions, participants, intervals, messages, settlements to authenticated;

create policy own_met_or_listed on people for select to authenticated using (
    id = (select auth.uid())
    or exists (select from practices where practitioner_id = people.id and verified_at_ms is not null)
    or has_met(id)
);
create policy verified_or_own on practices for select to authenticated using (
    verified_at_ms is not null or practitioner_id = (select auth.uid())
);
create policy own on cards for select to authenticated using (person_id = (select auth.uid()));
create policy party on sessions for select to authenticated using (is_party(id));
create policy party on participants for select to authenticated using (is_party(session_id));
create policy party on messages for select to authenticated using (is_party(session_id));
create policy own_or_host on intervals for select to authenticated using (sees_part(session_id, participant_no));
create policy own_or_host on settlements for select to authenticated
    using (sees_part(session_id, participant_no));
