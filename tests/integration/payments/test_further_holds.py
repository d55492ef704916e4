"""A room that asks for a hold gets one, whoever asks and however often; it adds what it is over."""

import asyncio
from functools import partial
from uuid import uuid4

import pytest
from msgspec.structs import replace

from billing.payment import Kind, Outcome, State
from hub.money import funding
from hub.money.further_holds import FurtherHolds
from rooms import deadlines, session
from rooms.ids import ConnectionId
from rooms.room import Room
from store.postgres import settlements
from tests.integration.payments.desk import ENVIRONMENT, HUB, MINUTE_MS, TERMS, Desk

TEN_MINUTES = 10 * MINUTE_MS


async def live(desk: Desk, *, cap_minor: int = 30_000) -> Room:
    """A session whose first hold of ten minutes is placed, and both are in the room."""
    room = await desk.funded(terms=replace(TERMS, cap_minor=cap_minor))
    now_ms = room.clock_ms
    room = desk.change(room, lambda r: session.accept(r, r.practitioner.user_id, now_ms=now_ms))
    for person in room.people:
        socket = ConnectionId(str(uuid4()))
        join = partial(session.join, who=person.user_id, connection=socket, hub=HUB, now_ms=now_ms)
        room = desk.change(room, join)
    return room


def further(desk: Desk) -> FurtherHolds:
    return FurtherHolds(desk.pool, environment=ENVIRONMENT, now_ms=desk.now_ms)


def at_mark(desk: Desk, room: Room) -> Room:
    """The room at the moment at which it asks."""
    due_ms = deadlines.next_due_ms(room)
    while due_ms is not None:
        moment_ms = due_ms
        room = desk.change(room, partial(deadlines.tick, now_ms=moment_ms))
        hold = room.guests[0].hold
        if hold is not None and hold.further.asked is not None:
            desk.wait(moment_ms - desk.now_ms())
            return room
        due_ms = deadlines.next_due_ms(room)
    raise AssertionError("it never asked")


def funded_ms(room: Room) -> int:
    hold = room.guests[0].hold
    return 0 if hold is None else hold.funded_ms


async def test_the_question_becomes_one_operation_however_often_it_is_put(desk: Desk) -> None:
    room = at_mark(desk, await live(desk))
    await asyncio.gather(*(further(desk).order(room) for _ in range(4)))
    await further(desk).order(room)
    first, second = await desk.all(room, Kind.HOLD)
    assert (second.ordinal, second.attempt, second.amount_minor) == (2, 1, 3000)
    assert second.params.body["off_session"] is True
    assert second.params.body["payment_method"] == first.params.body["payment_method"]
    await desk.payments().run_once()
    intents = await desk.at_stripe("payment_intents", room)
    assert sorted(intent["metadata"]["operation"] for intent in intents) == ["1:hold:1:1", "1:hold:2:1"]
    assert funded_ms(desk.rooms[room.id]) == 2 * TEN_MINUTES


async def test_the_last_hold_is_as_large_as_the_cap_leaves(desk: Desk) -> None:
    room = at_mark(desk, await live(desk, cap_minor=4_000))
    await further(desk).order(room)
    await desk.payments().run_once()
    holds = await desk.all(room, Kind.HOLD)
    assert [hold.amount_minor for hold in holds] == [3000, 1000]
    room = desk.rooms[room.id]
    assert funded_ms(room) == 4_000 * MINUTE_MS // 300
    hold = room.guests[0].hold
    assert hold is not None
    assert not hold.further.possible


async def test_a_room_that_does_not_ask_gets_nothing(desk: Desk) -> None:
    room = await live(desk)
    await further(desk).order(room)
    assert len(await desk.all(room, Kind.HOLD)) == 1


async def test_a_declined_one_leaves_the_time_that_was_paid(desk: Desk) -> None:
    room = at_mark(desk, await live(desk))
    await further(desk).order(room)
    await desk.control("faults", {"vendor": "stripe", "action": "decline_next"})
    await desk.payments().run_once()
    room = desk.rooms[room.id]
    hold = room.guests[0].hold
    assert hold is not None
    assert (hold.status, hold.funded_ms) == ("placed", TEN_MINUTES)
    assert (hold.further.asked, hold.further.possible) == (None, False)
    assert (await desk.all(room, Kind.HOLD))[1].state is State.FAILED


async def test_an_answer_that_is_lost_places_one_hold(desk: Desk) -> None:
    room = at_mark(desk, await live(desk))
    await further(desk).order(room)
    await desk.fault("apply_then_drop")
    await desk.payments().run_once()
    assert funded_ms(desk.rooms[room.id]) == TEN_MINUTES
    desk.wait(2_000)
    await desk.payments().run_once()
    assert funded_ms(desk.rooms[room.id]) == 2 * TEN_MINUTES
    assert len(await desk.at_stripe("payment_intents", room)) == 2


@pytest.mark.parametrize("amounts", [(3000, 700), (700, 3000)])
async def test_what_a_hold_adds_follows_from_what_all_are_over(desk: Desk, amounts: tuple[int, int]) -> None:
    room = at_mark(desk, await live(desk))
    await further(desk).order(room)
    holds = await settlements.holds(desk.pool, room.id, 1)
    known = [
        replace(hold, amount_minor=amount, outcome=Outcome("placed", amount))
        for hold, amount in zip(holds, amounts, strict=True)
    ]
    outcome = known[1].outcome
    assert outcome is not None
    decide = funding.decision(room, known[1], outcome, known)
    assert decide is not None
    once = decide(room, now_ms=room.clock_ms).room
    assert funded_ms(once) == sum(amounts) * MINUTE_MS // 300
    assert decide(once, now_ms=room.clock_ms).room is once
