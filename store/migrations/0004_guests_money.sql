-- Whose customer at Stripe a guest is, and who has had their free seconds.

create table customers (
    person_id uuid primary key references people (id) on delete cascade,
    stripe_customer text not null unique,
    created_at_ms bigint not null
);

insert into customers (person_id, stripe_customer, created_at_ms)
select person_id, stripe_customer, saved_at_ms from cards
on conflict do nothing;

-- Free seconds are given once to a person and once to a card, whoever has it. A grant is made when a session is
-- requested and taken back when the session used none of them; while it stands, both are spent.
create table free_grants (
    session_id uuid not null,
    guest_id uuid not null,
    fingerprint text not null,
    granted_at_ms bigint not null,
    used_at_ms bigint,
    released_at_ms bigint,
    primary key (session_id, guest_id),
    check (used_at_ms is null or released_at_ms is null)
);
create unique index free_grants_guest on free_grants (guest_id) where released_at_ms is null;
create unique index free_grants_card on free_grants (fingerprint) where released_at_ms is null;

do $$
declare
    guarded text;
    stranger text;
begin
    foreach guarded in array array['customers', 'free_grants'] loop
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

grant select, insert on customers to hub_worker;
grant select, insert on free_grants to hub_worker;
grant update (used_at_ms, released_at_ms) on free_grants to hub_worker;
