-- Behind the second wall a table is reached by nobody but its owner, and by those whom a migration lets.

-- `worker` works on these tables, as far as its grants go.
create function let_work(worker text, variadic tables text[]) returns void
    language plpgsql set search_path = '' as $$
declare
    reached text;
begin
    foreach reached in array tables loop
        execute format('create policy %I on public.%I to %I using (true) with check (true)',
                       worker || '_works', reached, worker);
    end loop;
end $$;

-- New tables: a hosted Postgres may have granted its API roles everything on them. Then the hub may work.
create function keep_to_hub(variadic tables text[]) returns void
    language plpgsql set search_path = '' as $$
declare
    guarded text;
    stranger text;
begin
    foreach guarded in array tables loop
        execute format('alter table public.%I enable row level security', guarded);
        execute format('revoke all on public.%I from public', guarded);
        for stranger in select rolname from pg_catalog.pg_roles
                        where rolname in ('anon', 'authenticated', 'service_role', 'hub_worker') loop
            execute format('revoke all on public.%I from %I', guarded, stranger);
        end loop;
    end loop;
    perform public.let_work('hub_worker', variadic tables);
end $$;
revoke all on function let_work(text, text[]), keep_to_hub(text[]) from public;

-- What a person may read of what is theirs: every column that the registry shows them, of their own rows alone.
-- `store/privacy/registered.py` compares these grants with the registry.

-- What a practitioner offers, with what only they may see of it: the table itself shows others' offers.
create function own_practice() returns setof practices
    language sql stable security definer set search_path = '' as $$
    select * from public.practices where practitioner_id = auth.uid()
$$;

-- On which days somebody came with what kind of sign. Not the marks: whoever can compare them learns how to differ.
create function own_sightings() returns table (person_id uuid, kind text, day integer, at_ms bigint)
    language sql stable security definer set search_path = '' as $$
    select seen.person_id, seen.kind, seen.day, min(seen.at_ms) from public.fraud_sightings seen
    where seen.person_id = auth.uid() group by seen.person_id, seen.kind, seen.day
$$;

-- A guest sees what was asked of their card, a practitioner what was sent to them.
create function sees_operation(session uuid, part integer, kind text) returns boolean
    language sql stable security definer set search_path = '' as $$
    select exists (
        select from public.participants
        where session_id = session and user_id = auth.uid() and case
            when kind = 'evidence' then false
            when kind in ('transfer', 'reversal') then no = 0
            else no = part
        end
    )
$$;

-- The person is that participant: their messages, not what was said to them.
create function is_part(session uuid, part integer) returns boolean
    language sql stable security definer set search_path = '' as $$
    select exists (
        select from public.participants where session_id = session and user_id = auth.uid() and no = part
    )
$$;

revoke all on function own_practice(), own_sightings(), sees_operation(uuid, integer, text), is_part(uuid, integer)
    from public;
grant execute on function own_practice(), own_sightings(), sees_operation(uuid, integer, text), is_part(uuid, integer)
    to authenticated;

grant select (stripe_customer, stripe_payment_method) on cards to authenticated;
grant select on customers, avatars, policy_notices, policy_acceptances, deductions, ledger_transactions,
    ledger_entries, disputes, payouts, strikes, suspensions, fraud_destinations to authenticated;
grant select (id, subject_id, kind, media_type, size_bytes, created_at_ms) on blobs to authenticated;
grant select (id, person_id, headline, about, topics, rate_minor_per_minute, currency, state, created_at_ms,
    decided_at_ms, reason) on applications to authenticated;
grant select (id, session_id, participant_no, kind, ordinal, amount_minor, currency, state, stripe_id,
    first_sent_at_ms, created_at_ms) on payment_ops to authenticated;
-- Not under which order everything was given back: that tells the practitioner how old a guest is.
grant select (id, session_id, participant_no, amount_minor, currency, state, created_at_ms, decided_at_ms)
    on refunds to authenticated;
grant select (session_id, guest_id, granted_at_ms, used_at_ms, released_at_ms) on free_grants to authenticated;
grant select (id, guest_id, session_id, at_ms, done_at_ms) on restitutions to authenticated;
grant select (payment_method, person_id, saved_at_ms) on fraud_cards to authenticated;
grant select (id, user_id, role, previous, state, created_at_ms, done_at_ms) on role_changes to authenticated;

create policy own on customers for select to authenticated using (person_id = (select auth.uid()));
create policy own on avatars for select to authenticated using (person_id = (select auth.uid()));
create policy own on policy_notices for select to authenticated using (person_id = (select auth.uid()));
create policy own on policy_acceptances for select to authenticated using (person_id = (select auth.uid()));
create policy own on blobs for select to authenticated using (subject_id = (select auth.uid()));
create policy own on applications for select to authenticated using (person_id = (select auth.uid()));
create policy own on payouts for select to authenticated using (practitioner_id = (select auth.uid()));
create policy own on free_grants for select to authenticated using (guest_id = (select auth.uid()));
create policy own on restitutions for select to authenticated using (guest_id = (select auth.uid()));
create policy own on fraud_cards for select to authenticated using (person_id = (select auth.uid()));
create policy own on fraud_destinations for select to authenticated using (practitioner_id = (select auth.uid()));
create policy own on role_changes for select to authenticated using (user_id = (select auth.uid()));
create policy own on strikes for select to authenticated using (user_id = (select auth.uid()));
create policy own on suspensions for select to authenticated using (user_id = (select auth.uid()));

create policy own_or_host on deductions for select to authenticated using (sees_part(session_id, participant_no));
create policy own_or_host on refunds for select to authenticated using (sees_part(session_id, participant_no));
-- The two that are long: what is theirs is found once for all rows, as a function would be called for each.
create policy own_or_host on ledger_transactions for select to authenticated using (
    (session_id, participant_no) in (
        select part.session_id, part.no from participants part where part.user_id = (select auth.uid())
    )
    or session_id in (
        select part.session_id from participants part where part.user_id = (select auth.uid()) and part.no = 0
    )
);
create policy own_or_host on ledger_entries for select to authenticated using (
    transaction_id in (
        select booking.id from participants part
        join ledger_transactions booking on booking.session_id = part.session_id
            and (booking.participant_no = part.no or part.no = 0)
        where part.user_id = (select auth.uid())
    )
);
create policy own_kinds on payment_ops for select to authenticated
    using (sees_operation(session_id, participant_no, kind));
-- What a guest's bank said is between the two; what it cost the practitioner is in the deductions.
create policy own on disputes for select to authenticated using (is_part(session_id, participant_no));

-- Whose rows these are, also those that are over.
create index applications_person on applications (person_id);
create index free_grants_everybody on free_grants (guest_id);
create index restitutions_guest on restitutions (guest_id);
create index role_changes_person on role_changes (user_id);
create index strikes_everybody on strikes (user_id);
create index suspensions_everybody on suspensions (user_id);

-- What was asked of Stripe, without whose card it was: what becomes of it when the payer is erased.
create function payer_forgotten(params jsonb) returns jsonb
    language sql immutable set search_path = '' as $$
    select case when params -> 'body' ?| array['customer', 'payment_method'] then
        jsonb_set(params, '{body}', (params -> 'body')
            || case when params -> 'body' ? 'payment_method' then '{"payment_method": "forgotten"}'::jsonb
               else '{}'::jsonb end
            || case when params -> 'body' ? 'customer' then '{"customer": "forgotten"}'::jsonb else '{}'::jsonb end)
    else params end
$$;
revoke all on function payer_forgotten(jsonb) from public;
grant execute on function payer_forgotten(jsonb) to hub_worker;
