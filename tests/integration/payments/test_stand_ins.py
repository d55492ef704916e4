"""A hold that is gone when it is needed: what was used is taken from the card, once; or it stays owed."""

import pytest

from billing.payment import Kind, State
from rooms.room import Room
from tests.integration.payments.desk import Desk
from tests.integration.payments.test_captures import account_of

WEEK_S = 8 * 86_400


async def lapse(desk: Desk, room: Room) -> str:
    """Stripe lets the hold go; the intent's id."""
    hold = await desk.one(room, Kind.HOLD)
    assert hold.stripe_id is not None
    await desk.vendor.v1.payment_intents.cancel_async(hold.stripe_id)
    return hold.stripe_id


async def heard(desk: Desk, room: Room) -> None:
    """The hub has learned of it."""
    await desk.arrived("payment_intent.canceled", await lapse(desk, room))
    await desk.webhooks().run_once()
    hold = await desk.one(room, Kind.HOLD)
    assert hold.outcome is not None
    assert (hold.state, hold.outcome.status) == (State.SUCCEEDED, "canceled")


async def taken(desk: Desk, room: Room) -> int:
    intents = await desk.at_stripe("payment_intents", room)
    assert {intent["status"] for intent in intents} <= {"succeeded", "canceled"}
    return sum(intent["amount_received"] for intent in intents)


async def pay_out(desk: Desk) -> None:
    for _ in range(3):
        await desk.payments().run_once()
        desk.wait(61_000)


@pytest.mark.parametrize("known", [True, False])
async def test_what_was_used_is_taken_from_the_card_and_passed_on(desk: Desk, known: bool) -> None:
    room = await desk.ended(4)
    await (heard(desk, room) if known else lapse(desk, room))
    await desk.settle(room, destination=await account_of(desk))
    await pay_out(desk)
    charge = await desk.one(room, Kind.CHARGE)
    assert (charge.state, charge.amount_minor) == (State.SUCCEEDED, 1200)
    assert await taken(desk, room) == 1200
    [transfer] = await desk.at_stripe("transfers", room)
    assert charge.outcome is not None
    assert (transfer["amount"], transfer["source_transaction"]) == (960, charge.outcome.charge)
    assert await desk.balance("guest_receivable", room) == 0
    assert await desk.balance("practitioner_payable", room) == 0
    assert await desk.cases(room) == []
    assert desk.settled == [room.id]


async def test_a_hold_that_expired_by_time_alone_is_replaced_too(desk: Desk) -> None:
    room = await desk.ended(4)
    hold = await desk.one(room, Kind.HOLD)
    await desk.control("clock", {"advance_s": WEEK_S})
    assert hold.stripe_id is not None
    await desk.settle(room, destination=await account_of(desk))
    await pay_out(desk)
    assert await taken(desk, room) == 1200
    assert len(await desk.all(room, Kind.CHARGE)) == 1


async def test_the_session_is_settled_only_when_the_charge_is_decided(desk: Desk) -> None:
    room = await desk.ended(4)
    await heard(desk, room)
    await desk.settle(room)
    assert desk.settled == []
    await desk.fault("500")
    await desk.payments().run_once()
    assert desk.settled == []
    desk.wait(2_000)
    await pay_out(desk)
    assert desk.settled[:1] == [room.id]
    assert await taken(desk, room) == 1200


async def test_an_answer_that_is_lost_does_not_charge_twice(desk: Desk) -> None:
    room = await desk.ended(4)
    await heard(desk, room)
    await desk.settle(room)
    await desk.fault("apply_then_drop")
    await desk.payments().run_once()
    assert (await desk.one(room, Kind.CHARGE)).state is State.UNKNOWN
    desk.wait(2_000)
    await pay_out(desk)
    assert (await desk.one(room, Kind.CHARGE)).state is State.SUCCEEDED
    assert await taken(desk, room) == 1200
    assert await desk.balance("stripe_clearing", room) == 1200


async def test_the_lost_answer_may_come_as_an_event(desk: Desk) -> None:
    room = await desk.ended(4)
    await heard(desk, room)
    await desk.settle(room)
    await desk.fault("apply_then_drop")
    await desk.payments().run_once()
    [charged] = [i for i in await desk.at_stripe("payment_intents", room) if i["status"] == "succeeded"]
    await desk.arrived("payment_intent.succeeded", charged["id"])
    await desk.webhooks().run_once()
    assert (await desk.one(room, Kind.CHARGE)).state is State.SUCCEEDED
    assert await desk.balance("guest_receivable", room) == 0
    assert desk.settled == [room.id]


async def test_when_the_card_says_no_it_stays_owed_and_a_person_looks(desk: Desk) -> None:
    room = await desk.ended(4)
    await heard(desk, room)
    await desk.settle(room, destination=await account_of(desk))
    await desk.control("faults", {"vendor": "stripe", "action": "decline_next"})
    await pay_out(desk)
    charge = await desk.one(room, Kind.CHARGE)
    assert charge.outcome is not None
    assert (charge.state, charge.outcome.status) == (State.FAILED, "declined")
    assert await desk.cases(room) == ["charge_failed"]
    assert await desk.balance("guest_receivable", room) == 1200
    assert await taken_or_failed(desk, room) == 0
    assert await desk.at_stripe("transfers", room) == []
    assert desk.settled == [room.id]


async def taken_or_failed(desk: Desk, room: Room) -> int:
    return sum(intent["amount_received"] for intent in await desk.at_stripe("payment_intents", room))


async def test_a_lapsed_hold_of_a_session_without_a_price_to_pay_costs_nothing(desk: Desk) -> None:
    room = await desk.ended(0.1)
    await heard(desk, room)
    await desk.settle(room)
    await pay_out(desk)
    assert await desk.all(room, Kind.CHARGE) == []
    assert await taken(desk, room) == 0
    assert desk.settled == [room.id]
