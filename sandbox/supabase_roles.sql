-- The roles that a Supabase project brings, and the hub's own. They belong to the cluster; the second time
-- is harmless. Called with the psql variable `hub_password`.
select format('create role %I nologin', name)
  from unnest(array['anon', 'authenticated', 'service_role']) as name
 where not exists (select from pg_roles where rolname = name) \gexec

select 'create role hub_worker login' where not exists (select from pg_roles where rolname = 'hub_worker') \gexec

alter role service_role bypassrls;
alter role hub_worker login password :'hub_password';

-- A person's reads are one query as `authenticated`; the hub's own rights must not leak into it, nor that
-- role's rights into the hub.
grant authenticated to hub_worker with inherit false, set true;
