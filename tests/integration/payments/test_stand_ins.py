"""A hold that is gone when it is needed: what was used is taken from the card, once; or it stays owed."""

import asyncio
from typing import Any

import pytest

from billing.payment import Kind, Outcome, State
from billing.refunding import NOT_DUE, REPLACED
from billing.stripe_cards import SavedCard
from hub.workers import receivables
from rooms.room import Room
from store.postgres import cards, fraud_facts, operations, people
from store.postgres import receivables as owed_records
from tests.integration.payments.desk import ENVIRONMENT, Desk, until
from tests.integration.payments.test_captures import account_of

WEEK_S = 8 * 86_400
DAY_MS = 86_400_000


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


async def declined(desk: Desk, *, times: int, **options: Any) -> Room:
    """A session whose guest's card says no so often when the hold is gone."""
    room = await desk.ended(4, **options)
    await heard(desk, room)
    await desk.settle(room, destination=await account_of(desk))
    await desk.control("faults", {"vendor": "stripe", "action": "decline_next", "times": times})
    await desk.payments().run_once()
    return room


async def days_later(desk: Desk, days: int) -> None:
    desk.wait(days * DAY_MS)
    await desk.payments().run_once()


async def has_card(desk: Desk, room: Room) -> tuple[str, str]:
    """The guest is on record with the card of the hold; its customer and payment method."""
    guest_id = room.guests[0].user_id
    body = (await desk.all(room, Kind.HOLD))[0].params.body
    customer, method = str(body["customer"]), str(body["payment_method"])
    await people.ensure(desk.pool, person_id=guest_id, role="guest", name="G", email="g@e.fr", now_ms=1)
    await cards.keep_customer(desk.pool, guest_id, customer, now_ms=1)
    await cards.save_card(desk.pool, guest_id, SavedCard(customer, method, "visa", "4242", "fp", 1_000))
    return customer, method


async def saves_a_card(desk: Desk, room: Room, card: str = "pm_card_mastercard") -> str:
    """The guest saves another card on Stripe's page, as far as the hub sees; its payment method."""
    customer, _ = await has_card(desk, room)
    method = await desk.vendor.v1.payment_methods.attach_async(card, {"customer": customer})
    saved = SavedCard(customer, method.id, "mastercard", "4444", "fp2", 2_000 + desk.now_ms())
    await cards.save_card(desk.pool, room.guests[0].user_id, saved)
    return method.id


async def ask_new_card(desk: Desk, room: Room) -> int:
    guest_id = room.guests[0].user_id
    return await receivables.ask_new_card(desk.pool, guest_id, environment=ENVIRONMENT, now_ms=desk.now_ms())


async def states(desk: Desk, room: Room) -> list[str]:
    return [one.state.value for one in await desk.all(room, Kind.CHARGE)]


async def test_a_card_that_says_no_is_asked_again_and_pays_later(desk: Desk) -> None:
    room = await declined(desk, times=2)
    assert await states(desk, room) == ["failed", "pending"]
    assert desk.settled[:1] == [room.id], "the session is over, though its guest owes"
    assert await desk.cases(room) == []
    [owed] = await owed_records.owed(desk.pool, room.guests[0].user_id)
    assert (owed.amount_minor, owed.currency) == (1200, "usd")
    assert owed.next_at_ms is not None
    assert owed.next_at_ms > desk.now_ms()
    await days_later(desk, 1)
    assert await states(desk, room) == ["failed", "failed", "pending"]
    await days_later(desk, 1)
    assert await states(desk, room) == ["failed", "failed", "pending"], "not before its day"
    await days_later(desk, 2)
    assert await states(desk, room) == ["failed", "failed", "succeeded"]
    await desk.payments().run_once()
    assert await taken_or_failed(desk, room) == 1200
    assert [one["amount"] for one in await desk.at_stripe("transfers", room)] == [960]
    assert await desk.balance("guest_receivable", room) == 0
    assert await owed_records.owed(desk.pool, room.guests[0].user_id) == []
    assert await desk.cases(room) == []


async def test_when_every_try_is_refused_it_stays_owed_and_a_person_looks(desk: Desk) -> None:
    room = await declined(desk, times=4)
    for days in (1, 3, 7, 30):
        await days_later(desk, days)
    assert await states(desk, room) == ["failed"] * 4
    assert await desk.cases(room) == ["charge_failed"]
    assert await desk.balance("guest_receivable", room) == 1200
    assert await taken_or_failed(desk, room) == 0
    assert await desk.at_stripe("transfers", room) == []
    [owed] = await owed_records.owed(desk.pool, room.guests[0].user_id)
    assert (owed.amount_minor, owed.next_at_ms) == (1200, None)


async def test_a_new_card_is_charged_at_once_and_once(desk: Desk) -> None:
    room = await declined(desk, times=1)
    method = await saves_a_card(desk, room)
    assert [await ask_new_card(desk, room) for _ in range(2)] == [1, 0]
    charges = await desk.all(room, Kind.CHARGE)
    assert [(one.state, one.outcome and one.outcome.code) for one in charges] == [
        (State.FAILED, "generic_decline"),
        (State.FAILED, "replaced"),
        (State.PENDING, None),
    ]
    assert charges[-1].params.body["payment_method"] == method
    await desk.payments().run_once()
    for days in (1, 3, 7):
        await days_later(desk, days)
    assert await taken_or_failed(desk, room) == 1200
    assert await states(desk, room) == ["failed", "failed", "succeeded"]
    assert await desk.balance("guest_receivable", room) == 0


async def test_a_new_card_pays_after_the_last_try_and_has_tries_of_its_own(desk: Desk) -> None:
    room = await declined(desk, times=5)
    for days in (1, 3, 7):
        await days_later(desk, days)
    await saves_a_card(desk, room)
    assert await ask_new_card(desk, room) == 1
    await desk.payments().run_once()
    assert (await states(desk, room))[-2:] == ["failed", "pending"]
    await days_later(desk, 1)
    assert await taken_or_failed(desk, room) == 1200


async def test_a_card_that_is_saved_while_the_old_one_is_asked_comes_next(desk: Desk) -> None:
    room = await declined(desk, times=2)
    desk.wait(DAY_MS)
    await desk.fault("hang", ms=1_000)
    asking = asyncio.create_task(desk.payments().run_once())
    await until(lambda: desk.in_flight(room), "the charge is on its way")
    method = await saves_a_card(desk, room)
    assert await ask_new_card(desk, room) == 0
    await asking
    await desk.payments().run_once()
    charges = await desk.all(room, Kind.CHARGE)
    assert charges[-1].params.body["payment_method"] == method
    assert [one.state.value for one in charges] == ["failed", "failed", "succeeded"]


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


async def test_what_no_bank_was_asked_about_is_no_decline(desk: Desk) -> None:
    room = await declined(desk, times=1)
    [_, waiting] = await desk.all(room, Kind.CHARGE)
    for code in (REPLACED, NOT_DUE):
        await desk.owner.execute("update payment_ops set state = 'pending' where id = $1", waiting.id)
        outcome = Outcome("declined", code=code)
        assert await operations.retract(desk.pool, waiting.id, outcome=outcome, now_ms=desk.now_ms())
        until_ms = desk.now_ms() + 30 * DAY_MS
        found = await fraud_facts.declined(desk.pool, 0, until_ms, [room.guests[0].user_id])
        assert len(found) == 1
