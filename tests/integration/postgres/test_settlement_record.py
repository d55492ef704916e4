import asyncio
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from billing.settlement import Settlement, held, settle
from rooms import chain
from rooms.chain import Link
from store.postgres import checkpoints, sessions, settlements, transcript
from store.postgres.pool import Transacting, acting_as
from store.records import Checkpoint, lost_message
from tests.integration.postgres.scene import ENVIRONMENT, MINUTE, T0, Scene, ended_scene, messages

ROUND_TRIPS = 10
COMMITTED = (
    "sessions", "participants", "intervals", "messages", "settlements", "ledger_transactions",
    "payment_ops",
)  # fmt: skip


async def bill(pool: asyncpg.Pool, scene: Scene) -> Settlement:
    holds = await settlements.holds(pool, scene.id, 1)
    destination = await settlements.destination(pool, scene.practitioner_id)
    return settle(scene.room, scene.guest, held=tuple(map(held, holds)), destination=destination)


async def commit(pool: asyncpg.Pool, scene: Scene, settlement: Settlement, said: list[Any]) -> bool:
    async with pool.acquire() as connection:
        return await settlements.commit(
            connection, scene.room, settlement, said, environment=ENVIRONMENT, now_ms=T0
        )


async def counts(owner: asyncpg.Pool, scene: Scene) -> dict[str, int]:
    found = {}
    for table in COMMITTED:
        column = "id" if table == "sessions" else "session_id"
        found[table] = await owner.fetchval(f"select count(*) from {table} where {column} = $1", scene.id)
    return found


async def test_everything_is_committed_together(pool: asyncpg.Pool, owner: asyncpg.Pool) -> None:
    scene = await ended_scene(pool)
    assert await commit(pool, scene, await bill(pool, scene), messages(100))
    assert await counts(owner, scene) == {
        "sessions": 1, "participants": 2, "intervals": 3, "messages": 100, "settlements": 1,
        "ledger_transactions": 1, "payment_ops": 3,
    }  # fmt: skip
    row = await owner.fetchrow("select * from sessions where id = $1", scene.id)
    assert row is not None
    assert (row["state"], row["version"], row["message_count"]) == ("ended", 9, 100)


async def test_the_second_settlement_changes_nothing(pool: asyncpg.Pool, owner: asyncpg.Pool) -> None:
    scene = await ended_scene(pool)
    settlement = await bill(pool, scene)
    assert await commit(pool, scene, settlement, messages(3))
    before = await counts(owner, scene)
    # Even one that comes to another result: what is on record stands.
    dearer = replace(settlement, total_minor=settlement.total_minor + 1)
    assert not await commit(pool, scene, dearer, messages(5))
    assert await counts(owner, scene) == before
    total = await owner.fetchval("select total_minor from settlements where session_id = $1", scene.id)
    assert total == settlement.total_minor


async def test_of_workers_at_the_same_time_one_commits(pool: asyncpg.Pool, owner: asyncpg.Pool) -> None:
    scene = await ended_scene(pool)
    settlement, said = await bill(pool, scene), messages(3)
    outcomes = await asyncio.gather(*(commit(pool, scene, settlement, said) for _ in range(6)))
    assert sorted(outcomes) == [False] * 5 + [True]
    assert (await counts(owner, scene))["payment_ops"] == 3


async def test_a_failure_anywhere_leaves_nothing(pool: asyncpg.Pool, owner: asyncpg.Pool) -> None:
    scene = await ended_scene(pool)
    settlement = await bill(pool, scene)
    before = await counts(owner, scene)
    unbalanced = replace(settlement, ledger=settlement.ledger[:1])
    with pytest.raises(asyncpg.CheckViolationError, match="sum to zero"):
        await commit(pool, scene, unbalanced, messages(3))
    assert await counts(owner, scene) == before
    assert await commit(pool, scene, settlement, messages(3))


async def trips_of(connection: Transacting, scene: Scene) -> list[str]:
    """Every statement that one settlement sends, its transaction's own included."""
    trips: list[str] = []
    with connection.query_logger(lambda query: trips.append(query.query)):
        holds = await settlements.holds(connection, scene.id, 1)
        destination = await settlements.destination(connection, scene.practitioner_id)
        settlement = settle(scene.room, scene.guest, held=tuple(map(held, holds)), destination=destination)
        await settlements.commit(
            connection, scene.room, settlement, messages(100), environment=ENVIRONMENT, now_ms=T0
        )
    # The driver tells its loggers a turn later.
    await asyncio.sleep(0)
    return trips


async def test_it_takes_few_round_trips(pool: asyncpg.Pool) -> None:
    scenes = [await ended_scene(pool) for _ in range(2)]
    async with pool.acquire() as connection:
        # The first settlement of a connection also teaches the driver our types.
        await trips_of(connection, scenes[0])
        trips = await trips_of(connection, scenes[1])
    assert 8 <= len(trips) <= ROUND_TRIPS, trips


