"""Who waited is asked in order, one at a time, once; whoever dies while they do it."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import msgpack
import msgspec
import pytest
from redis.asyncio import Redis

from hub import waiting
from hub.errors import Refused
from hub.hub import Hub
from hub.workers.waitlist import Waitlist
from rooms.directory import Standing
from rooms.errors import NotFound
from rooms.ids import SessionId, UserId
from sandbox.postgres import PostgresAddress
from store.postgres import blocks
from store.postgres import waitlist as rows
from store.redis import keys
from tests.integration.reviews.desk import DAY_MS, Desk
from tests.integration.reviews.offerer import OFFER_MS, duty_of

ROOT = Path(__file__).parents[3]


class Ears:
    """Hears a person's channel, as a hub does on which they have a socket."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._heard: dict[UserId, object] = {}
        self.notices: dict[UserId, list[str]] = {}

    async def on(self, *people: UserId) -> None:
        for user_id in people:
            listening = self._redis.pubsub()
            await listening.ssubscribe(keys.person(user_id))
            assert await listening.get_message(timeout=5)
            self._heard[user_id] = listening
            self.notices[user_id] = []

    async def offers(self, user_id: UserId) -> list[str]:
        """The ids of the offers of which the person has heard."""
        while message := await self._heard[user_id].get_message(timeout=0.05):  # type: ignore[attr-defined]
            kind, payload = msgpack.unpackb(message["data"])
            if kind == "in_app":
                told = msgspec.msgpack.decode(payload)
                assert told["fr"]["practitioner_id"] == told["en"]["practitioner_id"]
                assert told["en"]["kind"] == "practitioner_free"
                self.notices[user_id].append(told["en"]["offer_id"])
        return self.notices[user_id]

    async def off(self, user_id: UserId) -> None:
        await self._heard.pop(user_id).aclose()  # type: ignore[attr-defined]


@pytest.fixture
async def ears(redis: Redis) -> AsyncIterator[Ears]:
    hearing = Ears(redis)
    yield hearing
    for user_id in list(hearing._heard):
        await hearing.off(user_id)


@pytest.fixture
def duty(desk: Desk, redis: Redis) -> Waitlist:
    return duty_of(desk.hub.pool, redis, now_ms=desk.clock)


async def show(hub: Hub, host: UserId, status: str, n: int) -> None:
    session = SessionId(str(uuid4())) if status == "busy" else None
    sockets = 0 if status == "offline" else 1
    assert await hub.directory.show(Standing(host, n, sockets, session, True)) == status


async def line(desk: Desk, host: UserId, count: int) -> list[UserId]:
    guests = [await desk.person("guest") for _ in range(count)]
    for guest in guests:
        await waiting.join(desk.hub, guest, host)
        desk.clock.ms += 1
    return guests


async def test_in_order_each_once(desk: Desk, duty: Waitlist, ears: Ears) -> None:
    host = await desk.practitioner()
    first, second, third = guests = await line(desk, host, 3)
    await ears.on(*guests)
    assert await duty.run_once() == 0
    await show(desk.hub, host, "online", 1)
    for now in guests:
        assert await duty.run_once() == 1
        assert await duty.run_once() == 0
        heard = [len(await ears.offers(guest)) for guest in guests]
        assert heard == [int(guests.index(guest) <= guests.index(now)) for guest in guests]
        await waiting.require_turn(desk.hub, now, host)
        for other in {first, second, third} - {now}:
            with pytest.raises(Refused) as refused:
                await waiting.require_turn(desk.hub, other, host)
            assert refused.value.code == "busy"
            assert "Grace Hopper" in refused.value.fields["fr"]  # type: ignore[index]
        desk.clock.ms += OFFER_MS
        await waiting.require_turn(desk.hub, first, host)
    assert await duty.run_once() == 0
    assert await desk.owner.fetchval("select count(*) from waitlist where practitioner_id = $1", host) == 0


