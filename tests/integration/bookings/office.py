"""Bookings on record, the duty that looks after them, and a way to kill it at any step."""

import asyncio
import sys
import time
from pathlib import Path
from uuid import uuid4

import asyncpg
import uuid_utils
from redis.asyncio import Redis

from billing import missed
from billing.payment import Operation, Outcome
from billing.settlement import held, settle
from hub.money.funding import Funding
from hub.survival.recovery import Recovery
from hub.workers.bookings import LEASE_MS, Bookings
from rooms.bookings import times
from rooms.ids import SessionId, UserId
from rooms.room import OVER, Room, Terms
from store.postgres import bookings, epochs, operations, settlements
from store.postgres.bookings import Booking
from store.redis.chat import Chat
from store.redis.hubs import Hubs
from tests.integration.bookings.parts import ENVIRONMENT, TIMES, duty_of, live_of

ROOT = Path(__file__).parents[3]
MINUTE_MS = 60_000
HOUR_MS = 3_600_000


class Office:
    """Time is the store's own, as rooms live by it; `ahead_ms` is how much later the duty believes it is."""

    def __init__(
        self, dsn: str, redis_url: str, pool: asyncpg.Pool, owner: asyncpg.Pool, redis: Redis
    ) -> None:
        self.dsn = dsn
        self.redis_url = redis_url
        self.pool = pool
        self.owner = owner
        self.redis = redis
        self.live, self.people, self.directory = live_of(redis)
        self.ahead_ms = 0

    def now_ms(self) -> int:
        return int(time.time() * 1000) + self.ahead_ms

    async def open(self) -> None:
        recorded = await epochs.read(self.pool)
        if recorded is None or recorded.state != "ready":
            epoch = str(uuid_utils.uuid7())
            await epochs.begin(self.pool, epoch, seen=None, now_ms=self.now_ms())
            await epochs.finish(self.pool, epoch, now_ms=self.now_ms())
        await self.owner.execute("delete from bookings")

    async def person(self, role: str, *, card: bool = True) -> UserId:
        user_id = UserId(str(uuid4()))
        await self.owner.execute(
            "insert into people (id, role, name, created_at_ms) values ($1, $2, 'Somebody', 0)", user_id, role
        )
        if role == "guest" and card:
            await self.card(user_id, "pm_1")
        if role == "practitioner":
            await self.owner.execute(
                "insert into practices (practitioner_id, rate_minor_per_minute, currency, verified_at_ms,"
                " transfers_active) values ($1, 300, 'usd', 1, true)",
                user_id,
            )
        return user_id

    async def card(self, user_id: UserId, method: str) -> None:
        await self.owner.execute(
            "insert into cards values ($1, 'cus_1', $2, 'visa', '4242', 'print', 0)"
            " on conflict (person_id) do update set stripe_payment_method = $2",
            user_id,
            method,
        )

    async def book(
        self,
        *,
        starts_in_ms: int,
        minutes: int = 30,
        rate_minor: int = 300,
        guest: UserId | None = None,
        host: UserId | None = None,
        buffer_ms: int = 0,
    ) -> Booking:
        """On record, as by the route."""
        host, guest = host or await self.person("practitioner"), guest or await self.person("guest")
        starts_at_ms = self.now_ms() + starts_in_ms
        terms = terms_of(rate_minor, minutes)
        async with self.pool.acquire() as connection, connection.transaction():
            await bookings.lock_calendars(connection, host, guest)
            made = await bookings.insert_booking(
                connection,
                SessionId(str(uuid_utils.uuid7())),
                host,
                guest,
                str(uuid4()),
                terms,
                starts_at_ms=starts_at_ms,
                ends_at_ms=starts_at_ms + minutes * MINUTE_MS,
                buffer_ms=buffer_ms,
                free_until_ms=starts_at_ms - TIMES.hold_ms,
                due_at_ms=times.room_at_ms(TIMES, starts_at_ms, free=rate_minor == 0),
                now_ms=self.now_ms(),
            )
        assert made is not None
        return made

    def duty(self) -> Bookings:
        return duty_of(self.pool, self.redis, self.now_ms)

    async def run(self, times_: int = 1) -> None:
        """As workers do, one after another, each after the last one's lease."""
        for _ in range(times_):
            await self.owner.execute(
                "update bookings set due_at_ms = 0, lease_until_ms = 0 where room_at_ms > 0"
            )
            await self.duty().call_off()
            await self.duty().run_once()

    async def killed(self, step: str) -> None:
        """A worker is killed when it has done this step; the next comes when its lease is over."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.integration.bookings.runner",
            self.dsn,
            self.redis_url,
            step,
            str(self.now_ms()),
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        assert process.stdout is not None
        said = (await process.stdout.readline()).decode().strip()
        process.kill()
        await process.wait()
        assert said == step
        await self.owner.execute("update bookings set lease_until_ms = lease_until_ms - $1", LEASE_MS)

    async def recover(self) -> None:
        """The store has lost its data: one process rebuilds the rooms from their checkpoints."""

        async def at_once(_: float) -> None:
            return

        recovery = Recovery(
            self.pool,
            Hubs(self.redis),
            self.live.rooms,
            Chat(self.redis, interval_ms=0, burst=1),
            self.people,
            self.directory,
            now_ms=lambda: self.now_ms() + HOUR_MS,
            pause=at_once,
        )
        await recovery.ensure()

    async def now(self, booking: Booking) -> Booking:
        found = await bookings.booking(self.pool, booking.id)
        assert found is not None
        return found

    async def room(self, booking: Booking) -> Room:
        return (await self.live.rooms.require(booking.id)).room

    async def holds(self, booking: Booking) -> list[Operation]:
        return await settlements.holds(self.pool, booking.id, 1)

    async def answer(self, booking: Booking, outcome: Outcome) -> None:
        """Stripe has said this about the last hold, and the room hears of it."""
        last = (await self.holds(booking))[-1]
        state = "failed" if outcome.status == "declined" else "succeeded"
        await self.owner.execute(
            "update payment_ops set state = $2, stripe_id = 'pi_' || id, outcome = $3 where id = $1",
            last.id,
            state,
            outcome,
        )
        answered = await operations.operation(self.pool, last.id)
        assert answered is not None
        await Funding(self.live, self.pool).apply(answered, outcome)

    async def settle(self, booking: Booking) -> None:
        """The end on record, as the settling worker puts it there."""
        room = await self.room(booking)
        assert room.state in OVER
        async with self.pool.acquire() as connection:
            bill = settle(room, room.guests[0], held=tuple(map(held, await self.holds(booking))))
            await settlements.commit(
                connection, room, bill, [], environment=ENVIRONMENT, now_ms=self.now_ms()
            )


def terms_of(rate_minor: int, minutes: int) -> Terms:
    terms = Terms(
        "per_minute" if rate_minor else "free", "usd", rate_minor, 0, 2_000, 50, rate_minor * minutes
    )
    fee = missed.fee_minor(terms)
    return Terms(
        terms.kind, "usd", rate_minor, 0, 2_000, 50 if rate_minor else 0, terms.cap_minor, missed_minor=fee
    )
