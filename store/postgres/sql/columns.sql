-- What the database itself says about its tables. From the catalogue, as every role may read it: the information
-- schema shows a role no more than it may touch.

-- name: columns
-- Every column of every table, in order; whether it is part of the primary key (its place, from 1, or null), and
-- whether a person's own reads may see it.
select class.relname as table, attribute.attname as column,
    array_position(key.indkey::int2[], attribute.attnum) + 1 as key_place,
    exists (select from pg_roles where rolname = 'authenticated')
        and has_column_privilege('authenticated', class.oid, attribute.attnum, 'select') as readable
from pg_catalog.pg_class class
join pg_catalog.pg_namespace space on space.oid = class.relnamespace and space.nspname = 'public'
join pg_catalog.pg_attribute attribute
    on attribute.attrelid = class.oid and attribute.attnum > 0 and not attribute.attisdropped
left join pg_catalog.pg_index key on key.indrelid = class.oid and key.indisprimary
where class.relkind in ('r', 'p')
order by class.relname, attribute.attnum