async def test_it_stops_while_they_are_busy_and_goes_on(desk: Desk, duty: Waitlist, ears: Ears) -> None:
    host = await desk.practitioner()
    first, second = await line(desk, host, 2)
    await ears.on(first, second)
    await show(desk.hub, host, "online", 1)
    assert await duty.run_once() == 1
    await show(desk.hub, host, "busy", 2)
    assert await duty.run_once() == 0
    desk.clock.ms += OFFER_MS
    assert await duty.run_once() == 0
    (place,) = await rows.waiting(desk.hub.pool, first, host, now_ms=desk.clock.ms, limit=1)
    assert (place.place, place.offer_until_ms) == (1, None)
    await show(desk.hub, host, "online", 3)
    assert await duty.run_once() == 1
    assert len(await ears.offers(first)) == 2
    assert await ears.offers(second) == []


async def test_who_is_away_keeps_their_place(desk: Desk, duty: Waitlist, ears: Ears) -> None:
    host = await desk.practitioner()
    away, there = await line(desk, host, 2)
    await ears.on(there)
    await show(desk.hub, host, "online", 1)
    assert await duty.run_once() == 1
    assert len(await ears.offers(there)) == 1
    await waiting.leave(desk.hub.pool, there, host)
    await ears.on(away)
    assert await duty.run_once() == 1
    assert len(await ears.offers(away)) == 1


async def test_who_may_not_is_passed_over(desk: Desk, duty: Waitlist, ears: Ears) -> None:
    host = await desk.practitioner()
    blocked, suspended, leaving, gone, busy, last = guests = await line(desk, host, 6)
    await ears.on(*guests)
    await blocks.insert_block(desk.hub.pool, host, blocked, now_ms=1, most=9)
    async with desk.owner.acquire() as connection:
        await connection.execute("set session_replication_role = replica")
        await connection.execute(
            "insert into suspensions (action_id, user_id, reason, from_ms) values ($1, $2, 'conduct', 1)",
            str(uuid4()), suspended,
        )  # fmt: skip
        await connection.execute("set session_replication_role = origin")
    await desk.owner.execute(
        "insert into erasures (receipt, user_id, source, received_at_ms, verified_at_ms,"
        " cancellable_until_ms, vendors_by_ms, due_by_ms, next_at_ms)"
        " values (gen_random_uuid(), $1, 'self', 1, 1, 1, 1, 1, 1)",
        leaving,
    )
    await desk.owner.execute("delete from people where id = $1", gone)
    await desk.hub.people.reserve(busy, SessionId(str(uuid4())), must_be_online=False)
    await show(desk.hub, host, "online", 1)
    assert await duty.run_once() == 1
    assert len(await ears.offers(last)) == 1


async def test_two_workers_at_once_offer_once(desk: Desk, redis: Redis, ears: Ears) -> None:
    host = await desk.practitioner()
    guests = await line(desk, host, 3)
    await ears.on(*guests)
    await show(desk.hub, host, "online", 1)
    workers = [duty_of(desk.hub.pool, redis, now_ms=desk.clock) for _ in range(4)]
    await asyncio.gather(*(worker.run_once() for worker in workers))
    await asyncio.gather(*(worker.run_once() for worker in workers))
    assert [len(await ears.offers(guest)) for guest in guests] == [1, 0, 0]


@pytest.mark.parametrize("point", ["offered", "told"])
async def test_a_worker_is_killed_and_another_goes_on(
    desk: Desk, duty: Waitlist, ears: Ears, database: PostgresAddress, valkey: str, point: str
) -> None:
    host = await desk.practitioner()
    first, second = await line(desk, host, 2)
    await ears.on(first, second)
    await show(desk.hub, host, "online", 1)
    command = [sys.executable, "-m", "tests.integration.reviews.offerer"]
    arguments = [database.hub_dsn, valkey, point, str(desk.clock.ms)]
    running = await asyncio.create_subprocess_exec(*command, *arguments, stdout=subprocess.PIPE, cwd=ROOT)
    assert running.stdout is not None
    assert (await running.stdout.readline()).decode().strip() == point
    running.send_signal(signal.SIGKILL)
    await running.wait()
    await duty.run_once()
    await duty.run_once()
    assert len(await ears.offers(first)) == 1
    assert await ears.offers(second) == []
    (offer,) = [
        one for one in await rows.offers(desk.hub.pool, now_ms=desk.clock.ms, limit=99)
        if one.practitioner_id == host
    ]  # fmt: skip
    assert (offer.guest_id, offer.told_at_ms is not None) == (first, True)


