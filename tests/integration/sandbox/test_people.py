"""People made on demand and at the start, with their rows in a real Postgres."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest

from sandbox.postgres import PostgresAddress
from sandbox.seed import SEEDED, seeded_id
from sandbox.settings import SandboxConfig
from store.postgres.migrate import migrate
from tests.integration.sandbox.outside import Sandbox, running


@pytest.fixture(scope="session")
def migrated_template(postgres_cluster: PostgresAddress) -> PostgresAddress:
    """The same template as everywhere, made by the function itself: these tests need no hub process."""
    postgres_cluster.server.create_database("migrated")
    template = postgres_cluster.database("migrated")
    asyncio.run(migrate(template.owner_dsn))
    return template


@pytest.fixture
async def rows(database: PostgresAddress) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.owner_dsn)
    yield connection
    await connection.close()


async def ready(sandbox: Sandbox) -> None:
    while True:
        async with sandbox.http.get(f"{sandbox.url}/healthz") as response:
            if response.status == 200:
                assert (await response.json())["rows"] is True
                return
        await asyncio.sleep(0.02)


async def test_people_ready_to_hold_sessions(
    config: SandboxConfig, database: PostgresAddress, rows: asyncpg.Connection
) -> None:
    config = replace(config, database_url=database.owner_dsn)
    async with running(config) as sandbox:
        await ready(sandbox)
        guests = await sandbox.post("/control/people", {"role": "guest", "count": 3})
        [practitioner] = await sandbox.post("/control/people", {"role": "practitioner", "count": 1})
    assert len({guest["email"] for guest in guests}) == 3
    card = await rows.fetchrow("select * from cards where person_id = $1", guests[0]["id"])
    assert card is not None
    assert (card["stripe_customer"], card["last4"]) == (guests[0]["customer"], "4242")
    practice = await rows.fetchrow("select * from practices where practitioner_id = $1", practitioner["id"])
    assert practice is not None
    assert (practice["rate_minor_per_minute"], practice["currency"], practice["free_s"]) == (300, "usd", 0)
    assert (practice["transfers_active"], practice["accepts_instant"]) == (True, True)
    assert practice["verified_at_ms"] is not None
    assert practice["stripe_account"] == practitioner["account"]
    person = await rows.fetchrow("select * from people where id = $1", practitioner["id"])
    assert person is not None
    assert (person["role"], person["adult"]) == ("practitioner", True)


async def test_seeding_twice_changes_nothing_and_never_revives(
    config: SandboxConfig, database: PostgresAddress, rows: asyncpg.Connection
) -> None:
    config = replace(config, database_url=database.owner_dsn)
    emails = [email for email, _ in SEEDED]
    # Rows of another test's start would keep theirs, as another machine's would.
    await rows.execute("delete from people where email = any($1)", emails)
    async with running(config) as sandbox:
        await ready(sandbox)
        before = await rows.fetch("select * from people where email = any($1) order by id", emails)
        headers = {"Authorization": f"Bearer {config.service_key}"}
        gone = seeded_id("guest2@example.com")
        async with sandbox.http.delete(f"{config.issuer}/admin/users/{gone}", headers=headers) as response:
            assert response.status == 200
    assert [str(row["id"]) for row in before] == sorted(seeded_id(email) for email in emails)
    await rows.execute("delete from people where email = 'guest2@example.com'")
    async with running(config) as sandbox:
        await ready(sandbox)
        body = {"email": "guest@example.com", "password": "sandbox"}
        await sandbox.post("/auth/v1/token?grant_type=password", body)
    after = await rows.fetch("select * from people where email = any($1) order by id", emails)
    assert after == [row for row in before if str(row["id"]) != gone]
