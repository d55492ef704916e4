"""The second wall: what the database keeps from everybody, whatever a hub does. Every table, as it stands.

Rows are made up for each table, whatever its rules, so that a new table is tried the same way: what A sees is
never B's, anonymous visitors see nothing, and nobody but the hub's own role writes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from rooms.ids import UserId
from sandbox.postgres import PostgresAddress
from store.postgres.migrate import migrate
from store.postgres.pool import Transacting, acting_as, connect
from store.privacy import registry

STRANGERS = ("anon", "authenticated", "service_role")
WRITES = ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
ONLY_GROW = {
    "ledger_transactions", "ledger_entries", "settlements", "intervals", "audit_entries", "audit_heads",
    "policies", "policy_notices", "policy_acceptances", "consents", "moderation_actions", "admin_actions",
}  # fmt: skip
"""What the hub's role adds to and never changes or removes."""
ROLES_OF_OURS = {"hub_worker", "hub_eraser", "hub_retention"}


async def public_tables(db: asyncpg.Pool) -> list[str]:
    rows = await db.fetch(
        "select relname from pg_class where relnamespace = 'public'::regnamespace"
        " and relkind = any('{r,p,v,m}')"
        " order by 1"
    )
    return [row["relname"] for row in rows]


# Who may what.


async def test_every_table_has_row_level_security(owner: asyncpg.Pool) -> None:
    bare = await owner.fetch(
        "select relname from pg_class where relnamespace = 'public'::regnamespace"
        " and (relkind in ('v', 'm', 'f') or (relkind in ('r', 'p') and not relrowsecurity))"
    )
    assert [row["relname"] for row in bare] == []


async def privileges(db: asyncpg.Pool, role: str, kinds: Iterable[str]) -> set[tuple[str, str]]:
    """What a role may with tables or with columns of them, directly or through others."""
    found = set()
    for table in await public_tables(db):
        for kind in kinds:
            query = "select has_table_privilege($1, $2::regclass, $3)"
            if kind in ("SELECT", "INSERT", "UPDATE", "REFERENCES"):
                query += " or has_any_column_privilege($1, $2::regclass, $3)"
            if await db.fetchval(query, role, f"public.{table}", kind):
                found.add((table, kind))
    return found


async def test_anonymous_visitors_may_nothing(owner: asyncpg.Pool) -> None:
    assert await privileges(owner, "anon", ("SELECT", *WRITES)) == set()
    async with owner.acquire() as connection:
        for table in await public_tables(owner):
            turn = connection.transaction()
            await turn.start()
            await connection.execute("set local role anon")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f'select from public."{table}"')
            await turn.rollback()


async def test_nobody_who_signs_in_writes_anything(owner: asyncpg.Pool) -> None:
    assert await privileges(owner, "authenticated", WRITES) == set()
    assert await privileges(owner, "service_role", ("SELECT", *WRITES)) == set()


async def test_what_only_grows_cannot_be_changed_by_the_hub(owner: asyncpg.Pool, pool: asyncpg.Pool) -> None:
    assert set(await public_tables(owner)) >= ONLY_GROW
    changes = await privileges(owner, "hub_worker", ("UPDATE", "DELETE", "TRUNCATE"))
    assert {table for table, _ in changes} & ONLY_GROW == set()
    assert "TRUNCATE" not in {kind for _, kind in changes}
    for table in sorted(ONLY_GROW):
        for statement in (f"delete from {table}", f"truncate {table}", f"update {table} set ctid = ctid"):
            with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.FeatureNotSupportedError)):
                await pool.execute(statement)