async def test_a_session_ends_the_wait(desk: Desk, duty: Waitlist, ears: Ears) -> None:
    host = await desk.practitioner()
    (guest,) = await line(desk, host, 1)
    await ears.on(guest)
    await desk.settled(guest, host)
    await show(desk.hub, host, "online", 1)
    assert await duty.run_once() == 0
    assert await rows.waiting(desk.hub.pool, guest, host, now_ms=desk.clock.ms, limit=1) == []


async def test_a_day_is_enough_and_again_keeps_the_place(desk: Desk, duty: Waitlist) -> None:
    host = await desk.practitioner()
    first, second = await line(desk, host, 2)
    desk.clock.ms += DAY_MS // 2
    assert (await waiting.join(desk.hub, first, host)).place == 1
    assert (await waiting.join(desk.hub, second, host)).place == 2
    desk.clock.ms += DAY_MS // 2
    await duty.run_once()
    assert (await waiting.join(desk.hub, second, host)).place == 1


async def test_it_is_bounded_and_for_who_is_listed(desk: Desk) -> None:
    guest = await desk.person("guest")
    for _ in range(waiting.MOST_OWN):
        await waiting.join(desk.hub, guest, await desk.practitioner())
    with pytest.raises(Refused) as refused:
        await waiting.join(desk.hub, guest, await desk.practitioner())
    assert refused.value.code == "conflict"
    other, host = await desk.person("guest"), await desk.practitioner()
    for nobody in (guest, UserId(str(uuid4()))):
        with pytest.raises(NotFound):
            await waiting.join(desk.hub, other, nobody)
    await blocks.insert_block(desk.hub.pool, host, other, now_ms=1, most=9)
    with pytest.raises(NotFound):
        await waiting.join(desk.hub, other, host)


async def test_a_turn_of_which_nobody_heard_is_not_lost(desk: Desk, duty: Waitlist, ears: Ears) -> None:
    host = await desk.practitioner()
    (guest,) = await line(desk, host, 1)
    await ears.on(guest)
    await show(desk.hub, host, "online", 1)
    offer_until_ms = desk.clock.ms + OFFER_MS
    # Whoever offered it died before they told, and all workers were away until the turn was over.
    assert await rows.make_offer(
        desk.hub.pool, guest, host, str(uuid4()), now_ms=desk.clock.ms, until_ms=offer_until_ms
    )
    desk.clock.ms += OFFER_MS + 1
    assert await duty.run_once() == 1
    assert len(await ears.offers(guest)) == 1


async def test_who_will_not_be_free_for_long_enough_is_offered_to_nobody(
    desk: Desk, duty: Waitlist, ears: Ears
) -> None:
    host = await desk.practitioner()
    (guest,) = await line(desk, host, 1)
    await ears.on(guest)
    await show(desk.hub, host, "online", 1)
    booked_ms = desk.clock.ms + 24 * 60_000
    await desk.owner.execute(
        "insert into bookings (id, practitioner_id, guest_id, request_id, starts_at_ms, ends_at_ms,"
        " price_kind, currency, rate_minor_per_minute, free_ms, fee_bps, minimum_minor, cap_minor,"
        " hold_minutes, missed_minor, free_until_ms, created_at_ms, changed_at_ms, due_at_ms)"
        " values ($1, $2, $1, 'r', $3, $3::bigint + 600000, 'free', 'usd', 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0)",
        str(uuid4()),
        host,
        booked_ms,
    )
    assert await duty.run_once() == 0
    desk.clock.ms = booked_ms + 600_000
    assert await duty.run_once() == 1
