-- What a Supabase project brings in each database: the schema `auth` and who is asking. Migrations create
-- nothing here.
create schema if not exists auth;
grant usage on schema auth to anon, authenticated, service_role, hub_worker;
grant usage on schema public to anon, authenticated, service_role, hub_worker;

create or replace function auth.jwt() returns jsonb
  language sql stable
  as $$ select coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb $$;

create or replace function auth.uid() returns uuid
  language sql stable
  as $$ select nullif(auth.jwt() ->> 'sub', '')::uuid $$;

create or replace function auth.role() returns text
  language sql stable
  as $$ select nullif(auth.jwt() ->> 'role', '') $$;
