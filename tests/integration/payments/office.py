"""The desk with its counters for practitioners and admins: the routes over real HTTP, with real tokens."""

import time
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

import aiohttp
import jwt
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from redis.asyncio import Redis

from config.retention import periods
from hub.edge.auth import Tokens
from hub.hub import Hub, Offer
from hub.routes import admin, fraud, payouts
from hub.routes.answer import table
from rooms.ids import Role, UserId
from rooms.room import Limits, Room
from store.postgres import invariant
from store.redis.moderation import Moderation
from tests.integration.payments.desk import ENVIRONMENT, Desk

SECRET = b"a secret for these tests alone, of 40 bytes"
ISSUER = "https://auth.example/auth/v1"
ALONE_MINOR = 1_000
HOUR_MS = 3_600_000

Answer = tuple[int, Any]


@dataclass
class Office:
    """A desk and a client of its routes. `ann` and `ben` are admins."""

    desk: Desk
    client: "TestClient[Any, Any]"
    ann: UserId
    ben: UserId

    async def ask(
        self, method: str, path: str, body: object = None, *, who: UserId | None = None, role: Role = "admin"
    ) -> Answer:
        headers = {"Authorization": f"Bearer {token(who or self.ann, role)}"}
        async with self.client.request(method, path, json=body, headers=headers) as response:
            return response.status, await response.json()

    async def refund(
        self, room: Room, amount_minor: int, *, who: UserId | None = None, **more: Any
    ) -> Answer:
        body = {"session_id": room.id, "amount_minor": amount_minor, "reason": "It was cold.", **more}
        return await self.ask("POST", "/v1/admin/refunds", body, who=who)

    async def practise(self, room: Room, account: str | None, *, active: bool = True) -> None:
        """The practitioner of a session has a practice, paid out to this account."""
        await self.desk.owner.execute(
            "insert into people (id, role, created_at_ms) values ($1, 'practitioner', 0)"
            " on conflict do nothing",
            room.practitioner.user_id,
        )
        await self.desk.owner.execute(
            "insert into practices (practitioner_id, rate_minor_per_minute, currency, stripe_account,"
            " transfers_active) values ($1, 300, 'usd', $2, $3)",
            room.practitioner.user_id,
            account,
            active,
        )

    async def account(self) -> str:
        [practitioner] = await self.desk.control("people", {"role": "practitioner", "count": 1})
        return str(practitioner["account"])

    async def charged(self, minutes: float = 4, *, account: str | None = None, **options: Any) -> Room:
        """A session that was captured; its transfer is wanted and waits."""
        account = account or await self.account()
        room = await self.desk.ended(minutes, **options)
        await self.practise(room, account)
        await self.desk.settle(room, destination=account, transfer_delay_ms=HOUR_MS)
        await self.run()
        return room

    async def run(self, after_ms: int = 0) -> None:
        """Let time pass, and the payments worker do all there is."""
        self.desk.wait(after_ms)
        for _ in range(8):
            if not await self.desk.payments().run_once():
                return

    async def transferred(self, minutes: float = 4, *, account: str | None = None, **options: Any) -> Room:
        room = await self.charged(minutes, account=account, **options)
        await self.run(2 * HOUR_MS)
        assert await self.desk.at_stripe("transfers", room)
        return room

    async def hear(self, kind: str, object_id: str) -> None:
        """Wait for an event and apply what came."""
        await self.desk.arrived(kind, object_id)
        while await self.desk.webhooks().run_once():
            pass

    async def broken(self) -> list[str]:
        """The invariants that do not hold of this test's sessions; other tests took their operations away."""
        now_ms, ours = self.desk.now_ms(), {*self.desk.rooms, None}
        return [
            name
            for name in invariant.names()
            for row in await invariant.broken(self.desk.pool, name, now_ms=now_ms)
            if row.get("session_id") in ours
        ]


async def open_office(desk: Desk, http: aiohttp.ClientSession, redis: Redis) -> Office:
    """Serve the routes. Close the client when done."""
    tokens = Tokens(
        issuer=ISSUER,
        jwks_url="http://127.0.0.1:9/none",
        http=http,
        now_s=time.time,
        require_aal2=True,
        secret=SECRET,
    )
    offer: Any = partial(Offer, limits=Limits(), fee_bps=2_000, environment=ENVIRONMENT, return_url=desk.hub)
    absent_offer = {name: 0 for name in Offer.__dataclass_fields__ if name not in offer.keywords}
    parts: dict[str, Any] = {
        "identity": tokens,
        "moderation": Moderation(redis),
        "pool": desk.pool,
        "periods": periods(),
        "keyring": desk.keyring(),
        "now_ms": desk.now_ms,
        "stripe": desk.gateway,
        "refund_alone_minor": ALONE_MINOR,
        "offer": offer(**absent_offer),
    }
    # What these routes have no use for is not there at all.
    absent: dict[str, Any] = dict.fromkeys(set(Hub.__dataclass_fields__) - set(parts))
    hub = Hub(**absent, **parts)
    app = web.Application()
    app.add_routes(table(hub, [*admin.ROUTES, *payouts.ROUTES, *fraud.ROUTES]))
    client = TestClient(TestServer(app))
    await client.start_server()
    return Office(desk, client, UserId(str(uuid4())), UserId(str(uuid4())))


def token(user_id: UserId, role: Role, *, aal: str = "aal2") -> str:
    now_s = int(time.time())
    claims = {
        "iss": ISSUER, "aud": "authenticated", "role": "authenticated", "sub": user_id,
        "session_id": str(uuid4()), "iat": now_s, "exp": now_s + 3600, "email": "a@example.com",
        "app_metadata": {"role": role}, "user_metadata": {"name": "A"}, "aal": aal,
    }  # fmt: skip
    return jwt.encode(claims, SECRET, algorithm="HS256")
