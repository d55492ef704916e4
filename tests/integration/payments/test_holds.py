from billing.payment import Kind, State
from rooms.room import State as RoomState
from tests.integration.payments.desk import Desk


async def test_a_hold_is_placed_and_the_request_rings(desk: Desk) -> None:
    asked = await desk.request()
    assert await desk.payments().run_once() > 0
    hold = await desk.one(asked, Kind.HOLD)
    [intent] = await desk.at_stripe("payment_intents", asked)
    assert (intent["status"], intent["amount"]) == ("requires_capture", 3000)
    assert intent["metadata"] == {"session_id": asked.id, "operation": "1:hold:1:1"}
    assert intent["transfer_group"] == f"session_{asked.id}"
    assert (hold.state, hold.stripe_id) == (State.SUCCEEDED, intent["id"])
    assert hold.outcome is not None
    assert (hold.outcome.status, hold.outcome.charge) == ("placed", intent["latest_charge"])
    assert hold.outcome.capture_before_ms is not None
    assert hold.outcome.capture_before_ms > desk.now_ms()
    room = desk.rooms[asked.id]
    assert room.offered_at_ms is not None
    assert room.guests[0].hold is not None
    assert room.guests[0].hold.funded_ms == 600_000


async def test_nothing_is_left_to_do_the_second_time(desk: Desk) -> None:
    asked = await desk.funded()
    room = desk.rooms[asked.id]
    assert await desk.payments().run_once() == 0
    assert desk.rooms[asked.id] is room


async def test_a_declined_card_cancels_the_request(desk: Desk) -> None:
    asked = await desk.request("pm_card_chargeCustomerFail")
    await desk.payments().run_once()
    hold = await desk.one(asked, Kind.HOLD)
    assert hold.state is State.FAILED
    assert hold.outcome is not None
    assert (hold.outcome.status, hold.outcome.code) == ("declined", "generic_decline")
    assert desk.rooms[asked.id].state is RoomState.CANCELLED
    assert desk.rooms[asked.id].end_reason == "card_declined"


async def test_a_bank_that_insists_gets_asked_and_a_yes_places_the_hold(desk: Desk) -> None:
    asked = await desk.request("pm_card_threeDSecure2Required")
    await desk.payments().run_once()
    hold = desk.rooms[asked.id].guests[0].hold
    assert hold is not None
    assert hold.status == "action_required"
    assert hold.url is not None
    await desk.answer_challenge(hold.url, "approve")
    operation = await desk.one(asked, Kind.HOLD)
    assert operation.stripe_id is not None
    await desk.arrived("payment_intent.amount_capturable_updated", operation.stripe_id)
    await desk.webhooks().run_once()
    operation = await desk.one(asked, Kind.HOLD)
    assert operation.outcome is not None
    assert operation.outcome.status == "placed"
    assert desk.rooms[asked.id].offered_at_ms is not None


async def test_a_bank_that_says_no_cancels_the_request(desk: Desk) -> None:
    asked = await desk.request("pm_card_threeDSecure2Required")
    await desk.payments().run_once()
    hold = desk.rooms[asked.id].guests[0].hold
    assert hold is not None
    assert hold.url is not None
    await desk.answer_challenge(hold.url, "decline")
    operation = await desk.one(asked, Kind.HOLD)
    assert operation.stripe_id is not None
    await desk.arrived("payment_intent.payment_failed", operation.stripe_id)
    await desk.webhooks().run_once()
    assert (await desk.one(asked, Kind.HOLD)).state is State.FAILED
    assert desk.rooms[asked.id].end_reason == "card_declined"


async def test_without_the_guest_a_bank_that_insists_is_a_decline(desk: Desk) -> None:
    asked = await desk.request("pm_card_threeDSecure2Required", off_session=True)
    await desk.payments().run_once()
    operation = await desk.one(asked, Kind.HOLD)
    assert operation.outcome is not None
    assert (operation.outcome.status, operation.outcome.code) == ("declined", "authentication_required")


async def test_a_hold_that_nobody_waits_for_any_more_is_not_sent(desk: Desk) -> None:
    asked = await desk.request()
    desk.wait(31_000)
    await desk.payments().run_once()
    operation = await desk.one(asked, Kind.HOLD)
    assert operation.outcome is not None
    assert operation.outcome.code == "abandoned"
    assert operation.first_sent_at_ms is None
    assert await desk.at_stripe("payment_intents", asked) == []


async def test_a_hold_that_comes_after_the_end_is_released(desk: Desk) -> None:
    asked = await desk.request()
    await desk.give_up(asked)
    await desk.payments().run_once()
    [intent] = await desk.at_stripe("payment_intents", asked)
    assert intent["status"] == "requires_capture"
    await desk.payments().run_once()
    [intent] = await desk.at_stripe("payment_intents", asked)
    assert intent["status"] == "canceled"
    assert (await desk.one(asked, Kind.CANCEL)).state is State.SUCCEEDED


async def test_a_confirmation_that_comes_after_the_end_is_released(desk: Desk) -> None:
    asked = await desk.request("pm_card_threeDSecure2Required")
    await desk.payments().run_once()
    hold = desk.rooms[asked.id].guests[0].hold
    assert hold is not None
    assert hold.url is not None
    await desk.give_up(asked)
    await desk.answer_challenge(hold.url, "approve")
    operation = await desk.one(asked, Kind.HOLD)
    assert operation.stripe_id is not None
    await desk.arrived("payment_intent.amount_capturable_updated", operation.stripe_id)
    await desk.webhooks().run_once()
    await desk.payments().run_once()
    [intent] = await desk.at_stripe("payment_intents", asked)
    assert intent["status"] == "canceled"


async def test_a_hold_without_a_room_waits_and_is_then_released(desk: Desk) -> None:
    asked = await desk.request()
    del desk.rooms[asked.id]
    await desk.payments().run_once()
    assert await desk.all(asked, Kind.CANCEL) == []
    desk.wait(11 * 60_000)
    await desk.payments().run_once()
    await desk.payments().run_once()
    [intent] = await desk.at_stripe("payment_intents", asked)
    assert intent["status"] == "canceled"
