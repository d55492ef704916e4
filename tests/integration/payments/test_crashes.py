"""A worker is killed at every recovery point; the next one ends up with exactly one object at Stripe."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from billing.payment import Kind, State
from hub.workers.payments import LEASE_MS
from rooms.room import Room
from sandbox.postgres import PostgresAddress
from tests.integration.payments.desk import Desk, until

ROOT = Path(__file__).parents[3]
POINTS = ["committed", "answered", "recorded"]


@asynccontextmanager
async def worker(
    database: PostgresAddress, desk: Desk, *point: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker process; whatever it is doing when the block ends, it is killed there."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.payments.runner", database.hub_dsn, desk.base, *point,
        stdout=asyncio.subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    try:
        await said(process, "started")
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()


async def said(process: asyncio.subprocess.Process, word: str) -> None:
    assert process.stdout is not None
    async with asyncio.timeout(20):
        while (line := await process.stdout.readline()) != f"{word}\n".encode():
            assert line, f"the worker ended before it said {word}"


async def killed_at(point: str, database: PostgresAddress, desk: Desk) -> None:
    async with worker(database, desk, point) as process:
        await said(process, point)


async def killed_while_stripe_works(database: PostgresAddress, desk: Desk, room: Room, status: str) -> None:
    """The request is with Stripe, which carries it out; who sent it is dead before the answer."""
    await desk.fault("hang", ms=2_000)

    async def has_come_to_pass() -> bool:
        return any(intent["status"] == status for intent in await desk.at_stripe("payment_intents", room))

    async with worker(database, desk):
        await until(desk.no_fault_waits, "the request is with Stripe")
    assert not await has_come_to_pass()
    await until(has_come_to_pass, f"an intent that is {status}")


@pytest.mark.parametrize("point", POINTS)
async def test_a_hold_is_made_once(point: str, database: PostgresAddress, desk: Desk) -> None:
    asked = await desk.request()
    await killed_at(point, database, desk)
    # Before the lease is over nobody else may send, and nobody does.
    await desk.payments().run_once()
    if point != "recorded":
        assert (await desk.one(asked, Kind.HOLD)).state is State.IN_FLIGHT
    desk.wait(LEASE_MS)
    await desk.payments().run_once()
    [intent] = await desk.at_stripe("payment_intents", asked)
    assert intent["status"] == "requires_capture"
    assert (await desk.one(asked, Kind.HOLD)).stripe_id == intent["id"]
    assert desk.rooms[asked.id].offered_at_ms is not None


async def test_a_hold_whose_sender_died_before_the_answer_is_made_once(
    database: PostgresAddress, desk: Desk
) -> None:
    asked = await desk.request()
    await killed_while_stripe_works(database, desk, asked, "requires_capture")
    desk.wait(LEASE_MS)
    await desk.payments().run_once()
    [intent] = await desk.at_stripe("payment_intents", asked)
    assert (await desk.one(asked, Kind.HOLD)).stripe_id == intent["id"]
    assert desk.rooms[asked.id].offered_at_ms is not None


@pytest.mark.parametrize("point", POINTS)
async def test_a_capture_is_made_and_booked_once(point: str, database: PostgresAddress, desk: Desk) -> None:
    room = await ended_and_due(desk)
    await killed_at(point, database, desk)
    desk.wait(LEASE_MS)
    await desk.payments().run_once()
    [intent] = await desk.at_stripe("payment_intents", room)
    assert intent["amount_received"] == 1200
    assert await desk.balance("stripe_clearing", room) == 1200
    assert desk.settled == [room.id]
    assert await desk.cases(room) == []


async def test_a_capture_whose_sender_died_before_the_answer_is_booked_once(
    database: PostgresAddress, desk: Desk
) -> None:
    room = await ended_and_due(desk)
    await killed_while_stripe_works(database, desk, room, "succeeded")
    desk.wait(LEASE_MS)
    await desk.payments().run_once()
    assert await desk.balance("stripe_clearing", room) == 1200
    assert desk.settled == [room.id]


@pytest.mark.parametrize("point", POINTS)
async def test_an_unused_hold_is_released_once(point: str, database: PostgresAddress, desk: Desk) -> None:
    room = await desk.ended(0.1)
    await desk.settle(room)
    await make_due(desk)
    await killed_at(point, database, desk)
    desk.wait(LEASE_MS)
    await desk.payments().run_once()
    [intent] = await desk.at_stripe("payment_intents", room)
    assert intent["status"] == "canceled"
    assert desk.settled == [room.id]


async def ended_and_due(desk: Desk) -> Room:
    """A session of four minutes on record, its capture due by the clock of any process."""
    room = await desk.ended(4)
    await desk.settle(room)
    await make_due(desk)
    return room


async def make_due(desk: Desk) -> None:
    await desk.owner.execute("update payment_ops set next_at_ms = 0 where state = 'pending'")
