"""A live room with a crowd over two hubs, while hubs, workers and the store die."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
import socketio

from sandbox.visitor import Json, LineLost, Refused, Visitor
from store.postgres import invariant
from store.redis.connect import connect
from tests.acceptance.scene import Scene, until
from tests.faults.scene import made_whole
from tests.stack import Stack

pytestmark = pytest.mark.filterwarnings("ignore:Unclosed:ResourceWarning")

FAST = {"kind": "per_minute", "amount_minor": 3_000, "currency": "usd"}
WITHIN_S = 60.0


class Crowd:
    """A host on the second hub, and guests on both."""

    def __init__(self, scene: Scene, host: Visitor, guests: list[Visitor], room_id: str) -> None:
        self.scene, self.host, self.guests, self.room_id = scene, host, guests, room_id

    async def record(self, query: str) -> list[asyncpg.Record]:
        return await self.scene.sql(query, self.room_id)

    async def is_settled(self) -> bool:
        (row,) = await self.record("select state from sessions where id = $1")
        return bool(row["state"] == "settled")

    async def settled_once(self) -> list[asyncpg.Record]:
        """Each guest has one bill, and what was collected is what they were billed."""
        await until(self.is_settled, "the room was never settled", within_s=WITHIN_S)
        bills = await self.record("select * from settlements where session_id = $1 order by participant_no")
        assert [bill["participant_no"] for bill in bills] == list(range(1, len(self.guests) + 1))
        collected = await self.record(
            "select participant_no, sum((outcome ->> 'amount_minor')::bigint)::bigint as minor "
            "from payment_ops where session_id = $1 and kind in ('capture', 'charge') "
            "and state = 'succeeded' group by 1"
        )
        minor = {row["participant_no"]: row["minor"] for row in collected}
        assert all(bill["total_minor"] == minor.get(bill["participant_no"], 0) for bill in bills)
        connection = await asyncpg.connect(self.scene.stack.database.owner_dsn)
        try:
            for name in ("billed_time_is_presence", "settled_once", "captured_is_settlement"):
                assert await invariant.broken(connection, name, now_ms=0) == []
        finally:
            await connection.close()
        for visitor in (self.host, *self.guests):
            assert await self.lock(visitor) in (None, b"")
        return bills

    async def lock(self, visitor: Visitor) -> Any:
        redis = connect(self.scene.stack.valkey.url)
        try:
            return await redis.hget(f"person:{{u:{visitor.id}}}", "lock")
        finally:
            await redis.aclose()

    async def come_back(self, guest: Visitor, hub: int) -> Json:
        """Another line of a guest; asked again until the room is there."""
        again = await self.scene.enter(guest, hub)
        return await ask_again(again, "room:join", session_id=self.room_id)


async def ask_again(visitor: Visitor, event: str, **body: object) -> Json:
    """Ask until the hub can answer; what the store forgot comes back within seconds."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                return await visitor.ask(event, **body)
            except Refused as refused:
                if refused.code not in ("unavailable", "not_found"):
                    raise
                await asyncio.sleep(0.2)


