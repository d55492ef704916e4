"""Stripe is slow, silent or wrong; the money is where it should be all the same."""

import asyncio

from msgspec.structs import replace

from billing.payment import Kind, State
from billing.recovery import SAME_KEY_MS
from tests.integration.payments.desk import Desk, until
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
    desk.wait(1_000)
    await desk.payments().run_once()
    # The first call is still at work there: 409, so nothing was sent anew.
    assert (await desk.one(asked, Kind.HOLD)).state is State.UNKNOWN

    async def made() -> bool:
        return bool(await desk.at_stripe("payment_intents", asked))

    await until(made, "the intent")
    desk.wait(HOUR_MS)
    await desk.payments().run_once()
    assert (await desk.one(asked, Kind.HOLD)).state is State.SUCCEEDED
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


async def test_a_call_that_hangs_keeps_nobody_waiting_while_two_runs_go_side_by_side(desk: Desk) -> None:
    stuck = await desk.request()
    await desk.fault("hang", ms=2_000)
    first = asyncio.create_task(desk.payments().run_once())
    await until(lambda: desk.in_flight(stuck), "the first operation is sent")
    other = await desk.request()
    await desk.payments().run_once()
    assert desk.rooms[other.id].offered_at_ms is not None
    assert not first.done()
    await first
    assert desk.rooms[stuck.id].offered_at_ms is not None


async def test_many_runs_at_once_send_each_operation_once(desk: Desk) -> None:
    asked = [await desk.request() for _ in range(5)]
    await asyncio.gather(*(desk.payments().run_once() for _ in range(4)))
    for room in asked:
        assert len(await desk.at_stripe("payment_intents", room)) == 1
        assert (await desk.one(room, Kind.HOLD)).state is State.SUCCEEDED
        assert desk.rooms[room.id].offered_at_ms is not None


async def test_a_hold_found_out_after_the_record_was_written_is_released(desk: Desk) -> None:
    asked = await desk.request()
    await desk.fault("apply_then_drop")
    await desk.payments().run_once()
    await desk.give_up(asked)
    await desk.settle(desk.rooms[asked.id])
    assert await desk.all(asked, Kind.CANCEL) == []
    assert await desk.payments().run_once() == 0
    for _ in range(2):
        desk.wait(1_000)
        await desk.payments().run_once()
    [intent] = await desk.at_stripe("payment_intents", asked)
    assert intent["status"] == "canceled"
    assert desk.settled == [asked.id]
