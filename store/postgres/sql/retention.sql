-- What goes with its age; the statements themselves are made from the registry. Times are Unix milliseconds.

-- name: take_turn
-- Of several workers one removes, until its transaction is over.
select pg_try_advisory_xact_lock(4410925837219046113)

-- name: references
-- Foreign keys of one column that do not themselves remove the child, with both their columns.
select child.relname::text as child, here.attname::text as child_column, parent.relname::text as parent,
    there.attname::text as parent_column
from pg_constraint
join pg_class child on child.oid = conrelid
join pg_class parent on parent.oid = confrelid
join pg_attribute here on here.attrelid = conrelid and here.attnum = conkey[1]
join pg_attribute there on there.attrelid = confrelid and there.attnum = confkey[1]
where contype = 'f' and connamespace = 'public'::regnamespace and cardinality(conkey) = 1
    and confdeltype in ('a', 'r')
order by 1, 2, 3

-- name: counted
-- $1 kind, $2 how many, $3 now_ms
insert into retention_counts as counts (kind, pending, total, at_ms) values ($1, $2, $2, $3)
on conflict (kind) do update set pending = counts.pending + excluded.pending,
    total = counts.total + excluded.total, at_ms = excluded.at_ms

-- name: take_pending
-- What the audit was not told of yet. Whoever takes it tells it in the same transaction.
update retention_counts set pending = 0
from (select kind, pending from retention_counts where pending > 0 order by kind for update skip locked) taken
where retention_counts.kind = taken.kind
returning taken.kind, taken.pending

-- name: totals
select kind, total from retention_counts order by kind
