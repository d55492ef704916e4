"""Processes that are killed at a point, and the proof that the money is right all the same."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from billing import requests
from billing.payment import Kind, Wanted
from rooms.room import Room
from sandbox.postgres import PostgresAddress
from store.postgres import checkpoints
from store.records import Checkpoint
from store.redis.rooms import encode_room
from tests.integration.payments.desk import Desk, until
from tests.integration.payments.test_captures import account_of
from tests.model.money_auditor import Books, books, invariants_hold, once_it_is_calm
from tests.model.money_world import World

ROOT = Path(__file__).parents[3]
WAITS_MS = [61_000] * 5 + [3_601_000, 61_000, 3_601_000, 61_000]
"""Leases, and the hour after which a transfer that was put off is seen again."""
FIRST_WORD_S = 30
EPOCH = "0e0c0000-0000-4000-8000-000000000001"


@asynccontextmanager
async def worker(
    database: PostgresAddress, desk: Desk, duty: str, *points: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process with one duty. Whatever it is doing when the block ends, it is killed there."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.money.worker", duty, database.hub_dsn, desk.base, *points,
        stdout=asyncio.subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    try:
        await said(process, "started")
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL


async def said(process: asyncio.subprocess.Process, *beginnings: str) -> None:
    """Wait until each of these was said, in whatever order."""
    assert process.stdout is not None
    waited = set(beginnings)
    async with asyncio.timeout(FIRST_WORD_S):
        while waited:
            line = (await process.stdout.readline()).decode()
            assert line, f"the process ended before it said {waited}"
            waited = {word for word in waited if not line.startswith(word)}


async def killed_at(database: PostgresAddress, desk: Desk, duty: str, *points: str) -> None:
    """Run a duty until it has reached all these points, and kill it."""
    await make_due(desk)
    async with worker(database, desk, duty, *points) as process:
        await said(process, *(point.replace("@", " ") for point in points))


async def killed_while_stripe_works(database: PostgresAddress, desk: Desk, path: str, told: str) -> None:
    """The call is with Stripe, which carries it out and tells so by an event of the type `told`; who sent it
    is dead before the answer.
    """
    await make_due(desk)
    await desk.fault("hang", path, ms=1_000)

    async def events() -> int:
        async with desk.http.get(f"{desk.base}/control/stripe/events") as response:
            return sum(event["type"] == told for event in await response.json())

    before = await events()
    async with worker(database, desk, "payments"):
        await until(desk.no_fault_waits, "the call is with Stripe")
    assert await events() == before

    async def is_done() -> bool:
        return await events() > before

    await until(is_done, told)


async def make_due(desk: Desk) -> None:
    """What is wanted is due by the clock of any process, which knows nothing of the desk's."""
    await desk.owner.execute(
        "update payment_ops set next_at_ms = 0, lease_until_ms = 0 where state in ('pending', 'unknown')"
    )
    await desk.owner.execute("update webhook_inbox set next_at_ms = 0 where state = 'new'")


async def proven(desk: Desk, room: Room) -> Books:
    """Others take over until nothing is left to do; then hub, ledger and Stripe have to agree."""
    for wait_ms in WAITS_MS:
        desk.wait(wait_ms)
        await desk.payments().run_once()
        await desk.webhooks().run_once()
    seen = await books(desk, desk.rooms[room.id])
    once_it_is_calm(seen)
    await invariants_hold(desk, [room], calm=True)
    return seen


async def world(desk: Desk) -> World:
    """The desk with a practitioner who is paid."""
    return World(desk, await account_of(desk))


async def in_two_parts(at: World, minutes: float = 15.0) -> Room:
    """A session that needed a second hold, and is over."""
    desk = at.desk
    room = await desk.funded()
    at.meet(room)
    await at.extend(desk.rooms[room.id])
    await desk.payments().run_once()
    await at.pass_time(int(minutes * 60))
    at.end(desk.rooms[room.id])
    return desk.rooms[room.id]


async def request_of(desk: Desk, other: Room, asked: Room) -> Wanted:
    """The hold of a request that is not on record, on the card of another."""
    known = await desk.one(other, Kind.HOLD)
    return requests.hold(
        asked.id,
        1,
        ordinal=1,
        amount_minor=known.amount_minor,
        currency=known.currency,
        customer=str(known.params.body["customer"]),
        payment_method=str(known.params.body["payment_method"]),
        return_url=f"{desk.hub}/back",
        at_ms=asked.requested_at_ms,
    )


async def checkpointed(desk: Desk, room: Room) -> None:
    """The hub wrote down the end of a session; that is all there is of the room. Its practitioner is paid."""
    await desk.owner.execute(
        "insert into people (id, role, created_at_ms) values ($1, 'practitioner', 0) on conflict do nothing",
        room.practitioner.user_id,
    )
    await desk.owner.execute(
        "insert into practices (practitioner_id, rate_minor_per_minute, currency, stripe_account,"
        " transfers_active) values ($1, 300, 'usd', $2, true) on conflict do nothing",
        room.practitioner.user_id,
        await account_of(desk),
    )
    seen = Checkpoint(room.id, room.version, EPOCH, desk.now_ms(), 0, encode_room(room))
    await checkpoints.save(desk.pool, [seen])