async def test_the_chain_on_record_leads_to_the_head(pool: asyncpg.Pool, owner: asyncpg.Pool) -> None:
    scene = await ended_scene(pool)
    said = [*messages(3), lost_message(4), *messages(2, first=5)]
    await commit(pool, scene, await bill(pool, scene), said)
    head = await owner.fetchval("select transcript_head from sessions where id = $1", scene.id)

    async def stands() -> bool:
        rows = await owner.fetch("select * from messages where session_id = $1 order by seq", scene.id)
        links = [
            Link(row["seq"], row["id"], row["at_ms"], row["participant_no"], row["body_sha256"])
            for row in rows
        ]
        return chain.verify(scene.id, links, head)

    assert await stands()
    # Ciphertext may go; a word that is changed may not.
    await owner.execute("update messages set body = null where session_id = $1", scene.id)
    assert await stands()
    await owner.execute("update messages set participant_no = 1 where session_id = $1 and seq = 2", scene.id)
    assert not await stands()


async def test_an_empty_transcript_has_a_head_of_its_own(pool: asyncpg.Pool, owner: asyncpg.Pool) -> None:
    scene = await ended_scene(pool)
    await commit(pool, scene, await bill(pool, scene), [])
    head = await owner.fetchval("select transcript_head from sessions where id = $1", scene.id)
    assert head == chain.genesis(scene.id)


async def test_messages_kept_before_are_completed_not_doubled(
    pool: asyncpg.Pool, owner: asyncpg.Pool
) -> None:
    scene = await ended_scene(pool)
    said = messages(5)
    await transcript.append(pool, scene.id, said[:3])
    await transcript.append(pool, scene.id, said[:4])
    await commit(pool, scene, await bill(pool, scene), said)
    rows = await owner.fetch(
        "select seq, digest, id from messages where session_id = $1 order by seq", scene.id
    )
    assert [row["id"] for row in rows] == [message.id for message in said]
    assert all(row["digest"] for row in rows)
    # After that nothing moves any more.
    await transcript.append(pool, scene.id, messages(1))
    await transcript.append(pool, scene.id, messages(1), [bytes(32)])
    assert (
        await owner.fetchval("select id from messages where session_id = $1 and seq = 1", scene.id)
        == said[0].id
    )


async def test_the_checkpoint_goes_with_the_commit_and_never_returns(pool: asyncpg.Pool) -> None:
    scene = await ended_scene(pool)
    seen = Checkpoint(scene.id, 8, scene.id, T0, 3, b"room")
    await checkpoints.save(pool, [seen])
    assert await checkpoints.checkpoint(pool, scene.id) == seen
    await commit(pool, scene, await bill(pool, scene), messages(3))
    assert await checkpoints.checkpoint(pool, scene.id) is None
    await checkpoints.save(pool, [replace(seen, version=20)])
    assert await checkpoints.checkpoint(pool, scene.id) is None


async def test_a_checkpoint_only_moves_forward(pool: asyncpg.Pool) -> None:
    scene = await ended_scene(pool)
    newer = Checkpoint(scene.id, 8, scene.id, T0, 7, b"newer")
    await checkpoints.save(pool, [newer])
    await checkpoints.save(pool, [replace(newer, version=7, room=b"older", head_seq=9)])
    assert await checkpoints.checkpoint(pool, scene.id) == newer
    await checkpoints.save(pool, [replace(newer, version=9, head_seq=5)])
    latest = await checkpoints.checkpoint(pool, scene.id)
    assert latest is not None
    assert (latest.version, latest.head_seq) == (9, 7)
    assert scene.id in {room.session_id for room in await checkpoints.open_rooms(pool, limit=100)}


async def test_settled_is_marked_once_and_only_on_record(pool: asyncpg.Pool) -> None:
    scene = await ended_scene(pool)
    assert not await sessions.mark_settled(pool, scene.id, now_ms=T0)
    await commit(pool, scene, await bill(pool, scene), [])
    assert await sessions.state(pool, scene.id) == "ended"
    assert await sessions.mark_settled(pool, scene.id, now_ms=T0)
    assert not await sessions.mark_settled(pool, scene.id, now_ms=T0)
    assert await sessions.state(pool, scene.id) == "settled"


async def test_the_receipt_says_what_was_settled(pool: asyncpg.Pool) -> None:
    scene = await ended_scene(pool)
    settlement = await bill(pool, scene)
    await commit(pool, scene, settlement, messages(2))
    async with acting_as(pool, scene.guest_id) as connection:
        receipt = await settlements.receipt(connection, scene.id)
    assert receipt is not None
    assert receipt.intervals == settlement.intervals
    assert (receipt.billed_ms, receipt.total_minor, receipt.currency) == (10 * MINUTE, 3_000, "usd")
    assert (receipt.guest_name, receipt.practitioner_name) == ("Gus", "Pia")
    assert (receipt.tip_minor, receipt.refunded_minor, receipt.waived) == (0, 0, None)
