"""What is too old: shown nowhere from its day on, removed at its time and not before, table by table."""

from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from config.retention import Period, periods
from hub.workers.retention import Retention
from rooms import analytics
from sandbox.postgres import PostgresAddress
from store.postgres import retention as rows
from store.postgres.pool import acting_as, retaining
from store.privacy import owned, retention
from store.privacy.registry import Table, load
from store.privacy.retention import DAY_MS, Ages, Reference
from tests.integration.postgres.two_of_each import Seeds, seed

AGES = Ages(periods())
NOW_MS = 2_000_000_000_000
TABLES = [table for name, table in load().tables.items() if AGES.gone_before_ms(name, NOW_MS) is not None]
REMOVED = [table for table in TABLES if table.ended_by is None]
WITH_ROWS = [table for table in REMOVED if table.personal]
OVER: dict[str, dict[str, Any]] = {
    "exports": {"state": "expired"}, "flags": {"status": "resolved"}, "appeals": {"status": "upheld"},
    "media_kicks": {"state": "done"}, "fraud_reviews": {"state": "cleared"}, "cases": {"closed_at_ms": 1},
    "role_changes": {"state": "done"}, "erasures": {"state": "done"}, "legal_holds": {"released_at_ms": 1},
}  # fmt: skip
"""What of the seeds stands still has to be over, or its age does not count."""
TELLING: dict[str, dict[str, Any]] = {
    "payment_ops": {"params": {"body": {"customer": "cus_1"}}, "outcome": {"url": "https://example.com"}},
}
"""What of the seeds told nothing of anybody."""
MONEY = (
    "settlements",
    "ledger_transactions",
    "ledger_entries",
    "deductions",
    "disputes",
    "stripe_fees",
    "intervals",
)


class Clock:
    """Passed in, and moved by hand."""

    def __init__(self) -> None:
        self.ms = NOW_MS

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def seeded(database: PostgresAddress) -> list[Seeds]:
    return []


@pytest.fixture
async def seeds(database: PostgresAddress, owner: asyncpg.Pool, seeded: list[Seeds]) -> Seeds:
    if not seeded:
        seeded.append(await seed(owner))
    return seeded[0]


async def put(owner: asyncpg.Pool, seeds: Seeds, table: Table, age_ms: int) -> dict[str, Any]:
    """The first person's row of a table, fresh, so old, and over; nothing else is of any age."""
    row = {**seeds.row(table, 0), **OVER.get(table.name, {}), **TELLING.get(table.name, {})}
    if table.elder is not None:
        await put(owner, seeds, load().tables[table.elder.parent], age_ms)
    elif table.ages_in == "ms":
        row[str(table.ages_by)] = age_ms
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute("set local session_replication_role = replica")
        await connection.execute(f'delete from "{table.name}"')
        kinds = seeds.types[table.name]
        plain = {name: value for name, value in row.items() if kinds[name] not in ("date", "int8multirange")}
        names = ", ".join(f'"{name}"' for name in plain)
        places = ", ".join(f"${number}" for number in range(1, len(plain) + 1))
        await connection.execute(
            f'insert into "{table.name}" ({names}) overriding system value values ({places})', *plain.values()
        )
    return row


async def take_part(owner: asyncpg.Pool, seeds: Seeds) -> None:
    """The first person in their session, as whose rows by it are theirs."""
    row = seeds.row(load().tables["participants"], 0)
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute("set local session_replication_role = replica")
        await connection.execute(
            "insert into participants (session_id, no, user_id, role) values ($1, 1, $2, 'guest')"
            " on conflict (session_id, no) do update set user_id = excluded.user_id",
            row["session_id"], seeds.people[0],
        )  # fmt: skip


async def told(owner: asyncpg.Pool, table: Table) -> list[dict[str, Any]]:
    return [dict(row) for row in await owner.fetch(f'select * from "{table.name}"')]