async def test_the_hub_is_no_owner_and_gets_around_nothing(owner: asyncpg.Pool) -> None:
    for role in ROLES_OF_OURS | {"anon", "authenticated"}:
        what = await owner.fetchrow("select * from pg_roles where rolname = $1", role)
        assert what is not None
        for name in ("rolsuper", "rolbypassrls", "rolcreaterole", "rolcreatedb", "rolreplication"):
            assert not what[name], (role, name)
    owned = await owner.fetch(
        "select relname from pg_class join pg_roles on pg_roles.oid = relowner where rolname = any($1)",
        sorted(ROLES_OF_OURS),
    )
    assert [row["relname"] for row in owned] == []
    members = await owner.fetch(
        "select granted.rolname as role, inherit_option, admin_option from pg_auth_members link"
        " join pg_roles granted on granted.oid = roleid join pg_roles member on member.oid = link.member"
        " where member.rolname = any($1)",
        sorted(ROLES_OF_OURS),
    )
    # They may be taken on for a transaction, and add nothing until then.
    assert {tuple(row) for row in members} <= {
        ("authenticated", False, False),
        ("hub_eraser", False, False),
        ("hub_retention", False, False),
    }


FORBIDDEN = (
    "alter table people disable row level security", "alter table people no force row level security",
    "drop policy own on consents", "create policy mine on people to hub_worker using (true)",
    "alter table audit_entries disable trigger all", "drop table consents",
    "drop trigger policies_immutable on policies", "alter table people owner to hub_worker",
    "create table public.own (n integer)", "create role helper",
    "alter role hub_worker bypassrls", "set session_replication_role = replica",
    "set role postgres", "set role service_role", "set session authorization postgres",
    "copy people to program 'cat'", "copy people to '/tmp/people'", "select pg_read_file('/etc/passwd')",
    "create extension dblink", "create function f() returns int language sql as 'select 1'",
    "select lo_import('/etc/passwd')", "create schema elsewhere", "alter system set log_statement = 'all'",
    "create trigger t after insert on people execute function policies_stay()",
)  # fmt: skip


@pytest.mark.parametrize("statement", FORBIDDEN)
async def test_the_hub_cannot_take_the_wall_down(pool: asyncpg.Pool, statement: str) -> None:
    with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.CantChangeRuntimeParamError)):
        await pool.execute(statement)


async def test_the_hub_cannot_hand_on_what_it_may(pool: asyncpg.Pool, owner: asyncpg.Pool) -> None:
    await pool.execute("grant all on people, sessions to anon, authenticated")
    assert await privileges(owner, "anon", ("SELECT", *WRITES)) == set()
    assert await privileges(owner, "authenticated", WRITES) == set()


async def test_nobody_gets_more_by_a_function(owner: asyncpg.Pool) -> None:
    """A function that runs with its owner's rights finds its own names, and is for those it was made for."""
    rows = await owner.fetch(
        "select p.oid::regprocedure::text as name, coalesce(p.proconfig, '{}') as config, p.oid,"
        " p.prorettype = 'trigger'::regtype as triggers"
        " from pg_proc p where p.pronamespace = 'public'::regnamespace and p.prosecdef"
    )
    assert rows
    for row in rows:
        assert any(one.startswith("search_path=") for one in row["config"]), row["name"]
        for role in ("anon", "service_role"):
            may = await owner.fetchval(
                "select has_function_privilege($1, $2::oid, 'EXECUTE')", role, row["oid"]
            )
            assert not may or row["triggers"], (role, row["name"])


async def test_a_hosted_database_that_grants_everything_gets_nothing_through(
    postgres_cluster: PostgresAddress,
) -> None:
    """Hosted databases give their API roles every right on whatever the owner makes."""
    name = f"hosted_{uuid4().hex}"
    postgres_cluster.server.create_database(name)
    address = postgres_cluster.database(name)
    hosted = await connect(address.owner_dsn, size=2)
    try:
        for kind in ("tables", "sequences"):
            await hosted.execute(
                f"alter default privileges in schema public grant all on {kind} to {', '.join(STRANGERS)}"
            )
        await migrate(address.owner_dsn)
        for role in STRANGERS:
            kinds = WRITES if role == "authenticated" else ("SELECT", *WRITES)
            assert await privileges(hosted, role, kinds) == set()
        shown = await readable(hosted)
    finally:
        await hosted.close()
        postgres_cluster.server.query(f"drop database {name} with (force)")
    # It shows those who sign in what the same migrations show elsewhere, and not a column more.
    tables = registry.load().tables
    for table, columns in shown.items():
        assert set(columns) <= set(tables[table].columns), table


# What A sees of B.


