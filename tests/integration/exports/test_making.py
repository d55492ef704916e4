"""An export is made once: whoever dies, is slow, or comes second, and however often it is asked for."""

import asyncio

import asyncpg
import pytest

from hub.workers.exports import ATTEMPTS_MAX, Exports
from store.postgres import exports
from tests.integration.exports.workshop import KEEP_MS, LEASE_MS, Life, Workshop

LONG = {"messages": 400, "padding": 2_000}
"""Enough for an archive of several pieces."""


async def whole(workshop: Workshop, export_id: str, life: Life) -> None:
    """It can be had, is the only one, and is as its row says."""
    found = await workshop.found(export_id, life.id)
    assert (found.state, found.progress_permille) == ("ready", 1000)
    assert found.expires_at_ms == (found.ready_at_ms or 0) + KEEP_MS
    assert len(await workshop.content(export_id, life.id)) == found.size_bytes
    archive = await workshop.archive(export_id, life.id)
    assert f"transcripts/{life.session_id}.json" in archive.namelist()
    assert await workshop.archives(life.id) == 1


@pytest.mark.parametrize("point", ["piece", "packed"])
async def test_a_killed_worker_is_followed_by_another(workshop: Workshop, point: str) -> None:
    life = await workshop.life(**LONG)
    export_id = await workshop.ask(life.id)
    async with workshop.killed(export_id, point):
        left = await workshop.found(export_id, life.id)
        assert (left.state, left.attempts) == ("running", 1)
        assert await workshop.archives(life.id) == 1
        # Before its lease is over nobody else takes it.
        assert not await workshop.duty().make(export_id)
        assert await workshop.duty().run_once() == 0
    workshop.wait(LEASE_MS + 1)
    assert await workshop.duty().run_once() == 1
    assert await workshop.duty().make(export_id)
    await whole(workshop, export_id, life)


async def test_of_two_who_think_it_theirs_only_the_last_writes(workshop: Workshop) -> None:
    life = await workshop.life(**LONG)
    export_id = await workshop.ask(life.id)
    stopped, go_on = asyncio.Event(), asyncio.Event()

    async def reached(point: str) -> None:
        if point == "piece" and not stopped.is_set():
            stopped.set()
            await go_on.wait()

    slow = asyncio.create_task(workshop.duty(reached).make(export_id))
    await stopped.wait()
    workshop.wait(LEASE_MS + 1)
    assert await workshop.duty().make(export_id)
    go_on.set()
    assert not await slow
    await whole(workshop, export_id, life)


async def test_a_slow_one_wakes_while_the_next_is_at_it(workshop: Workshop) -> None:
    life = await workshop.life(**LONG)
    export_id = await workshop.ask(life.id)
    waiting = [(asyncio.Event(), asyncio.Event()) for _ in range(2)]

    def duty(number: int) -> Exports:
        stopped, go_on = waiting[number]

        async def reached(point: str) -> None:
            if point == "piece":
                stopped.set()
                await go_on.wait()

        return workshop.duty(reached)

    slow = asyncio.create_task(duty(0).make(export_id))
    await waiting[0][0].wait()
    workshop.wait(LEASE_MS + 1)
    second = asyncio.create_task(duty(1).make(export_id))
    await waiting[1][0].wait()
    waiting[0][1].set()
    assert not await slow
    waiting[1][1].set()
    assert await second
    await whole(workshop, export_id, life)


async def test_who_was_overtaken_can_change_nothing(workshop: Workshop) -> None:
    life = await workshop.life()
    export_id = await workshop.ask(life.id)
    taken = []
    for _ in range(2):
        now_ms = workshop.now_ms()
        one = await exports.take(
            workshop.pool, export_id, now_ms=now_ms, until_ms=now_ms + LEASE_MS, attempts_max=ATTEMPTS_MAX
        )
        assert one is not None
        taken.append(one)
        workshop.wait(LEASE_MS)
    pool, old, new = workshop.pool, *taken
    before = await workshop.found(export_id, life.id)
    assert not await exports.went_on(pool, old, progress_permille=5, until_ms=1)
    assert not await exports.ready(pool, old, size_bytes=1, sha256=bytes(32), now_ms=1, expires_at_ms=2)
    assert not await exports.give_up(pool, old)
    await exports.again(pool, old, next_at_ms=1)
    await exports.write_into(pool, old, export_id)
    assert await workshop.found(export_id, life.id) == before
    assert await exports.went_on(pool, new, progress_permille=5, until_ms=1)
    assert await exports.give_up(pool, new)