async def alone(pool: asyncpg.Pool, table: Table, now_ms: int) -> int:
    """Run the statement of one table, as the role that may."""
    references = [Reference(*one) for one in await rows.references(pool)]
    [purge] = [one for one in retention.plan(AGES, references) if one.table.name == table.name]
    age_ms = AGES.gone_before_ms(table.name, now_ms)
    assert age_ms is not None
    async with retaining(pool) as db:
        found: int = await db.fetchval(
            purge.sql, retention.before(table, age_ms), 10, *([now_ms] if purge.shredding else [])
        )
    return found


def period(table: Table) -> tuple[int, int]:
    """Days until it is hidden, and until it is removed."""
    kept = periods()[table.retention]
    assert kept.days is not None
    return kept.days, kept.days + kept.hidden_days


@pytest.mark.parametrize("table", WITH_ROWS, ids=lambda table: table.name)
async def test_it_goes_at_its_time_and_not_before(
    pool: asyncpg.Pool, owner: asyncpg.Pool, seeds: Seeds, table: Table
) -> None:
    _, days = period(table)
    await without_children(owner, table)
    await put(owner, seeds, table, NOW_MS)
    at_ms = NOW_MS + days * DAY_MS
    assert await alone(pool, table, at_ms - 1) == 0
    [kept] = await told(owner, table)
    assert await alone(pool, table, at_ms) == 1
    left = await told(owner, table)
    if table.expires == "row":
        assert left == []
    else:
        [after] = left
        for name, column in table.columns.items():
            stays = column.erased in ("keep", "nobody", "row")
            assert (after[name] == kept[name]) == stays, name
    # The second time finds nothing.
    assert await alone(pool, table, at_ms + 1) == 0
    assert await told(owner, table) == left


async def without_children(owner: asyncpg.Pool, table: Table) -> None:
    """What still refers to a row keeps it; that is tried by itself."""
    for child, _, parent, _ in await rows.references(owner):
        if parent == table.name and child != parent:
            await without_children(owner, load().tables[child])
            async with owner.acquire() as connection, connection.transaction():
                await connection.execute("set local session_replication_role = replica")
                await connection.execute(f'delete from "{child}"')


@pytest.mark.parametrize(
    "table",
    [one for one in TABLES if one.shown and one.ages_in == "ms" and one.ages_by],
    ids=lambda one: one.name,
)
async def test_from_its_day_on_it_is_shown_to_nobody(
    pool: asyncpg.Pool, owner: asyncpg.Pool, seeds: Seeds, table: Table
) -> None:
    days, _ = period(table)
    await without_children(owner, table)
    await put(owner, seeds, table, NOW_MS)
    await take_part(owner, seeds)
    for late_ms, shown in ((-1, 1), (0, 0)):
        younger = AGES.shown_after_ms(table.name, NOW_MS + days * DAY_MS + late_ms)
        async with acting_as(pool, seeds.people[0]) as connection:
            found, _ = await owned.page(connection, table, after=None, limit=10, shown_after_ms=younger)
        assert len(found) == shown


@pytest.mark.parametrize("name", [name for name in OVER if name != "erasures"])
async def test_what_is_not_over_stays(
    pool: asyncpg.Pool, owner: asyncpg.Pool, seeds: Seeds, name: str
) -> None:
    table = load().tables[name]
    await without_children(owner, table)
    await put(owner, seeds, table, 1)
    [column] = OVER[name]
    standing = {"status": "open", "closed_at_ms": None, "released_at_ms": None}
    pending = {
        "media_kicks": "pending",
        "role_changes": "pending",
        "exports": "queued",
        "fraud_reviews": "open",
    }
    await owner.execute(
        f'update "{name}" set "{column}" = $1', standing[column] if column in standing else pending[name]
    )
    assert await alone(pool, table, NOW_MS) == 0
    assert len(await told(owner, table)) == 1


