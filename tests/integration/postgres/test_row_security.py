"""Row-level security as the restricted role, with the hub's own checks left out."""

from dataclasses import dataclass

import asyncpg
import pytest

from billing.settlement import held, settle
from rooms.ids import UserId
from store.postgres import consents, people, sessions, settlements, transcript
from store.postgres.pool import acting_as
from tests.integration.postgres.scene import (
    ENVIRONMENT,
    T0,
    Scene,
    ended_scene,
    messages,
    practise,
    someone,
)


@dataclass
class Recorded:
    scene: Scene
    stranger: UserId


@pytest.fixture
async def recorded(pool: asyncpg.Pool) -> Recorded:
    scene = await ended_scene(pool)
    await pool.execute(
        "insert into cards (person_id, stripe_customer, stripe_payment_method, brand, last4, fingerprint,"
        " saved_at_ms) values ($1, 'cus_1', 'pm_1', 'visa', '4242', 'fp', 0)",
        scene.guest_id,
    )
    async with pool.acquire() as connection:
        holds = await settlements.holds(connection, scene.id, 1)
        bill = settle(scene.room, scene.guest, held=tuple(map(held, holds)))
        await settlements.commit(
            connection, scene.room, bill, messages(3), environment=ENVIRONMENT, now_ms=T0
        )
    return Recorded(scene, await someone(pool, "guest", "Eve"))


GUARDED = ("sessions", "participants", "messages", "intervals", "settlements", "cards")


async def seen(pool: asyncpg.Pool, user_id: UserId, table: str) -> int:
    async with acting_as(pool, user_id) as connection:
        count: int = await connection.fetchval(f"select count(*) from {table}")
        return count


@pytest.mark.parametrize("table", GUARDED)
async def test_a_stranger_sees_no_row(pool: asyncpg.Pool, recorded: Recorded, table: str) -> None:
    assert await seen(pool, recorded.stranger, table) == 0
    assert await seen(pool, recorded.scene.guest_id, table) > 0


@pytest.mark.parametrize("table", GUARDED)
async def test_without_a_person_there_is_no_row(pool: asyncpg.Pool, recorded: Recorded, table: str) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("set local role authenticated")
        assert await connection.fetchval(f"select count(*) from {table}") == 0


@pytest.mark.parametrize(
    "table",
    [
        "subject_keys", "key_canaries", "checkpoints", "epochs", "cases", "webhook_inbox",
        "schema_migrations",
        "corrections", "blob_chunks", "analytics_events", "policies", "fraud_sightings", "fraud_reviews",
        "fraud_findings", "fraud_progress", "flags", "evidence", "audit_entries", "audit_texts",
    ],
)  # fmt: skip
async def test_nobody_reads_what_is_the_hubs_own(pool: asyncpg.Pool, recorded: Recorded, table: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await seen(pool, recorded.scene.guest_id, table)


async def test_consents_are_ones_own(pool: asyncpg.Pool, recorded: Recorded) -> None:
    guest_id = recorded.scene.guest_id
    async with pool.acquire() as connection, connection.transaction():
        await consents.note_consent(connection, guest_id, "sms", granted=True, now_ms=T0)
    assert await seen(pool, guest_id, "consents") == 1
    assert await seen(pool, recorded.stranger, "consents") == 0
    assert await seen(pool, recorded.scene.practitioner_id, "consents") == 0


@pytest.mark.parametrize("column", ["email", "phone", "country", "adult", "language", "born_on"])
async def test_of_others_only_the_name_is_seen(pool: asyncpg.Pool, recorded: Recorded, column: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with acting_as(pool, recorded.scene.guest_id) as connection:
            await connection.fetch(f"select {column} from people")


async def test_names_are_for_those_who_met(pool: asyncpg.Pool, recorded: Recorded) -> None:
    name = "select name from people where id = $1"
    async with acting_as(pool, recorded.scene.practitioner_id) as connection:
        assert await connection.fetchval(name, recorded.scene.guest_id) == "Gus"
    async with acting_as(pool, recorded.stranger) as connection:
        assert await connection.fetchval(name, recorded.scene.guest_id) is None
        # A verified practitioner is in the directory, for everyone.
        assert await connection.fetchval(name, recorded.scene.practitioner_id) == "Pia"


@pytest.mark.parametrize(
    "change",
    ["update people set role = 'admin'", "delete from messages", "insert into sessions default values"],
)
async def test_a_person_cannot_write(pool: asyncpg.Pool, change: str) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("set local role authenticated")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(change)


async def test_the_role_ends_with_the_transaction(pool: asyncpg.Pool, recorded: Recorded) -> None:
    async with acting_as(pool, recorded.stranger) as connection:
        assert await connection.fetchval("select current_user") == "authenticated"
    async with pool.acquire() as connection:
        assert await connection.fetchval("select current_user") == "hub_worker"
        assert (
            await connection.fetchval("select coalesce(current_setting('request.jwt.claims', true), '')")
            == ""
        )


async def test_queries_as_a_stranger_find_nothing(pool: asyncpg.Pool, recorded: Recorded) -> None:
    session_id = recorded.scene.id
    async with acting_as(pool, recorded.stranger) as connection:
        assert await sessions.session(connection, session_id) is None
        assert await settlements.receipt(connection, session_id) is None
        assert await transcript.page(connection, session_id, after_seq=0, limit=9) == []
        # Somebody else's id in one's own history finds nothing either.
        assert await sessions.history(connection, recorded.scene.guest_id, before=None, limit=10) == []


@pytest.mark.parametrize("side", ["guest_id", "practitioner_id"])
async def test_queries_as_a_party_find_it(pool: asyncpg.Pool, recorded: Recorded, side: str) -> None:
    who: UserId = getattr(recorded.scene, side)
    async with acting_as(pool, who) as connection:
        session = await sessions.session(connection, recorded.scene.id)
        assert session is not None
        assert (session.guest_name, session.practitioner_name) == ("Gus", "Pia")
        assert await sessions.history(connection, who, before=None, limit=10) == [session]
        assert await sessions.history(connection, who, before=session.id, limit=10) == []
        assert await settlements.receipt(connection, recorded.scene.id) is not None
        said = await transcript.page(connection, recorded.scene.id, after_seq=0, limit=9)
        assert [row.name for row in said] == ["Gus", "Pia", "Gus"]


async def test_one_sees_the_whole_of_the_own_profile(pool: asyncpg.Pool, recorded: Recorded) -> None:
    async with acting_as(pool, recorded.stranger) as connection:
        own = await people.own_profile(connection)
    assert own is not None
    assert (own.id, own.email) == (recorded.stranger, "eve@example.com")


async def test_the_directory_shows_the_verified_alone(pool: asyncpg.Pool, recorded: Recorded) -> None:
    waiting = await someone(pool, "practitioner", "Wes")
    await practise(pool, waiting, verified=False)
    ids = [waiting, recorded.scene.practitioner_id]
    async with acting_as(pool, recorded.stranger) as connection:
        found = await people.directory(connection, ids=ids, limit=10)
        assert [listing.id for listing in found] == [recorded.scene.practitioner_id]
        assert await people.directory(connection, ids=ids, topic="grief", limit=10) == []
        assert await people.directory(connection, ids=ids, topic="sleep", limit=10) == found
        assert await people.directory(connection, ids=ids, after=found[0].id, limit=10) == []