async def back(room: Crowd, visitor: Visitor, hub: int) -> Visitor:
    """Somebody in the room again, by a new line, as soon as the hubs have found what the store lost."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                again = await room.scene.enter(visitor, hub)
                await ask_again(again, "room:join", session_id=room.room_id)
                await asyncio.sleep(1.0)
                await again.ask("room:join", session_id=room.room_id)
            except (Refused, LineLost, socketio.exceptions.SocketIOError):
                await asyncio.sleep(0.5)
            else:
                return again


@asynccontextmanager
async def crowd(stack: Stack, count: int) -> AsyncIterator[Crowd]:
    made_whole(stack)
    scene = Scene(stack)
    try:
        host = await scene.enter(await scene.person("practitioner"), 1)
        room = await host.post("/v1/live-rooms", {"title": "A circle", "seats": count, "price": FAST})
        await host.ask("room:join", session_id=room["id"])
        people = await scene.people("guest", count)
        guests = [await scene.enter(person, n % 2) for n, person in enumerate(people)]

        async def come(guest: Visitor) -> None:
            await guest.ask("room:knock", session_id=room["id"], request_id="k")
            await guest.hear("lobby:state", lambda body: body["state"] == "waiting")
            await host.hear("lobby:changed", lambda body: guest.id in [one["id"] for one in body["waiting"]])
            await host.ask("room:admit", session_id=room["id"], user_id=guest.id)
            await guest.ask("room:join", session_id=room["id"])

        await asyncio.gather(*map(come, guests))
        yield Crowd(scene, host, guests, room["id"])
    finally:
        await scene.close()


async def test_a_hub_dies_under_half_of_twenty_guests(stack: Stack) -> None:
    async with crowd(stack, 20) as room:
        await asyncio.sleep(1.0)
        lost = [guest for n, guest in enumerate(room.guests) if n % 2 == 0]
        stack.kill(stack.webs[stack.hub_urls[0]])
        for guest in lost:
            await guest.ended.wait()
        # The room goes on for the others; who was lost is away, by proof.
        await room.host.hear(
            "room:presence", lambda body: body["user_id"] == lost[-1].id and not body["present"]
        )
        other = room.guests[1]
        await other.ask("chat:send", session_id=room.room_id, client_id="1", text="are you there?")
        back = [await room.come_back(guest, 0) for guest in lost[:5]]
        assert [message["text"] for message in back[0]["messages"]] == ["are you there?"]
        await asyncio.sleep(1.0)
        await room.host.ask("session:end", session_id=room.room_id)
        await room.settled_once()
        last = await room.record(
            "select user_id, max(to_ms) as last_ms from intervals join participants on no = participant_no "
            "and participants.session_id = intervals.session_id "
            "where intervals.session_id = $1 and kind = 'billed' and no > 0 group by 1"
        )
        last_ms = {str(row["user_id"]): row["last_ms"] for row in last}
        end_ms = last_ms[other.id]
        # Nobody can show that they were there after their last packet.
        assert all(end_ms - last_ms.get(guest.id, 0) >= 1_000 for guest in lost[5:])
        assert all(end_ms == last_ms[guest.id] for guest in lost[:5])


async def test_a_worker_dies_between_the_settlements_of_the_guests(stack: Stack) -> None:
    async with crowd(stack, 12) as room:
        await asyncio.sleep(1.0)
        for guest in room.guests[:3]:
            await guest.ask("session:end", session_id=room.room_id)
        ending = asyncio.create_task(room.host.ask("session:end", session_id=room.room_id))

        async def some() -> bool:
            rows = await room.record("select count(*) as n from settlements where session_id = $1")
            return bool(rows[0]["n"] >= 1)

        await until(some, "nothing was settled")
        stack.kill(stack.workers[-1])
        await ending
        stack.start_worker()
        await room.settled_once()


async def test_the_store_is_restarted_and_then_emptied(stack: Stack) -> None:
    async with crowd(stack, 6) as room:
        await room.host.ask("chat:send", session_id=room.room_id, client_id="1", text="one")
        stack.valkey.kill()
        await asyncio.sleep(0.5)
        await asyncio.to_thread(stack.valkey.restart)
        await ask_again(room.guests[0], "session:end", session_id=room.room_id)
        await asyncio.sleep(4.0)  # More than two checkpoints, so that the record knows of all who are in.
        redis = connect(stack.valkey.url)
        await redis.flushall()
        await redis.aclose()
        host, guest = await back(room, room.host, 1), await back(room, room.guests[1], 0)
        await ask_again(host, "chat:send", session_id=room.room_id, client_id="2", text="two")
        await guest.hear("chat:message", lambda body: body["text"] == "two")
        await guest.ask("session:end", session_id=room.room_id)
        await host.ask("session:end", session_id=room.room_id)
        await room.settled_once()