async def test_what_is_referred_to_goes_after_what_refers_to_it(pool: asyncpg.Pool) -> None:
    references = [Reference(*one) for one in await rows.references(pool)]
    order = [one.table.name for one in retention.plan(AGES, references)]
    for child, parent in (("strikes", "moderation_actions"), ("flag_reporters", "flags"),
                          ("moderation_actions", "flags"), ("fraud_findings", "fraud_reviews")):  # fmt: skip
        assert order.index(child) < order.index(parent)


async def test_a_decision_that_a_suspension_stands_on_stays(
    pool: asyncpg.Pool, owner: asyncpg.Pool, seeds: Seeds
) -> None:
    action, suspension = load().tables["moderation_actions"], load().tables["suspensions"]
    await without_children(owner, action)
    row = await put(owner, seeds, action, 1)
    await put(owner, seeds, suspension, 1)
    await owner.execute(
        "update suspensions set action_id = $1, lifted_at_ms = null, until_ms = null", row["id"]
    )
    assert await alone(pool, suspension, NOW_MS) == await alone(pool, action, NOW_MS) == 0
    await owner.execute("update suspensions set lifted_at_ms = 5")
    # It refers to the decision, so it goes first.
    assert await alone(pool, action, NOW_MS) == 0
    assert await alone(pool, suspension, NOW_MS) == await alone(pool, action, NOW_MS) == 1


async def test_keys_of_its_own_are_destroyed_with_it(
    pool: asyncpg.Pool, owner: asyncpg.Pool, seeds: Seeds
) -> None:
    table = load().tables["appeals"]
    row = await put(owner, seeds, table, 1)
    await owner.execute(
        "insert into subject_keys (subject_id, wrapped, key_version, created_at_ms) values ($1, 'x', 1, 1)",
        row["id"],
    )
    assert await alone(pool, table, NOW_MS) == 1
    key = await owner.fetchrow(
        "select wrapped, shredded_at_ms from subject_keys where subject_id = $1", row["id"]
    )
    assert key is not None
    assert tuple(key) == (None, NOW_MS)


def rights() -> Iterator[tuple[str, str, str]]:
    """(table, right, column) of all that retention does."""
    for table in REMOVED:
        if table.expires == "row":
            yield table.name, "DELETE", ""
            continue
        for name, column in table.columns.items():
            if column.erased in ("pseudonym", "shred", "empty"):
                yield table.name, "UPDATE", name


async def test_its_role_may_do_what_the_registry_says_and_no_more(owner: asyncpg.Pool) -> None:
    whole = await owner.fetch(
        "select table_name, privilege_type from information_schema.role_table_grants"
        " where grantee = 'hub_retention' and privilege_type <> 'SELECT'"
    )
    columns = await owner.fetch(
        "select table_name, column_name from information_schema.role_column_grants"
        " where grantee = 'hub_retention' and privilege_type in ('UPDATE', 'REFERENCES')"
    )
    granted = {(row["table_name"], row["privilege_type"], "") for row in whole}
    granted |= {(row["table_name"], "UPDATE", row["column_name"]) for row in columns}
    bookkeeping = {
        ("subject_keys", "UPDATE", "wrapped"), ("subject_keys", "UPDATE", "shredded_at_ms"),
        ("retention_counts", "INSERT", ""), ("retention_counts", "UPDATE", "pending"),
        ("retention_counts", "UPDATE", "total"), ("retention_counts", "UPDATE", "at_ms"),
    }  # fmt: skip
    assert granted == set(rights()) | bookkeeping


