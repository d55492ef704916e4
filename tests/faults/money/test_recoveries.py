"""What is put right later, and a process that dies while it does: refunds that came back, charges that are
tried again, everything back to a minor. Each happens once all the same.
"""

from typing import get_args
from uuid import uuid4

import pytest

from billing.payment import Kind, State
from hub.workers.payments import Point
from hub.workers.restitution import Restitutions
from rooms.ids import UserId
from rooms.room import Room
from sandbox.postgres import PostgresAddress
from store.postgres import restitutions
from tests.faults.money.killing import killed_at, make_due, proven, said, worker, world
from tests.integration.payments.desk import ENVIRONMENT, Desk
from tests.integration.payments.test_cards import open_page, setups, submit
from tests.integration.payments.test_stand_ins import ask_new_card, declined, has_card
from tests.model.money_world import World

DAY_MS = 86_400_000
MASTERCARD = "5555555555554444"


async def refunded(at: World) -> Room:
    """A session that was transferred, and half of it refunded and reversed."""
    desk = at.desk
    room = await desk.ended(4)
    await at.settle(room)
    for _ in range(2):
        await at.pay()
        desk.wait(61_000)
    await at.afterwards.refund(room, 2, 0)
    for _ in range(2):
        await at.pay()
    assert (await desk.one(room, Kind.REVERSAL)).state is State.SUCCEEDED
    return room


@pytest.mark.parametrize("point", ["seen", "booking", "applied"])
async def test_killed_while_a_refund_that_failed_is_applied(
    point: str, database: PostgresAddress, desk: Desk
) -> None:
    at = await world(desk)
    room = await refunded(at)
    refund = await desk.control("refund/fail", {"session_id": room.id})
    await desk.arrived("refund.failed", refund["id"])
    await desk.owner.execute("delete from webhook_inbox where type <> 'refund.failed'")
    await killed_at(database, desk, "webhooks", point)
    seen = await proven(desk, room)
    assert seen.booked["refund_failed", "stripe_clearing"] == 600
    assert sorted(one["amount"] for one in seen.transfers) == [480, 960]
    assert seen.cases == {"refund_failed"}


@pytest.mark.parametrize("point", get_args(Point))
async def test_killed_while_a_declined_charge_is_tried_again(
    point: str, database: PostgresAddress, desk: Desk
) -> None:
    room = await declined(desk, times=1)
    await killed_at(database, desk, "payments", f"{point}@charge:1")
    seen = await proven(desk, room)
    assert [op["state"] for op in seen.operations if op["kind"] == Kind.CHARGE] == ["failed", "succeeded"]
    assert seen.captured_minor == 1_200
    assert seen.accounts["guest_receivable"] == 0


@pytest.mark.parametrize("point", get_args(Point))
async def test_killed_when_the_next_try_is_declined_as_well(
    point: str, database: PostgresAddress, desk: Desk
) -> None:
    room = await declined(desk, times=2)
    await killed_at(database, desk, "payments", f"{point}@charge:1")
    for wait_ms in (61_000, 4 * DAY_MS):
        desk.wait(wait_ms)
        await desk.payments().run_once()
    seen = await proven(desk, room)
    states = [op["state"] for op in seen.operations if op["kind"] == Kind.CHARGE]
    assert states == ["failed", "failed", "succeeded"]
    assert seen.captured_minor == 1_200


@pytest.mark.parametrize("point", ["saved", "asked"])
async def test_killed_between_a_new_card_and_its_charge(
    point: str, database: PostgresAddress, desk: Desk
) -> None:
    room = await declined(desk, times=1)
    customer, _ = await has_card(desk, room)
    guest_id = room.guests[0].user_id
    assert await submit(desk, await open_page(desk, guest_id, customer), MASTERCARD) == 303
    [setup] = await setups(desk, guest_id)
    async with worker(database, desk, "card", setup, point) as process:
        await said(process, point)
    assert len(await desk.all(room, Kind.CHARGE)) == 2
    # The event comes again.
    assert await ask_new_card(desk, room) == 1
    seen = await proven(desk, room)
    assert seen.captured_minor == 1_200
    assert len([op for op in seen.operations if op["kind"] == Kind.CHARGE]) == 3


@pytest.mark.parametrize("point", ["giving@1", "given@1", "giving@2", "giving@3", "given@3"])
async def test_killed_with_everything_half_given_back(
    point: str, database: PostgresAddress, desk: Desk
) -> None:
    at, minor = await world(desk), UserId(str(uuid4()))
    rooms = []
    for _ in range(3):
        room = await desk.ended(4, guest_id=minor)
        await at.settle(room)
        rooms.append(room)
    await at.pay()
    desk.wait(61_000)
    await at.pay()
    restitution_id = await restitutions.order(
        desk.pool, guest_id=minor, ordered_by=UserId(str(uuid4())), reason="minor", now_ms=desk.now_ms()
    )
    await killed_at(database, desk, "restitution", point)
    duty = Restitutions(desk.pool, desk.keyring(), environment=ENVIRONMENT, now_ms=desk.now_ms)
    for _ in range(3):
        await duty.run_once()
        await make_due(desk)
        await at.pay()
    for room in rooms:
        seen = await proven(desk, room)
        assert seen.refunded_minor == seen.captured_minor == 1_200
        assert len(seen.refunds) == 1
        assert seen.transferred_minor == 0
        assert set(seen.accounts.values()) <= {0}
        assert not seen.cases
    await duty.run_once()
    assert await desk.owner.fetchval("select done_at_ms > 0 from restitutions where id = $1", restitution_id)
