"""A person's own rows, of every table there is: theirs all, and of nobody else any."""

import asyncpg
import pytest

from rooms.ids import UserId
from sandbox.postgres import PostgresAddress
from store.postgres.pool import acting_as, connect
from store.privacy import owned
from store.privacy.registry import Table, load
from tests.integration.postgres.two_of_each import Seeds, seed

TABLES = owned.tables()
PARTS = [table for table in TABLES if table.through is not None and "participant_no" in table.columns]
NAMES = [table.name for table in TABLES]


@pytest.fixture(scope="module")
def seeded(database: PostgresAddress) -> list[Seeds]:
    """Filled once, by the first test."""
    return []


@pytest.fixture
async def seeds(database: PostgresAddress, seeded: list[Seeds]) -> Seeds:
    if not seeded:
        owner = await connect(database.owner_dsn, size=1)
        seeded.append(await seed(owner))
        await owner.close()
    return seeded[0]


async def own(pool: asyncpg.Pool, user_id: UserId, table: Table) -> list[tuple[object, ...]]:
    """The keys of the rows that a person is shown as theirs."""
    async with acting_as(pool, user_id) as connection:
        rows, after = await owned.page(connection, table, after=None, limit=10)
    assert after is None
    for row in rows:
        assert tuple(row) == table.shown
    return [tuple(row[name] for name in table.key) for row in rows]


def key_of(seeds: Seeds, table: Table, which: int) -> tuple[object, ...]:
    row = seeds.row(table, which)
    return tuple(row[name] for name in table.key)


@pytest.mark.parametrize("table", TABLES, ids=NAMES)
async def test_each_sees_what_is_theirs(pool: asyncpg.Pool, seeds: Seeds, table: Table) -> None:
    for which in range(2):
        found = await own(pool, seeds.people[which], table)
        assert len(found) == 1
        if table.name != "disclosures":
            assert [tuple(map(str, key)) for key in found] == [tuple(map(str, key_of(seeds, table, which)))]


@pytest.mark.parametrize("table", TABLES, ids=NAMES)
async def test_a_stranger_sees_nothing(pool: asyncpg.Pool, seeds: Seeds, table: Table) -> None:
    assert await own(pool, UserId("11111111-1111-4111-8111-111111111111"), table) == []


@pytest.mark.parametrize("table", [one for one in TABLES if one.read_by is None], ids=lambda one: one.name)
async def test_row_level_security_alone_is_enough(pool: asyncpg.Pool, seeds: Seeds, table: Table) -> None:
    """Without the hub's own condition: somebody with this role and a token of their own gets no further."""
    names = ", ".join(f'"{name}"' for name in table.key)
    async with acting_as(pool, seeds.people[0]) as connection:
        found = await connection.fetch(f'select {names} from "{table.name}"')
    assert found
    other = tuple(map(str, key_of(seeds, table, 1)))
    assert other not in [tuple(map(str, row)) for row in found]


@pytest.mark.parametrize("table", PARTS, ids=lambda one: one.name)
async def test_the_practitioner_shares_the_books_alone(
    pool: asyncpg.Pool, seeds: Seeds, table: Table
) -> None:
    """Of a guest's part they see what it was billed and what became of that, not the guest's own things."""
    found = await own(pool, seeds.hosts[0], table)
    shared = table.both and table.name != "payment_ops"
    assert len(found) == (1 if shared else 0)


async def test_a_transfer_is_the_practitioners_and_a_hold_the_guests(
    pool: asyncpg.Pool, owner: asyncpg.Pool, seeds: Seeds
) -> None:
    table = load().tables["payment_ops"]
    for kind, sees in (("transfer", (0, 1)), ("reversal", (0, 1)), ("evidence", (0, 0)), ("hold", (1, 0))):
        await owner.execute("update payment_ops set kind = $1", kind)
        assert (
            len(await own(pool, seeds.people[0], table)), len(await own(pool, seeds.hosts[0], table))
        ) == sees  # fmt: skip


async def test_a_practitioner_does_not_learn_that_a_guest_got_everything_back(
    pool: asyncpg.Pool, seeds: Seeds
) -> None:
    """That is done for minors: a refund that names such an order tells how old a guest is."""
    async with acting_as(pool, seeds.hosts[0]) as connection:
        [row], _ = await owned.page(connection, load().tables["refunds"], after=None, limit=10)
    assert "restitution_id" not in row
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with acting_as(pool, seeds.hosts[0]) as connection:
            await connection.fetch("select restitution_id from refunds")


@pytest.mark.parametrize("name", [name for name, table in load().tables.items() if not table.shown])
async def test_what_shows_nothing_cannot_be_read(pool: asyncpg.Pool, seeds: Seeds, name: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with acting_as(pool, seeds.people[0]) as connection:
            await connection.fetch(f'select count(*) from "{name}"')
    with pytest.raises(ValueError, match="nothing"):
        owned.statement(name, first=True)


async def test_pages_have_every_row_once(pool: asyncpg.Pool, owner: asyncpg.Pool, seeds: Seeds) -> None:
    who = seeds.people[0]
    for number in range(7):
        await owner.execute(
            "insert into consents (id, person_id, purpose, granted, at_ms) overriding system value"
            " values ($1, $2, 'sms', true, $1)", 1_000 + number, who,
        )  # fmt: skip
    table = load().tables["consents"]
    async with acting_as(pool, who) as connection:
        (whole, end) = await owned.page(connection, table, after=None, limit=8)
        assert (len(whole), end) == (8, None)
        seen, after, sizes = [], None, []
        while True:
            rows, after = await owned.page(connection, table, after=after, limit=3)
            seen += rows
            sizes.append(len(rows))
            if after is None:
                break
    assert seen == whole
    assert sizes == [3, 3, 2]


@pytest.mark.parametrize("limit", [0, owned.PAGE_MAX + 1])
async def test_a_page_is_bounded(pool: asyncpg.Pool, seeds: Seeds, limit: int) -> None:
    with pytest.raises(ValueError, match="a page has"):
        await owned.page(pool, TABLES[0], after=None, limit=limit)
