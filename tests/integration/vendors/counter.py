"""A counter with all that carries staff's decisions to the vendors, and processes that are killed there."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
from redis.asyncio import Redis

from billing.payment import Operation, Outcome
from billing.stripe_gateway import StripeGateway
from hub.vendors.agora import AgoraRest
from hub.vendors.supabase import SupabaseAdmin
from hub.vendors.twilio import Twilio
from hub.workers.erasure_steps import Vendors
from hub.workers.erasures import Erasures
from hub.workers.kicks import Kicks
from hub.workers.outcomes import Outcomes
from hub.workers.payments import Payments
from hub.workers.restitution import Restitutions
from hub.workers.roles import Roles
from rooms.errors import NotFound
from rooms.ids import SessionId
from sandbox.postgres import PostgresAddress
from sandbox.settings import SERVICE_KEY
from store.postgres import sessions
from store.privacy.keys import Keyring
from store.redis.revocations import Revocations

ROOT = Path(__file__).parents[3]
KEY = "sk_test_counter"
MASTER = bytes(range(32))
APP_ID = "0123456789abcdef0123456789abcdef"
ENVIRONMENT = "test"
ROUNDS = 8
"""More than what goes back to one guest takes."""


@dataclass
class Counter:
    """`now_ms` is the hub's clock; the vendors have their own."""

    database: PostgresAddress
    pool: asyncpg.Pool
    redis: Redis
    redis_url: str
    gateway: StripeGateway
    http: aiohttp.ClientSession
    base: str
    time_ms: int
    ring: Keyring = field(init=False)

    def now_ms(self) -> int:
        return self.time_ms

    def wait(self, ms: int) -> None:
        self.time_ms += ms

    def agora(self) -> AgoraRest:
        return agora_of(self.http, self.base)

    def supabase(self, key: str = SERVICE_KEY) -> SupabaseAdmin:
        return SupabaseAdmin(self.http, url=self.base, service_key=key)

    def keyring(self) -> Keyring:
        return self.ring

    async def another_keyring(self) -> Keyring:
        """As another process has it, with a memory of its own."""
        ring = Keyring(MASTER, self.pool, now_ms=self.now_ms)
        await ring.check()
        return ring

    def kicks(self, agora: AgoraRest | None) -> Kicks:
        return Kicks(self.pool, agora, now_ms=self.now_ms)

    def roles(self) -> Roles:
        return Roles(self.pool, Revocations(self.redis), self.supabase(), now_ms=self.now_ms)

    def erasures(self, supabase: SupabaseAdmin | None = None) -> Erasures:
        vendors = vendors_of(self.gateway, supabase, self.http, self.base)
        return Erasures(self.pool, self.redis, vendors, self.ring, now_ms=self.now_ms)

    def restitutions(self) -> Restitutions:
        return Restitutions(self.pool, self.ring, environment=ENVIRONMENT, now_ms=self.now_ms)

    def payments(self) -> Payments:
        return payments_of(self.pool, self.gateway, self.now_ms)

    async def pay(self) -> None:
        """The payments worker does all that is due."""
        for _ in range(ROUNDS):
            if not await self.payments().run_once():
                return

    async def give_back(self) -> None:
        """The duties that give money back do all that they can just now."""
        for _ in range(ROUNDS):
            made = await self.restitutions().run_once()
            await self.pay()
            if not made:
                return

    async def control(self, path: str, asked: object) -> Any:
        async with self.http.post(f"{self.base}/control/{path}", json=asked) as response:
            answer = await response.json()
            assert response.status == 200, answer
            return answer

    async def person(self, role: str) -> Any:
        (made,) = await self.control("people", {"role": role, "count": 1})
        return made

    async def rules(self) -> list[Any]:
        """The kicking rules that Agora has."""
        headers = {"Authorization": "Basic eA=="}
        url = f"{self.base}/agora/dev/v1/kicking-rule?appid={APP_ID}"
        async with self.http.get(url, headers=headers) as response:
            found: list[Any] = (await response.json())["rules"]
            return found

    @asynccontextmanager
    async def killed(self, duty: str, point: str) -> AsyncIterator[None]:
        """A worker process that does this duty and is killed at a recovery point, before the block begins."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.integration.vendors.runner", self.database.hub_dsn, self.redis_url,
            self.base, duty, point, str(self.time_ms), stdout=asyncio.subprocess.PIPE, cwd=ROOT,
        )  # fmt: skip
        assert process.stdout is not None
        line = b""
        async with asyncio.timeout(30):
            # Logs come by the same way; only the point itself counts.
            async for line in process.stdout:
                if line == f"{point}\n".encode():
                    break
        process.send_signal(signal.SIGKILL)
        await process.wait()
        assert line == f"{point}\n".encode()
        yield


def agora_of(http: aiohttp.ClientSession, base: str) -> AgoraRest:
    return AgoraRest(http, base=f"{base}/agora", app_id=APP_ID, customer_id="id", customer_secret="secret")


def vendors_of(
    gateway: StripeGateway, supabase: SupabaseAdmin | None, http: aiohttp.ClientSession, base: str
) -> Vendors:
    twilio = Twilio(
        http, base=f"{base}/twilio", account_sid="AC" + "0" * 32, auth_token="sandbox-twilio-token"
    )
    return Vendors(gateway, supabase, twilio, agora_of(http, base))


def payments_of(
    pool: asyncpg.Pool, gateway: StripeGateway, now_ms: Callable[[], int], **options: Any
) -> Payments:
    """The payments duty where no room is live: what is settled is noted on record."""

    async def apply(_operation: Operation, _outcome: Outcome) -> None:
        raise NotFound

    async def settled(session_id: SessionId) -> None:
        await sessions.mark_settled(pool, session_id, now_ms=now_ms())

    outcomes = Outcomes(pool, apply=apply, settled=settled, now_ms=now_ms, environment=ENVIRONMENT)
    return Payments(pool, gateway, outcomes, now_ms=now_ms, **options)