async def test_many_at_once_make_one(workshop: Workshop) -> None:
    life = await workshop.life()
    export_id = await workshop.ask(life.id)
    made = await asyncio.gather(*(workshop.duty().make(export_id) for _ in range(8)))
    assert sorted(made) == [False] * 7 + [True]
    assert not await workshop.duty().make(export_id)
    await whole(workshop, export_id, life)


async def test_it_stays_ones_own_as_long_as_there_is_life(workshop: Workshop) -> None:
    life = await workshop.life(**LONG)
    export_id = await workshop.ask(life.id)

    async def reached(point: str) -> None:
        workshop.wait(LEASE_MS * 2 // 3)

    assert await workshop.duty(reached).make(export_id)
    await whole(workshop, export_id, life)
    assert (await workshop.found(export_id, life.id)).attempts == 1


async def test_what_fails_is_tried_again_and_at_last_a_person_looks(workshop: Workshop) -> None:
    life = await workshop.life()
    export_id = await workshop.ask(life.id)

    async def reached(point: str) -> None:
        raise RuntimeError("words that are nobody's business")

    for attempt in range(1, ATTEMPTS_MAX + 1):
        assert not await workshop.duty(reached).make(export_id)
        found = await workshop.found(export_id, life.id)
        assert (found.state, found.attempts) == ("queued", attempt)
        # Not at once.
        assert not await workshop.duty().make(export_id)
        workshop.wait(1_000_000)
    assert not await workshop.duty().make(export_id)
    for _ in range(2):
        await workshop.duty().run_once()
    assert (await workshop.found(export_id, life.id)).state == "failed"
    rows = await workshop.pool.fetch("select kind from cases where subject = $1", str(life.id))
    assert [row["kind"] for row in rows] == ["export_stuck"]
    assert await workshop.archives(life.id) == 0


async def test_an_erased_person_gets_none(workshop: Workshop) -> None:
    life = await workshop.life(**LONG)
    export_id = await workshop.ask(life.id)

    async def reached(point: str) -> None:
        if point == "piece":
            await exports.give_up_of(workshop.pool, life.id)

    assert not await workshop.duty(reached).make(export_id)
    assert (await workshop.found(export_id, life.id)).state == "failed"
    await workshop.duty().run_once()
    assert await workshop.archives(life.id) == 0
    again = await workshop.ask(life.id)
    await workshop.keyring().shred(life.id)
    assert not await workshop.duty().make(again)
    assert (await workshop.found(again, life.id)).state == "failed"


async def test_the_blobs_of_a_person_can_go_at_any_moment(workshop: Workshop) -> None:
    life = await workshop.life(**LONG)
    export_id = await workshop.ask(life.id)
    done = False

    async def reached(point: str) -> None:
        nonlocal done
        if point == "piece" and not done:
            done = True
            await workshop.pool.execute("delete from blobs where subject_id = $1", life.id)

    assert not await workshop.duty(reached).make(export_id)
    assert await workshop.archives(life.id) == 0


async def test_a_cancelled_worker_lets_go_at_once(workshop: Workshop) -> None:
    life = await workshop.life(**LONG)
    export_id = await workshop.ask(life.id)
    stopped = asyncio.Event()

    async def reached(point: str) -> None:
        stopped.set()
        await asyncio.Event().wait()

    at_work = asyncio.create_task(workshop.duty(reached).make(export_id))
    await stopped.wait()
    at_work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await at_work
    assert (await workshop.found(export_id, life.id)).state == "queued"
    assert await workshop.duty().make(export_id)
    await whole(workshop, export_id, life)


async def test_what_is_over_is_removed_however_often(workshop: Workshop) -> None:
    life = await workshop.life()
    export_id = await workshop.ask(life.id)
    await workshop.duty().make(export_id)
    await workshop.duty().run_once()
    assert await workshop.archives(life.id) == 1
    workshop.wait(KEEP_MS)
    for _ in range(2):
        await workshop.duty().run_once()
        assert (await workshop.found(export_id, life.id)).state == "expired"
        assert await workshop.archives(life.id) == 0


async def test_only_one_can_stand(workshop: Workshop) -> None:
    life = await workshop.life()
    await workshop.ask(life.id)
    with pytest.raises(asyncpg.UniqueViolationError):
        await workshop.ask(life.id)