@dataclass
class Made:
    """Rows of one person in every table: their id, the id that everything of theirs carries, a number."""

    who: UserId
    thing: str
    number: int
    tables: set[str] = field(default_factory=set)

    @property
    def marks(self) -> tuple[str, ...]:
        return (self.who, self.thing, str(self.number))


@pytest.fixture
async def two(owner: asyncpg.Pool) -> tuple[Made, Made]:
    """Rows of A and of B in every table. What may be in a row is no matter here; who sees it is."""
    checks = await owner.fetch(
        "select conrelid::regclass::text as tab, conname from pg_constraint"
        " where contype = 'c' and connamespace = 'public'::regnamespace"
    )
    for row in checks:
        await owner.execute(f'alter table {row["tab"]} drop constraint "{row["conname"]}"')
    a, b = (Made(UserId(str(uuid4())), str(uuid4()), number) for number in (700_000_007, 800_000_008))
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute("set local session_replication_role = replica")
        for made in (a, b):
            for table in await public_tables(owner):
                if await make_row(connection, table, made):
                    made.tables.add(table)
    return a, b


async def make_row(connection: Transacting, table: str, made: Made) -> bool:
    """A row of this person's with whatever fits its columns; whether there was room for it."""
    columns = await connection.fetch(
        "select attname as name, format_type(atttypid, atttypmod) as type, typtype = 'e' as enum, atttypid,"
        " (attnotnull and not atthasdef) or exists (select from pg_index where indrelid = attrelid"
        " and indisunique and attnum = any(indkey)) as needed"
        " from pg_attribute join pg_type on pg_type.oid = atttypid"
        " where attrelid = $1::regclass and attnum > 0 and not attisdropped and attgenerated = ''",
        f"public.{table}",
    )
    known = registry.load().tables.get(table)
    persons = {} if known is None else {name for name, one in known.columns.items() if one.person}
    path = set() if known is None or known.parent is None else set(known.parent.columns)
    values: dict[str, str] = {}
    for column in columns:
        name = column["name"]
        if name in persons:
            values[name] = f"'{made.who}'"
        elif column["needed"] or name in path:
            labels = f"select enumlabel from pg_enum where enumtypid = {column['atttypid']} limit 1"
            label = await connection.fetchval(labels) if column["enum"] else None
            values[name] = f"'{label}'" if label else literal(column["type"], made)
    if not values:
        return False
    names = ", ".join(f'"{name}"' for name in values)
    told = await connection.execute(
        f'insert into public."{table}" ({names}) overriding system value'
        f" values ({', '.join(values.values())}) on conflict do nothing"
    )
    return bool(told.endswith(" 1"))


def literal(kind: str, made: Made) -> str:
    """Something of a type: ids are this person's thing, numbers and texts their number."""
    if kind == "uuid":
        return f"'{made.thing}'"
    if kind in ("bigint", "integer", "smallint") or kind.startswith("numeric"):
        return str(made.number)
    if kind == "boolean":
        return "true"
    if kind == "bytea":
        return f"'\\x{made.number:064x}'"
    if kind == "jsonb":
        return f'\'{{"thing": "{made.thing}"}}\''
    if kind == "date":
        return "'2026-01-01'"
    if kind.endswith(("[]", "multirange")):
        return "'{}'"
    if kind.startswith(("timestamp", "interval")):
        return "now()" if kind.startswith("timestamp") else "'1 second'"
    return f"'{made.thing}'"


async def readable(db: asyncpg.Pool) -> dict[str, list[str]]:
    """The columns of each table that whoever signs in may ask for."""
    rows = await db.fetch(
        "select relname, array_agg(attname::text order by attnum) as columns from pg_class"
        " join pg_attribute on attrelid = pg_class.oid and attnum > 0 and not attisdropped"
        " where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
        " and has_column_privilege('authenticated', pg_class.oid, attnum, 'SELECT') group by relname"
    )
    return {row["relname"]: list(row["columns"]) for row in rows}


async def seen(pool: asyncpg.Pool, who: UserId, table: str, columns: list[str]) -> list[dict[str, Any]]:
    names = ", ".join(f'"{name}"' for name in columns)
    async with acting_as(pool, who) as connection:
        return [dict(row) for row in await connection.fetch(f'select {names} from public."{table}"')]