@pytest.mark.parametrize(
    "table", [*MONEY, "audit_entries", "audit_heads", "audit_texts", "admin_actions", "people"]
)
async def test_the_books_and_the_audit_are_out_of_its_reach(pool: asyncpg.Pool, table: str) -> None:
    for command in (f"delete from {table}", f"truncate {table}"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with retaining(pool) as db:
                await db.execute(command)


async def test_nobody_else_removes_a_decision(owner: asyncpg.Pool, pool: asyncpg.Pool) -> None:
    for opened in (owner, pool):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await opened.execute("delete from moderation_actions")


async def test_what_has_no_person_goes_too(pool: asyncpg.Pool, owner: asyncpg.Pool, clock: Clock) -> None:
    """Counts by week, jobs by the database's own time, and Stripe's messages."""
    clock.ms = await owner.fetchval("select (extract(epoch from now()) * 1000)::bigint")
    old, young = analytics.week(clock.ms - 400 * DAY_MS), analytics.week(clock.ms - 399 * DAY_MS)
    await owner.execute("delete from analytics_events; delete from pgqueuer_log; delete from webhook_inbox")
    for week in (old - 1, old, young):
        await owner.execute(
            "insert into analytics_events (week, name, props, marked) values ($1, 'x', '{}', $2)",
            week,
            bytes(16),
        )
    for days in (29, 31):
        await owner.execute(
            "insert into pgqueuer_log (created, job_id, status, priority, entrypoint)"
            " values (now() - make_interval(days => $1), 1, 'successful', 0, 'exports')", days,
        )  # fmt: skip
    for event, state, days in (("a", "done", 31), ("b", "new", 31), ("c", "done", 29)):
        await owner.execute(
            "insert into webhook_inbox (event_id, source, type, object_id, payload, received_at_ms,"
            " next_at_ms, state) values ($1, 'stripe', 'x', 'y', '{}', $2, 0, $3)",
            event, clock.ms - days * DAY_MS, state,
        )  # fmt: skip
    await Retention(pool, periods(), now_ms=clock).run_once()
    weeks = {row["week"] for row in await owner.fetch("select week from analytics_events")}
    assert weeks == {old, young}
    assert await owner.fetchval("select count(*) from pgqueuer_log") == 1
    events = await owner.fetch("select event_id from webhook_inbox order by event_id")
    assert [row["event_id"] for row in events] == ["b", "c"]


async def test_a_run_is_told_to_the_audit_in_numbers(
    pool: asyncpg.Pool, owner: asyncpg.Pool, seeds: Seeds, clock: Clock
) -> None:
    await Retention(pool, periods(), now_ms=clock).run_once()
    table = load().tables["reports"]
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute("set local session_replication_role = replica")
        await connection.execute(
            "insert into reports (id, reporter_id, session_id, user_id, evidence_id, created_at_ms)"
            " select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),"
            " gen_random_uuid(), 1 from generate_series(1, 25)"
        )
    last = await owner.fetchval("select coalesce(max(n), 0) from audit_entries")
    reached: list[str] = []

    async def note(name: str) -> None:
        reached.append(name)

    duty = Retention(pool, periods(), now_ms=clock, batch=10, reached=note)
    assert await duty.run_once() == 25
    assert reached == ["reports"] * 3
    entries = await owner.fetch("select * from audit_entries where n > $1 order by n", last)
    assert [(row["action"], row["actor_id"], row["subject_id"]) for row in entries] == [
        ("retention_removed", "system", None)
    ]
    assert bytes(entries[0]["detail"]) == b'{"kind":"safety","rows":25}'
    assert table.retention == "safety"
    assert await duty.run_once() == 0
    assert await owner.fetchval("select max(n) from audit_entries") == last + 1


async def test_of_two_at_once_one_removes(pool: asyncpg.Pool, owner: asyncpg.Pool, clock: Clock) -> None:
    async with retaining(pool) as db:
        assert await rows.take_turn(db)
        assert await Retention(pool, periods(), now_ms=clock).run_once() == 0


def test_nothing_is_hidden_that_never_expires() -> None:
    short = {name: Period(one.says, one.basis, 1) for name, one in periods().items()}
    ages = Ages(short)
    for table in load().tables.values():
        never = table.expires == "never" or (table.ages_by is None and table.ages_with is None)
        assert (ages.shown_after_ms(table.name, NOW_MS) == 0) == never, table.name
