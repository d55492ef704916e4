"""Stripe is slow, silent or wrong; the money is where it should be all the same."""

from msgspec.structs import replace

from billing.payment import Kind, State
from billing.recovery import SAME_KEY_MS
from tests.integration.payments.desk import Desk
from tests.integration.payments.test_captures import account_of

HOUR_MS = 3_600_000


async def test_a_lost_answer_is_asked_for_again_under_the_same_key(desk: Desk) -> None:
    asked = await desk.request()
    await desk.fault("apply_then_drop")
    await desk.payments().run_once()
    assert (await desk.one(asked, Kind.HOLD)).state is State.UNKNOWN
    desk.wait(1_000)
    await desk.payments().run_once()
    [intent] = await desk.at_stripe("payment_intents", asked)
    assert (await desk.one(asked, Kind.HOLD)).stripe_id == intent["id"]
    assert desk.rooms[asked.id].offered_at_ms is not None


async def test_a_call_that_hangs_is_given_up_and_repeated(desk: Desk) -> None:
    asked = await desk.request()
    await desk.fault("hang", ms=4_000)
    await desk.payments().run_once()
    assert (await desk.one(asked, Kind.HOLD)).state is State.UNKNOWN
    # The first call may still be at work: a 409, or its stored answer, but never a second object.
    for _ in range(6):
        desk.wait(HOUR_MS)
        await desk.payments().run_once()
        if (await desk.one(asked, Kind.HOLD)).state is State.SUCCEEDED:
            break
    assert len(await desk.at_stripe("payment_intents", asked)) == 1


async def test_too_many_requests_are_repeated_under_the_same_key(desk: Desk) -> None:
    asked = await desk.request()
    await desk.fault("429")
    await desk.payments().run_once()
    desk.wait(1_000)
    await desk.payments().run_once()
    assert (await desk.one(asked, Kind.HOLD)).attempt == 1
    assert len(await desk.at_stripe("payment_intents", asked)) == 1


async def test_a_stored_error_leads_to_a_look_and_then_to_a_new_key(desk: Desk) -> None:
    asked = await desk.request()
    await desk.fault("500")
    await desk.payments().run_once()
    assert (await desk.one(asked, Kind.HOLD)).state is State.UNKNOWN
    desk.wait(1_000)
    await desk.payments().run_once()
    first, second = await desk.all(asked, Kind.HOLD)
    assert (first.state, second.state, second.attempt) == (State.FAILED, State.PENDING, 2)
    await desk.payments().run_once()
    [intent] = await desk.at_stripe("payment_intents", asked)
    assert intent["metadata"]["operation"] == "1:hold:1:2"
    assert desk.rooms[asked.id].offered_at_ms is not None


async def test_after_a_day_a_hold_is_found_by_its_metadata(desk: Desk) -> None:
    asked = await desk.request()
    await desk.fault("apply_then_drop")
    await desk.payments().run_once()
    desk.wait(SAME_KEY_MS)
    # Stripe has forgotten the key: sent again, it would make a second hold.
    await desk.control("clock", {"advance_s": 25 * 3_600})
    await desk.payments().run_once()
    [intent] = await desk.at_stripe("payment_intents", asked)
    assert (await desk.one(asked, Kind.HOLD)).stripe_id == intent["id"]
    assert await desk.cases(asked) == ["payment_unknown"]


async def test_after_a_day_a_transfer_is_found_by_its_metadata(desk: Desk) -> None:
    room = await desk.ended(4)
    await desk.settle(room, destination=await account_of(desk))
    await desk.fault("apply_then_drop", "/v1/transfers")
    await desk.payments().run_once()
    desk.wait(61_000)
    await desk.payments().run_once()
    desk.wait(SAME_KEY_MS)
    await desk.control("clock", {"advance_s": 25 * 3_600})
    await desk.payments().run_once()
    [transfer] = await desk.at_stripe("transfers", room)
    assert (await desk.one(room, Kind.TRANSFER)).stripe_id == transfer["id"]
    assert await desk.balance("practitioner_payable", room) == 0


async def test_after_a_day_a_capture_is_read_from_its_intent(desk: Desk) -> None:
    room = await desk.ended(4)
    await desk.settle(room)
    await desk.fault("apply_then_drop")
    await desk.payments().run_once()
    desk.wait(SAME_KEY_MS)
    await desk.control("clock", {"advance_s": 25 * 3_600})
    await desk.payments().run_once()
    assert (await desk.one(room, Kind.CAPTURE)).state is State.SUCCEEDED
    assert await desk.balance("stripe_clearing", room) == 1200


async def test_a_look_that_finds_nothing_out_changes_nothing(desk: Desk) -> None:
    asked = await desk.request()
    await desk.fault("apply_then_drop")
    await desk.payments().run_once()
    desk.wait(SAME_KEY_MS)
    failing = {"vendor": "stripe", "action": "500", "match": {"method": "GET"}}
    await desk.control("faults", failing)
    await desk.payments().run_once()
    assert (await desk.one(asked, Kind.HOLD)).state is State.UNKNOWN
    desk.wait(HOUR_MS)
    await desk.payments().run_once()
    assert (await desk.one(asked, Kind.HOLD)).state is State.SUCCEEDED


async def test_an_outcome_that_could_not_be_applied_is_applied_by_the_next_run(desk: Desk) -> None:
    asked = await desk.request()
    room = desk.rooms.pop(asked.id)
    await desk.payments().run_once()
    desk.rooms[asked.id] = room
    await desk.payments().run_once()
    assert desk.rooms[asked.id].offered_at_ms is not None


async def test_one_operation_that_fails_does_not_stop_the_others(desk: Desk) -> None:
    broken, sound = await desk.request(), await desk.request()
    # A room whose guest is not there makes `apply` fail with an error of its own.
    desk.rooms[broken.id] = replace(desk.rooms[broken.id], guests=())
    await desk.payments().run_once()
    assert desk.rooms[sound.id].offered_at_ms is not None
