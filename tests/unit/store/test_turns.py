"""Decisions that meet are made together, and each is answered for itself."""

import asyncio
from collections.abc import Sequence

import pytest

from rooms.errors import NotFound
from rooms.ids import SessionId
from store.redis.turns import Decide, Loaded, Turns, Wish


def wish() -> Decide:
    def decide(room: object, *, now_ms: int) -> object:
        raise AssertionError("only whoever carries out decides")

    return decide  # type: ignore[return-value]


def outcome() -> Loaded:
    return Loaded(None, 0, 0, 0)  # type: ignore[arg-type]


async def test_those_who_wait_are_taken_together() -> None:
    turns, gate, batches = Turns(), asyncio.Event(), list[int]()

    async def carry_out(wishes: Sequence[Wish]) -> None:
        batches.append(len(wishes))
        await gate.wait()
        for one in wishes:
            one.settle(outcome(), None)

    asked = [asyncio.create_task(turns.take(SessionId("r"), wish(), carry_out)) for _ in range(9)]
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*asked)
    assert batches == [1, 8]
    assert turns._by_room == {}


async def test_a_refusal_is_one_persons_own() -> None:
    turns = Turns()

    async def carry_out(wishes: Sequence[Wish]) -> None:
        await asyncio.sleep(0)
        for one in wishes:
            one.settle(outcome(), NotFound() if one.decide is refused else None)

    refused, fine = wish(), wish()
    first, second = await asyncio.gather(
        turns.take(SessionId("r"), refused, carry_out),
        turns.take(SessionId("r"), fine, carry_out),
        return_exceptions=True,
    )
    assert isinstance(first, NotFound)
    assert isinstance(second, Loaded)


async def test_who_is_cancelled_in_the_middle_leaves_the_others_their_turn() -> None:
    turns, stuck = Turns(), asyncio.Event()

    async def never(_wishes: Sequence[Wish]) -> None:
        await stuck.wait()

    async def carry_out(wishes: Sequence[Wish]) -> None:
        for one in wishes:
            one.settle(outcome(), None)

    first = asyncio.create_task(turns.take(SessionId("r"), wish(), never))
    second = asyncio.create_task(turns.take(SessionId("r"), wish(), carry_out))
    await asyncio.sleep(0)
    first.cancel()
    assert isinstance(await second, Loaded)
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_what_fails_for_all_fails_for_each() -> None:
    turns = Turns()

    async def carry_out(_wishes: Sequence[Wish]) -> None:
        raise ConnectionError

    asked = [turns.take(SessionId("r"), wish(), carry_out) for _ in range(3)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(one) for one in found] == [ConnectionError] * 3
