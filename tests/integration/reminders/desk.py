"""People with numbers, their bookings, the duty that reminds them, and a way to kill it at any step."""

import asyncio
import itertools
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg
import uuid_utils

from billing.stripe_gateway import StripeGateway
from hub.reminding.terms import Terms
from hub.vendors.twilio import Twilio, signature
from hub.workers.outcomes import Outcomes
from hub.workers.reminders import Reached, Reminders
from hub.workers.sms_news import sms_news
from hub.workers.webhooks import Webhooks
from rooms.ids import SessionId, UserId
from rooms.reminders import Quiet
from rooms.room import Terms as Price
from store.postgres import bookings, consents, reminders
from store.postgres.reminders import Reminder
from store.privacy.keys import Keyring
from store.privacy.numbers import Numbers

ROOT = Path(__file__).parents[3]
MASTER = bytes(range(32))
TOKEN = "an-auth-token"
ACCOUNT = "AC" + "a" * 32
SENDER = "+15005550006"
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
GUEST_PHONE, HOST_PHONE = "+33612345678", "+33612345679"
PRICE = Price("free", "usd", 0, 0, 2_000, 0, 0)
UNTIL_S = 20


@dataclass
class Desk:
    """`now_ms` is the hub's clock; Twilio has its own. `http` is set once the loop runs."""

    dsn: str
    pool: asyncpg.Pool
    owner: asyncpg.Pool
    base: str
    public_url: str
    gateway: StripeGateway
    time_ms: int
    http: aiohttp.ClientSession = field(init=False)

    def now_ms(self) -> int:
        return self.time_ms

    def wait(self, ms: int) -> None:
        self.time_ms += ms

    async def person(
        self, role: str, phone: str | None, *, consents_: bool = True, language: str | None = None
    ) -> UserId:
        """Somebody who agreed to texts an hour ago, if they did."""
        user_id = UserId(str(uuid4()))
        await self.owner.execute(
            "insert into people (id, role, name, phone, language, created_at_ms)"
            " values ($1, $2, $3, $4, $5, 0)",
            user_id,
            role,
            f"{role.title()} Name",
            phone,
            language,
        )
        if consents_:
            await self.decide(user_id, granted=True, at_ms=self.time_ms - 100 * HOUR_MS)
        return user_id

    async def decide(self, user_id: UserId, *, granted: bool, at_ms: int | None = None) -> None:
        async with self.pool.acquire() as connection, connection.transaction():
            await consents.lock_consents(connection, user_id)
            await consents.note_consent(
                connection, user_id, "sms", granted=granted, now_ms=at_ms or self.time_ms
            )

    async def agrees(self, user_id: UserId) -> bool:
        return await consents.granted(self.pool, user_id, "sms")

    async def book(
        self, host: UserId, guest: UserId, *, in_ms: int, made_ms_ago: int = 48 * HOUR_MS
    ) -> SessionId:
        """A booking that begins in so long, and was made so long ago."""
        booking_id, starts_at_ms = SessionId(str(uuid_utils.uuid7())), self.time_ms + in_ms
        await bookings.insert_booking(
            self.pool,
            booking_id,
            host,
            guest,
            str(uuid4()),
            PRICE,
            starts_at_ms=starts_at_ms,
            ends_at_ms=starts_at_ms + 10 * MINUTE_MS,
            buffer_ms=0,
            free_until_ms=starts_at_ms,
            due_at_ms=starts_at_ms,
            now_ms=self.time_ms - made_ms_ago,
        )
        return booking_id

    async def move(self, booking_id: SessionId, *, to_ms: int) -> None:
        """It begins then, as of long ago."""
        await self.owner.execute(
            "update bookings set starts_at_ms = $2, ends_at_ms = $2::bigint + 600000, version = version + 1"
            " where id = $1",
            booking_id,
            to_ms,
        )

    async def state(self, booking_id: SessionId, state: str) -> None:
        await self.owner.execute(
            "update bookings set state = $2, ended_at_ms = case when $2 = 'started' then null else 1 end"
            " where id = $1",
            booking_id,
            state,
        )

    def duty(self, http: aiohttp.ClientSession | None = None, **changed: Any) -> Reminders:
        return duty_of(self.pool, http or self.http, self.base, self.public_url, self.now_ms, **changed)

    async def noted(self) -> list[tuple[UserId, str]]:
        """Of whom Twilio was told something, and what for; each as often as it was."""
        rows = await self.owner.fetch(
            "select person_id::text, purpose, times from disclosures where vendor = 'twilio'"
        )
        return [(UserId(row["person_id"]), row["purpose"]) for row in rows for _ in range(row["times"])]

    async def reminders(self, booking_id: SessionId) -> list[Reminder]:
        return await reminders.reminders_of(self.pool, booking_id, limit=20)

    async def states(self, booking_id: SessionId) -> list[tuple[str, str | None]]:
        return [(one.state, one.reason) for one in await self.reminders(booking_id)]

    async def reminder(self, booking_id: SessionId) -> Reminder:
        (one,) = await self.reminders(booking_id)
        return one

    async def hear(self) -> None:
        """The worker applies what Twilio has reported."""

        async def settled(_session_id: SessionId) -> None:
            raise AssertionError

        async def apply(_operation: object, _outcome: object) -> None:
            raise AssertionError

        outcomes = Outcomes(self.pool, apply=apply, settled=settled, now_ms=self.now_ms, environment="test")
        also = sms_news(self.pool, now_ms=self.now_ms)
        while await Webhooks(self.pool, self.gateway, outcomes, now_ms=self.now_ms, also=also).run_once():
            pass

    async def heard(self, count: int) -> None:
        """Until so many calls of Twilio were kept; then they are applied."""
        await self.until("select count(*) >= $1 from webhook_inbox", count)
        await self.hear()

    async def until(self, query: str, *given: object) -> None:
        """Until the database says so."""
        async with asyncio.timeout(UNTIL_S):
            for _ in itertools.count():
                if await self.owner.fetchval(query, *given):
                    return
                await asyncio.sleep(0.02)

    # Twilio, from outside.

    async def inbox(self) -> list[Any]:
        async with self.http.get(f"{self.base}/twilio/inbox") as response:
            told: list[Any] = await response.json()
            return told

    async def fault(self, action: str, **rule: Any) -> None:
        asked = [{"vendor": "twilio", "action": action, **rule}]
        async with self.http.post(f"{self.base}/control/faults", json=asked) as response:
            assert response.status < 300, await response.text()

    async def text(self, number: str, body: str) -> None:
        """Somebody writes to the platform; it has been heard when this returns."""
        # Reports of what was sent before come beside it, whenever they like.
        heard = (
            "select count(*) from webhook_inbox where type in ('twilio.stop', 'twilio.start', 'twilio.help')"
        )
        before = await self.pool.fetchval(heard)
        asked = {"from": number, "body": body}
        async with self.http.post(f"{self.base}/twilio/inbound", json=asked) as response:
            assert response.status == 202
        await self.until(f"select ({heard}) > $1", before)

    async def call(
        self, fields: dict[str, str], *, query: str = "", token: str = TOKEN, url: str | None = None
    ) -> tuple[int, str]:
        """A call as Twilio makes it, or as somebody else would."""
        address = f"{self.public_url}/webhooks/twilio{query}"
        headers = {"X-Twilio-Signature": signature(token, url or address, fields)}
        async with self.http.post(address, data=fields, headers=headers) as response:
            return response.status, await response.text()

    async def killed(self, step: str) -> None:
        """A worker is killed with SIGKILL when it has come to this step."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.integration.reminders.runner", self.dsn, self.base, self.public_url,
            step, str(self.time_ms), stdout=asyncio.subprocess.PIPE, cwd=ROOT,
        )  # fmt: skip
        assert process.stdout is not None
        line = b""
        async with asyncio.timeout(60):
            # Logs come by the same way; only the step itself counts.
            async for line in process.stdout:
                if line == f"{step}\n".encode():
                    break
        process.send_signal(signal.SIGKILL)
        await process.wait()
        assert line == f"{step}\n".encode()


def duty_of(
    pool: asyncpg.Pool,
    http: aiohttp.ClientSession,
    base: str,
    public_url: str,
    now_ms: Callable[[], int],
    *,
    reached: Reached | None = None,
    **changed: Any,
) -> Reminders:
    """The duty as a worker has it; by default nobody has quiet hours."""
    terms = Terms((86_400, 3_600, 600), Quiet(0, 0), SENDER, public_url, 100, 30)._replace(**changed)
    twilio = Twilio(http, base=f"{base}/twilio", account_sid=ACCOUNT, auth_token=TOKEN)
    keyring = Keyring(MASTER, pool, now_ms=now_ms)
    more: dict[str, Any] = {} if reached is None else {"reached": reached}
    return Reminders(pool, keyring, Numbers(MASTER), twilio, terms, now_ms=now_ms, **more)
