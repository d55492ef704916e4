-- What of a person went to whom, and for what: one row a person, vendor, purpose and day. Which fields that are
-- is told by `store/privacy/vendors.toml`; the row keeps them as they were then.
create table disclosures (
    person_id uuid not null references people (id) on delete cascade,
    vendor text not null check (vendor in ('stripe', 'twilio', 'agora', 'supabase')),
    purpose text not null check (purpose ~ '^[a-z_]{1,40}$'),
    day date not null,
    fields text[] not null check (cardinality(fields) between 1 and 40),
    first_at_ms bigint not null,
    times integer not null check (times > 0),
    primary key (person_id, vendor, purpose, day)
);
create index disclosures_first on disclosures (first_at_ms);

select keep_to_hub('disclosures');
grant select, insert, delete, update (fields, first_at_ms, times) on disclosures to hub_worker;
grant select on disclosures to authenticated;
create policy own on disclosures for select to authenticated using (person_id = (select auth.uid()));
grant select, delete on disclosures to hub_eraser;
select let_work('hub_eraser', 'disclosures');
