-- Makes the database of the psql variable `name` if it is missing.
select format('create database %I', :'name')
 where not exists (select from pg_database where datname = :'name') \gexec
