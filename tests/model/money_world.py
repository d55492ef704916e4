"""What the money machine plays on: real Postgres, the sandbox over HTTP, workers that may die, and time.

Rooms are values, changed by the real rules. Hub and sandbox share one clock, which only moves forward.
"""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import uuid4

from billing import holds, requests
from billing.payment import Facts, Kind, Operation
from billing.stripe_gateway import StripeGateway
from hub.workers.payments import Point
from hub.workers.reaper import Reaper
from rooms import deadlines, session
from rooms.errors import RoomError
from rooms.ids import ConnectionId, SessionId
from rooms.room import OVER, Room, State
from store.postgres import operations
from tests.integration.payments.desk import ENVIRONMENT, HUB, KEY, Desk, until
from tests.model.money_afterwards import Afterwards

HANG_MS = 30_000
"""Longer than the gateway waits for an answer, and than some steps in time: what hangs is still at work
at Stripe while others go on, until the machine lets that much time pass."""


class World:
    """The desk and what may happen at it. `sockets` are those of everyone in a room."""

    def __init__(self, desk: Desk, account: str) -> None:
        self.desk = desk
        self.account = account
        self.afterwards = Afterwards(desk, account)
        self.settled: set[SessionId] = set()
        self.sockets: dict[SessionId, list[ConnectionId]] = {}

    @property
    def rooms(self) -> list[Room]:
        """All sessions of this run, in the order of their requests."""
        return list(self.desk.rooms.values())

    async def begin_anew(self) -> None:
        """Forget the last run: nothing of it is left to do."""
        desk = self.desk
        await self.calm_vendor()
        await desk.owner.execute("truncate payment_ops, webhook_inbox, cases cascade")
        await desk.owner.execute("update restitutions set done_at_ms = 0 where done_at_ms is null")
        await desk.owner.execute("update sessions set settled_at_ms = 0 where settled_at_ms is null")
        desk.rooms.clear()
        desk.settled.clear()
        self.settled.clear()
        self.sockets.clear()
        self.afterwards.waiting.clear()

    async def calm_vendor(self) -> None:
        """Stripe behaves again, and all that it wanted to tell has been told."""
        async with self.desk.http.delete(f"{self.desk.base}/control/faults"):
            pass
        await self.pass_time(60)
        await until(self.has_told, "every webhook was delivered")

    async def has_told(self) -> bool:
        """Whether no webhook is on its way."""
        async with self.desk.http.get(f"{self.desk.base}/control/webhooks") as response:
            return bool(await response.json() == [])

    async def pass_time(self, seconds: int) -> None:
        """Time passes for everyone; rooms notice what it brings about."""
        self.desk.wait(seconds * 1000)
        await self.desk.control("clock", {"advance_s": seconds})
        now_ms = self.desk.now_ms()
        for room in self.rooms:
            proofs = dict.fromkeys(self.sockets.get(room.id, ()), now_ms)
            self.desk.rooms[room.id] = deadlines.tick(room, proofs=proofs, now_ms=now_ms).room

    async def allow(self, transfers: str) -> None:
        """Whether the practitioner's account may receive transfers."""
        await self.desk.control("capability", {"account": self.account, "transfers": transfers})

    async def platform_has(self, currency: str, available: int) -> None:
        """What the platform can pay for free time from."""
        await self.desk.control("balance", {"currency": currency, "available": available})

    async def answer_bank(self, room: Room, answer: str) -> None:
        """The guest answers on the bank's page, if it asks; too late is possible."""
        hold = room.guests[0].hold
        if hold is not None and hold.url is not None:
            async with self.desk.http.post(hold.url, data={"answer": answer}, allow_redirects=False):
                pass

    def meet(self, room: Room) -> None:
        """The practitioner accepts and both come in, if it is ringing."""
        now_ms = self.desk.now_ms()
        host, guest = room.practitioner.user_id, room.guests[0].user_id
        with suppress(RoomError):
            self.desk.change(room, partial(session.accept, who=host, now_ms=now_ms))
            for who in (host, guest):
                socket = ConnectionId(str(uuid4()))
                self.sockets.setdefault(room.id, []).append(socket)
                enter = partial(session.join, who=who, connection=socket, hub=HUB, now_ms=now_ms)
                self.desk.change(room, enter)

    def end(self, room: Room) -> None:
        """The guest ends it, whatever state it is in."""
        now_ms, guest = self.desk.now_ms(), room.guests[0].user_id
        if room.state in (State.REQUESTED, State.WAITING):
            self.desk.change(room, partial(session.cancel, who=guest, now_ms=now_ms))
        elif room.state not in OVER:
            proofs = dict.fromkeys(self.sockets[room.id], now_ms)
            self.desk.change(room, partial(session.end, who=guest, proofs=proofs, now_ms=now_ms))

    async def extend(self, room: Room) -> None:
        """A further hold is wanted while the session runs, as long as the cap allows one."""
        placed = await self.desk.all(room, Kind.HOLD)
        held_minor = sum(hold.amount_minor for hold in placed if hold.attempt == 1)
        amount_minor = holds.next_hold_minor(room.terms, held_minor)
        if room.state is not State.LIVE or amount_minor == 0:
            return
        wanted = requests.hold(
            room.id,
            1,
            ordinal=1 + max(hold.ordinal for hold in placed),
            amount_minor=amount_minor,
            currency=room.terms.currency,
            customer=str(placed[0].params.body["customer"]),
            payment_method=str(placed[0].params.body["payment_method"]),
            return_url=None,
            at_ms=self.desk.now_ms(),
        )
        await operations.insert_operations(
            self.desk.pool, ENVIRONMENT, room.id, 1, [wanted], now_ms=self.desk.now_ms()
        )

    async def settle(self, room: Room, *, crash: bool = False) -> None:
        """Put a session that is over on record; or die right before the commit."""
        if room.state not in OVER or room.id in self.settled:
            return
        if crash:
            await self._die_in_transaction(room)
            return
        await self.desk.settle(room, destination=self.account)
        self.settled.add(room.id)

    async def _die_in_transaction(self, room: Room) -> None:
        waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
        async with self.desk.owner.acquire() as holder, holder.transaction():
            await holder.execute("select from sessions where id = $1 for update", room.id)
            dying = asyncio.create_task(self.desk.settle(room, destination=self.account))

            async def has_written() -> bool:
                return bool(await self.desk.owner.fetchval(waits))

            await until(has_written, "the settlement waits for the session's row")
            await _kill(dying)

    async def pay(self, die_at: Point | None = None) -> None:
        """A payments worker runs once; or only until it first reaches a point, and another begins later."""
        reached = asyncio.Event()

        async def hook(point: Point, _: Operation) -> None:
            if point == die_at:
                reached.set()
                await asyncio.Event().wait()

        await _until_dead(self.desk.payments(reached=hook).run_once(), reached)

    async def reap(self) -> None:
        """Holds of sessions that are over and on record, which nobody will use, are released."""

        async def is_there(session_id: SessionId) -> bool:
            return session_id not in self.settled

        desk = self.desk
        await Reaper(desk.pool, is_there=is_there, environment=ENVIRONMENT, now_ms=desk.now_ms).run_once()

    async def hear(self, *, die: bool = False) -> None:
        """A worker applies what Stripe has told; or dies between reading and writing."""
        if not die:
            await self.desk.webhooks().run_once()
            return
        gateway = _DiesAfterReading(KEY, api_base=f"{self.desk.base}/stripe")
        await _until_dead(replace(self.desk, gateway=gateway).webhooks().run_once(), gateway.has_read)
        await gateway.close()


class _DiesAfterReading(StripeGateway):
    """Whoever reads an intent through it gets no further."""

    def __init__(self, secret_key: str, *, api_base: str) -> None:
        super().__init__(secret_key, api_base=api_base)
        self.has_read = asyncio.Event()

    async def intent(self, intent_id: str) -> Facts | None:
        await super().intent(intent_id)
        self.has_read.set()
        await asyncio.Event().wait()
        return None


async def _until_dead(work: Awaitable[int], reached: asyncio.Event) -> None:
    worker = asyncio.ensure_future(work)
    death = asyncio.ensure_future(reached.wait())
    await asyncio.wait({worker, death}, return_when=asyncio.FIRST_COMPLETED)
    death.cancel()
    if worker.done():
        await worker
    else:
        await _kill(worker)


async def _kill(task: asyncio.Future[Any]) -> None:
    while not task.done():
        # A cancellation may be lost on code that takes an answer of the same moment; a kill is not.
        task.cancel()
        await asyncio.wait({task}, timeout=1.0)