async def compare(
    pool: asyncpg.Pool, owner: asyncpg.Pool, two: tuple[Made, Made]
) -> tuple[set[str], set[str]]:
    """Tables in which one sees something of the other's, and those in which they do not see their own."""
    a, b = two
    leaking, empty = set(), set()
    for table, columns in (await readable(owner)).items():
        for one, other in ((a, b), (b, a)):
            rows = await seen(pool, one.who, table, columns)
            if any(mark in str(rows) for mark in other.marks):
                leaking.add(table)
            if table in one.tables and not rows:
                empty.add(table)
    return leaking, empty


async def test_of_each_table_one_sees_what_is_ones_own(
    pool: asyncpg.Pool, owner: asyncpg.Pool, two: tuple[Made, Made]
) -> None:
    shown = await readable(owner)
    assert len(shown) > 30
    for one in two:
        assert shown.keys() - one.tables == set()
    leaking, empty = await compare(pool, owner, two)
    assert leaking == set()
    # Without a row of one's own the first half would prove nothing.
    assert empty == NOT_BY_ITSELF


async def test_a_rule_that_shows_too_much_is_found(
    pool: asyncpg.Pool, owner: asyncpg.Pool, two: tuple[Made, Made]
) -> None:
    for table in ("cards", "ledger_entries"):
        await owner.execute(f"create policy open on {table} for select to authenticated using (true)")
    try:
        assert (await compare(pool, owner, two))[0] == {"cards", "ledger_entries"}
    finally:
        for table in ("cards", "ledger_entries"):
            await owner.execute(f"drop policy open on {table}")


NOT_BY_ITSELF = {"moderation_actions"}
"""Tables whose rows are shown for what is in them, which made-up rows have not."""


async def test_a_stranger_and_nobody_see_nothing(
    pool: asyncpg.Pool, owner: asyncpg.Pool, two: tuple[Made, Made]
) -> None:
    stranger = UserId(str(uuid4()))
    for table, columns in (await readable(owner)).items():
        rows = await seen(pool, stranger, table, columns)
        assert not any(mark in str(rows) for made in two for mark in made.marks), table
        names = ", ".join(f'"{name}"' for name in columns)
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("set local role authenticated")
            assert await connection.fetch(f'select {names} from public."{table}"') == [], table


@pytest.mark.parametrize(
    "claims", ['{"sub": ""}', "{}", '{"sub": null}', '{"sub": "*"}', "", '{"sub": "%"}', "[]"]
)
async def test_claims_that_name_nobody_show_nothing(
    pool: asyncpg.Pool, two: tuple[Made, Made], claims: str
) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)",
            claims,
        )
        try:
            assert await connection.fetch("select id from sessions") == []
        except asyncpg.DataError:
            return


async def test_no_function_shows_more(
    pool: asyncpg.Pool, owner: asyncpg.Pool, two: tuple[Made, Made]
) -> None:
    """Functions that a person's own reads use, asked with what is somebody else's."""
    a, b = two
    rows = await owner.fetch(
        "select p.proname, proretset,"
        " array(select format_type(t, null) from unnest(p.proargtypes) t) as takes"
        " from pg_proc p where pronamespace = 'public'::regnamespace and prosecdef"
        " and has_function_privilege('authenticated', p.oid, 'EXECUTE') and prorettype <> 'trigger'::regtype"
    )
    assert rows
    for row in rows:
        known = {"uuid": UUID(b.thing), "integer": b.number, "bigint": b.number, "boolean": True}
        given = [known.get(one, "hold") for one in row["takes"]]
        places = ", ".join(f"${n}::{kind}" for n, kind in enumerate(row["takes"], 1))
        for who in (a.who, UserId(str(uuid4()))):
            async with acting_as(pool, who) as connection:
                found = await connection.fetch(
                    f"select * from {row['proname']}({places})", *map(_plain, given)
                )
            assert not any(mark in str(found) for mark in b.marks), row["proname"]
            assert row["proretset"] or found[0][0] in (False, None, 0), row["proname"]


def _plain(value: object) -> object:
    return str(value) if isinstance(value, UUID) else value
