"""Every kind of call to Stripe, its sender killed at every point around it: once in effect all the same."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, get_args

import pytest

from billing.payment import Kind
from hub.workers.payments import Point
from rooms.room import Room
from sandbox.postgres import PostgresAddress
from tests.faults.money.killing import killed_at, killed_while_stripe_works, proven, world
from tests.integration.payments.desk import Desk
from tests.model.money_world import World


async def a_hold(at: World) -> Room:
    return await at.desk.request()


async def a_capture(at: World) -> Room:
    room = await at.desk.ended(4)
    await at.settle(room)
    return room


async def a_cancel(at: World) -> Room:
    room = await at.desk.ended(0.1)
    await at.settle(room)
    return room


async def a_charge(at: World) -> Room:
    """The hold lapsed before the settlement, and the hub knows."""
    desk = at.desk
    room = await desk.ended(4)
    hold = await desk.one(room, Kind.HOLD)
    assert hold.stripe_id is not None
    await desk.vendor.v1.payment_intents.cancel_async(hold.stripe_id)
    await desk.arrived("payment_intent.canceled", hold.stripe_id)
    await desk.webhooks().run_once()
    await at.settle(room)
    return room


async def a_transfer(at: World) -> Room:
    room = await a_capture(at)
    await at.desk.owner.execute(
        "update payment_ops set next_at_ms = $2 where session_id = $1 and kind = 'transfer'",
        room.id,
        at.desk.now_ms() + 60_000,
    )
    await at.pay()
    return room


async def a_tip(at: World) -> Room:
    room = await paid_out(at)
    await at.afterwards.tip(room)
    return room


async def a_refund(at: World) -> Room:
    room = await a_transfer(at)
    await at.afterwards.refund(room, 1, 0)
    return room


async def a_reversal(at: World) -> Room:
    room = await paid_out(at)
    await at.afterwards.refund(room, 2, 0)
    await at.pay()
    return room


async def paid_out(at: World) -> Room:
    room = await a_capture(at)
    for _ in range(2):
        await at.pay()
        at.desk.wait(61_000)
    assert await at.desk.at_stripe("transfers", room)
    return room


class Call(NamedTuple):
    """A kind of call: how it comes to be wanted, where it goes, and the event that tells of it."""

    make: Callable[[World], Awaitable[Room]]
    path: str
    told: str


INTENTS = "/v1/payment_intents"
CALLS = {
    Kind.HOLD: Call(a_hold, INTENTS, "payment_intent.amount_capturable_updated"),
    Kind.CAPTURE: Call(a_capture, INTENTS, "payment_intent.succeeded"),
    Kind.CANCEL: Call(a_cancel, INTENTS, "payment_intent.canceled"),
    Kind.CHARGE: Call(a_charge, INTENTS, "payment_intent.succeeded"),
    Kind.TRANSFER: Call(a_transfer, "/v1/transfers", "transfer.created"),
    Kind.TIP: Call(a_tip, INTENTS, "payment_intent.succeeded"),
    Kind.REFUND: Call(a_refund, "/v1/refunds", "refund.created"),
    Kind.REVERSAL: Call(a_reversal, "/v1/transfers", "transfer.reversed"),
}
BY_KIND = pytest.mark.parametrize("kind", CALLS)


async def ends_well(at: World, room: Room, kind: Kind) -> None:
    desk = at.desk
    if kind is Kind.HOLD:
        # What was held comes to nothing: the guest takes the request back.
        if (await desk.one(room, kind)).first_sent_at_ms is not None:
            desk.wait(61_000)
        await desk.payments().run_once()
        assert desk.rooms[room.id].offered_at_ms is not None
        await desk.give_up(room)
        await at.settle(desk.rooms[room.id])
    seen = await proven(desk, room)
    assert [op["state"] for op in seen.operations if op["kind"] == kind] == ["succeeded"]
    assert not seen.cases


@BY_KIND
@pytest.mark.parametrize("point", get_args(Point))
async def test_killed_at_a_recovery_point(
    kind: Kind, point: str, database: PostgresAddress, desk: Desk
) -> None:
    at = await world(desk)
    room = await CALLS[kind].make(at)
    await killed_at(database, desk, "payments", f"{point}@{kind}:1")
    await ends_well(at, room, kind)


@BY_KIND
async def test_killed_before_it_is_sent_at_all(kind: Kind, database: PostgresAddress, desk: Desk) -> None:
    at = await world(desk)
    room = await CALLS[kind].make(at)
    [wanted] = await desk.all(room, kind)
    assert wanted.first_sent_at_ms is None
    await ends_well(at, room, kind)


@BY_KIND
async def test_killed_while_stripe_works(kind: Kind, database: PostgresAddress, desk: Desk) -> None:
    at = await world(desk)
    room = await CALLS[kind].make(at)
    await killed_while_stripe_works(database, desk, CALLS[kind].path, CALLS[kind].told)
    assert [one.state for one in await desk.all(room, kind)] == ["in_flight"]
    await ends_well(at, room, kind)
