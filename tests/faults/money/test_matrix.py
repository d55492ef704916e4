"""What remains of the crash matrix beside single calls: commits, rooms, webhooks, several captures, races."""

import msgspec
import pytest
from msgspec.structs import replace
from uuid_utils import uuid7

from billing.payment import Kind, State
from hub.workers.reaper import Reaper
from rooms.ids import SessionId
from rooms.room import Room
from sandbox.postgres import PostgresAddress
from store.postgres import sessions
from store.redis.rooms import encode_room
from tests.faults.money.killing import (
    WAITS_MS,
    checkpointed,
    in_two_parts,
    killed_at,
    proven,
    request_of,
    said,
    worker,
    world,
)
from tests.integration.payments.desk import ENVIRONMENT, Desk, until

DAY_MS = 86_400_000
WAITING = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"


async def a_process_waits(desk: Desk) -> None:
    async def waits() -> bool:
        return bool(await desk.owner.fetchval(WAITING))

    await until(waits, "the process has come to the lock")


async def count(desk: Desk, table: str, room: Room) -> int:
    return int(await desk.owner.fetchval(f"select count(*) from {table} where session_id = $1", room.id))


# Not committed: nothing was sent.


async def test_a_request_that_was_not_committed_holds_nothing(database: PostgresAddress, desk: Desk) -> None:
    other = await desk.request()
    asked = replace(other, id=SessionId(str(uuid7())))
    hold = await request_of(desk, other, asked)
    arguments = encode_room(asked).hex(), msgspec.json.encode(hold).decode()
    async with desk.owner.acquire() as holder, holder.transaction():
        await holder.execute("lock table payment_ops in exclusive mode")
        async with worker(database, desk, "record", *arguments):
            await a_process_waits(desk)
    await desk.payments().run_once()
    assert await count(desk, "payment_ops", asked) == 0
    assert await desk.owner.fetchval("select count(*) from sessions where id = $1", asked.id) == 0
    assert await desk.at_stripe("payment_intents", asked) == []


async def test_a_settlement_that_was_not_committed_charges_nothing_and_is_made_again(
    database: PostgresAddress, desk: Desk
) -> None:
    room = await desk.ended(4)
    await checkpointed(desk, room)
    entry = f"{room.id}/{room.guests[0].user_id}"
    async with desk.owner.acquire() as holder, holder.transaction():
        # Transcript and settlement are written before the ledger: the process dies between the two.
        await holder.execute("lock table ledger_transactions in exclusive mode")
        async with worker(database, desk, "settle", entry):
            await a_process_waits(desk)
    assert await count(desk, "settlements", room) == 0
    assert await desk.all(room, Kind.CAPTURE) == []
    async with worker(database, desk, "settle", entry) as process:
        await said(process, "done")
    assert (await proven(desk, room)).captured_minor == 1_200


async def test_a_settlement_that_was_committed_and_not_acknowledged_is_not_made_twice(
    database: PostgresAddress, desk: Desk
) -> None:
    room = await desk.ended(4)
    await checkpointed(desk, room)
    entry = f"{room.id}/{room.guests[0].user_id}"
    async with worker(database, desk, "settle", entry, "recorded") as process:
        await said(process, "recorded")
    await checkpointed(desk, room)
    async with worker(database, desk, "settle", entry) as process:
        await said(process, "done")
    assert len(await desk.all(room, Kind.CAPTURE)) == 1
    assert (await proven(desk, room)).captured_minor == 1_200


# A hold, and no session.


async def test_a_hold_that_never_became_a_session_is_released(database: PostgresAddress, desk: Desk) -> None:
    asked = await desk.request()
    await killed_at(database, desk, "payments", "recorded@hold:1")
    del desk.rooms[asked.id]

    async def is_there(session_id: SessionId) -> bool:
        return session_id in desk.rooms

    reaper = Reaper(desk.pool, is_there=is_there, environment=ENVIRONMENT, now_ms=desk.now_ms)
    for wait_ms in (16 * 60_000, 61_000):
        desk.wait(wait_ms)
        await desk.payments().run_once()
        await reaper.run_once()
        await desk.payments().run_once()
    [intent] = await desk.at_stripe("payment_intents", asked)
    assert (intent["status"], intent["amount_received"]) == ("canceled", 0)
    assert len(await desk.all(asked, Kind.CANCEL)) == 1


# Several captures.


@pytest.mark.parametrize(("done", "not_yet"), [(1, 2), (2, 1)])
async def test_killed_between_two_captures(
    done: int, not_yet: int, database: PostgresAddress, desk: Desk
) -> None:
    at = await world(desk)
    room = await in_two_parts(at)
    await at.settle(room)
    await killed_at(database, desk, "payments", f"recorded@capture:{done}", f"committed@capture:{not_yet}")
    states = {one.ordinal: one.state for one in await desk.all(room, Kind.CAPTURE)}
    assert states == {done: State.SUCCEEDED, not_yet: State.IN_FLIGHT}
    seen = await proven(desk, room)
    # The first hold is full. What a quarter of an hour and some milliseconds cost beyond it is the second's.
    assert max(intent["amount_received"] for intent in seen.intents) == 3_000
    assert seen.captured_minor == seen.total_minor > 4_400
    assert len(seen.transfers) == 2


