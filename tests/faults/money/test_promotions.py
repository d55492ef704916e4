"""Free time that the platform pays for, its sender killed at every point: paid once all the same."""

from typing import get_args

import pytest
from msgspec.structs import replace

from billing.payment import Kind, Operation, State
from billing.requests import PROMOTION
from hub.workers.payments import Point
from rooms.room import Room
from sandbox.postgres import PostgresAddress
from tests.faults.money.killing import (
    checkpointed,
    killed_at,
    killed_while_stripe_works,
    make_due,
    proven,
    said,
    worker,
    world,
)
from tests.integration.payments.desk import MINUTE_MS, TERMS, Desk

FREE = replace(TERMS, free_ms=10 * MINUTE_MS)
TRANSFER = f"transfer:{PROMOTION}"
FULL_MINOR = 10_000_000


async def a_free_session(desk: Desk) -> Room:
    """A session of four minutes that were all free; its transfer is wanted, and the hold released."""
    at = await world(desk)
    room = await desk.ended(4, terms=FREE)
    await at.settle(room)
    await desk.owner.execute(
        "update payment_ops set next_at_ms = $2 where session_id = $1 and kind = 'transfer'",
        room.id,
        desk.now_ms() + MINUTE_MS,
    )
    await desk.payments().run_once()
    return room


async def attempts(desk: Desk, room: Room) -> list[Operation]:
    return await desk.all(room, Kind.TRANSFER)


async def is_paid_once(desk: Desk, room: Room) -> None:
    seen = await proven(desk, room)
    assert [transfer["amount"] for transfer in seen.transfers] == [960]
    assert seen.promoted_minor == seen.promised_minor == 960
    assert seen.accounts["practitioner_payable"] == 0
    assert not seen.cases


@pytest.mark.parametrize("point", get_args(Point))
async def test_killed_at_a_recovery_point(point: str, database: PostgresAddress, desk: Desk) -> None:
    room = await a_free_session(desk)
    await killed_at(database, desk, "payments", f"{point}@{TRANSFER}")
    await is_paid_once(desk, room)


async def test_killed_before_it_is_sent_at_all(desk: Desk) -> None:
    room = await a_free_session(desk)
    [wanted] = await attempts(desk, room)
    assert (wanted.state, wanted.first_sent_at_ms) == (State.PENDING, None)
    await is_paid_once(desk, room)


async def test_killed_while_stripe_works(database: PostgresAddress, desk: Desk) -> None:
    room = await a_free_session(desk)
    await killed_while_stripe_works(database, desk, "/v1/transfers", "transfer.created")
    assert [one.state for one in await attempts(desk, room)] == [State.IN_FLIGHT]
    await is_paid_once(desk, room)


@pytest.mark.parametrize("point", get_args(Point))
async def test_killed_while_the_balance_is_short(point: str, database: PostgresAddress, desk: Desk) -> None:
    room = await a_free_session(desk)
    await desk.control("balance", {"currency": "usd", "available": 0})
    await killed_at(database, desk, "payments", f"{point}@{TRANSFER}")
    for _ in range(3):
        desk.wait(MINUTE_MS)
        await desk.payments().run_once()
    tried = await attempts(desk, room)
    assert [one.state for one in tried] == [State.FAILED, State.PENDING]
    assert await desk.owner.fetchval("select count(*) from cases where kind = 'balance_short'") == 1
    await desk.control("balance", {"currency": "usd", "available": FULL_MINOR})
    await is_paid_once(desk, room)
    assert [one.attempt for one in await attempts(desk, room)] == [1, 2]


async def test_a_settlement_that_was_killed_promises_nothing_and_is_made_again(
    database: PostgresAddress, desk: Desk
) -> None:
    room = await desk.ended(4, terms=FREE)
    await checkpointed(desk, room)
    entry = f"{room.id}/{room.guests[0].user_id}"
    booked = "select count(*) from ledger_transactions where session_id = $1 and kind = 'promotion'"
    async with worker(database, desk, "settle", entry, "recorded") as process:
        await said(process, "recorded")
    assert await desk.owner.fetchval(booked, room.id) == 1
    await checkpointed(desk, room)
    async with worker(database, desk, "settle", entry) as process:
        await said(process, "done")
    assert await desk.owner.fetchval(booked, room.id) == 1
    assert len(await attempts(desk, room)) == 1
    await make_due(desk)
    await is_paid_once(desk, room)