async def test_killed_when_captured_and_not_transferred(database: PostgresAddress, desk: Desk) -> None:
    at = await world(desk)
    room = await desk.ended(4)
    await at.settle(room)
    await killed_at(database, desk, "payments", "recorded@capture:1")
    # It has been there since the settlement: nobody has to remember it.
    assert (await desk.one(room, Kind.TRANSFER)).state is State.PENDING
    seen = await proven(desk, room)
    assert [transfer["amount"] for transfer in seen.transfers] == [960]


# Webhooks.


async def test_an_event_is_faster_than_our_own_commit(database: PostgresAddress, desk: Desk) -> None:
    at = await world(desk)
    room = await desk.ended(4)
    await at.settle(room)
    await killed_at(database, desk, "payments", "answered@capture:1")
    hold = await desk.one(room, Kind.HOLD)
    assert hold.stripe_id is not None
    assert (await desk.one(room, Kind.CAPTURE)).state is State.IN_FLIGHT
    await desk.arrived("payment_intent.succeeded", hold.stripe_id)
    await desk.webhooks().run_once()
    assert (await desk.one(room, Kind.CAPTURE)).state is State.SUCCEEDED
    assert (await proven(desk, room)).captured_minor == 1_200


async def test_an_event_is_faster_than_our_own_record(database: PostgresAddress, desk: Desk) -> None:
    other = await desk.request()
    asked = replace(other, id=SessionId(str(uuid7())))
    hold = await request_of(desk, other, asked)
    key = f"allinya:{ENVIRONMENT}:{asked.id}:1:hold:1:1"
    body = {**hold.params.body}
    intent = await desk.vendor.v1.payment_intents.create_async(
        msgspec.convert(body, dict),  # type: ignore[arg-type]
        {"idempotency_key": key},
    )
    await desk.arrived("payment_intent.amount_capturable_updated", intent.id)
    await desk.webhooks().run_once()
    notes = "select count(*) from webhook_inbox where state = 'new' and note like 'TooEarly%'"
    assert await desk.owner.fetchval(notes) > 0
    await sessions.insert_request(desk.pool, asked, environment=ENVIRONMENT, hold=hold, now_ms=desk.now_ms())
    desk.rooms[asked.id] = asked
    desk.wait(2_000)
    await desk.webhooks().run_once()
    assert (await desk.one(asked, Kind.HOLD)).stripe_id == intent.id
    assert desk.rooms[asked.id].offered_at_ms is not None
    assert await desk.owner.fetchval(notes) == 0
    assert len(await desk.at_stripe("payment_intents", asked)) == 1


async def test_killed_between_reading_an_event_and_applying_it(database: PostgresAddress, desk: Desk) -> None:
    at = await world(desk)
    room = await desk.ended(4)
    await at.settle(room)
    await desk.fault("apply_then_drop")
    await desk.payments().run_once()
    hold = await desk.one(room, Kind.HOLD)
    assert hold.stripe_id is not None
    await desk.arrived("payment_intent.succeeded", hold.stripe_id)
    await killed_at(database, desk, "webhooks", "read")
    assert (await proven(desk, room)).captured_minor == 1_200


# Holds that are gone.


async def test_a_hold_that_lapsed_and_a_card_that_is_declined_is_owed(
    database: PostgresAddress, desk: Desk
) -> None:
    at = await world(desk)
    room = await desk.ended(4)
    await at.settle(room)
    hold = await desk.one(room, Kind.HOLD)
    await desk.vendor.v1.payment_intents.cancel_async(str(hold.stripe_id))
    await desk.payments().run_once()
    await desk.control("faults", {"vendor": "stripe", "action": "decline_next", "times": 4})
    await killed_at(database, desk, "payments", "recorded@charge:1")
    for _ in range(4):
        desk.wait(DAY_MS * 8)
        await desk.payments().run_once()
    seen = await proven(desk, room)
    assert seen.accounts["guest_receivable"] == 1_200
    assert "charge_failed" in seen.cases
    assert seen.transfers == []


async def test_killed_on_the_way_to_a_capture_that_a_cancel_overtakes(
    database: PostgresAddress, desk: Desk
) -> None:
    at = await world(desk)
    room = await desk.ended(4)
    await at.settle(room)
    await killed_at(database, desk, "payments", "committed@capture:1")
    hold = await desk.one(room, Kind.HOLD)
    await desk.vendor.v1.payment_intents.cancel_async(str(hold.stripe_id))
    seen = await proven(desk, room)
    assert seen.captured_minor == 1_200
    assert sorted(intent["status"] for intent in seen.intents) == ["canceled", "succeeded"]


async def test_killed_on_the_way_to_a_cancel_that_a_capture_overtakes(
    database: PostgresAddress, desk: Desk
) -> None:
    at = await world(desk)
    room = await desk.ended(0.1)
    await at.settle(room)
    await killed_at(database, desk, "payments", "committed@cancel:1")
    hold = await desk.one(room, Kind.HOLD)
    await desk.vendor.v1.payment_intents.capture_async(str(hold.stripe_id), {"amount_to_capture": 100})
    for wait_ms in WAITS_MS:
        desk.wait(wait_ms)
        await desk.payments().run_once()
        await desk.webhooks().run_once()
    cancel = await desk.one(room, Kind.CANCEL)
    # Nothing of ours did that; what is real is accepted, and a person is told.
    assert (cancel.state, cancel.outcome and cancel.outcome.status) == (State.FAILED, "captured")
    assert await desk.cases(room) == ["cancel_failed"]
