"""The routes about people over real HTTP, on real stores, with a clock that the test moves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import uuid4

import aiohttp
import asyncpg
import jwt
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from config.retention import periods
from hub.drawing import Drawing
from hub.edge.auth import Tokens
from hub.hub import Hub, to_nobody
from hub.identity import Identity
from hub.live import Live
from hub.routes import (
    access,
    analytics,
    applications,
    avatars,
    consents,
    data_requests,
    erasure,
    legal_holds,
    people,
    policies,
    practice,
    profile,
    sessions,
)
from hub.routes.answer import table
from hub.safety.block_cache import Blocks
from hub.tasks import Tasks
from hub.watchers import Watchers
from rooms.ids import HubId, Role, UserId
from store.privacy.keys import Keyring
from store.redis.connect import connect as connect_redis
from store.redis.directory import Directory
from store.redis.moderation import Moderation
from store.redis.notices import Notices
from store.redis.people import People
from store.redis.revocations import Revocations
from store.redis.rooms import Rooms

T0 = 1_790_000_000_000
SECRET = b"a secret for these tests alone, of 40 bytes"
ISSUER = "https://auth.example/auth/v1"
TOPICS = (
    people, profile, avatars, practice, applications, consents, analytics, policies, erasure, data_requests,
    legal_holds, sessions, access,
)  # fmt: skip

Answer = tuple[int, Any]


@dataclass
class Desk:
    """A hub's routes and who asks them. `now_ms` is the time of all of it."""

    pool: asyncpg.Pool
    client: "TestClient[Any, Any]" = field(init=False)
    hub: Hub = field(init=False)
    now_ms: int = T0

    def someone(self, role: Role = "guest") -> "Someone":
        return Someone(self, UserId(str(uuid4())), role)

    async def adult(self, role: Role = "guest") -> "Someone":
        person = self.someone(role)
        await person.change(adult=True)
        return person


@dataclass
class Someone:
    """A person with a token."""

    desk: Desk
    id: UserId
    role: Role

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {token(self.id, self.role)}"}

    async def ask(self, method: str, path: str, body: object = None, **more: Any) -> Answer:
        kept: dict[str, Any] = {"json": body} if body is not None else {}
        headers = {**self.headers, **more.pop("headers", {})}
        async with self.desk.client.request(method, path, headers=headers, **kept, **more) as response:
            if response.content_type == "application/json":
                return response.status, await response.json()
            return response.status, await response.read()

    async def get(self, path: str) -> Any:
        status, answer = await self.ask("GET", path)
        assert status == 200, answer
        return answer

    async def done(self, method: str, path: str, body: object = None, **more: Any) -> Any:
        status, answer = await self.ask(method, path, body, **more)
        assert status == 200, answer
        return answer

    async def refusal(
        self, method: str, path: str, body: object = None, **more: Any
    ) -> tuple[str, list[str]]:
        """The code, and which fields are named."""
        status, answer = await self.ask(method, path, body, **more)
        assert status >= 400, answer
        assert status != 503, answer
        return answer["error"]["code"], sorted(answer["error"].get("fields") or {})

    async def change(self, **fields: object) -> Any:
        me = await self.get("/v1/me")
        return await self.done("PATCH", "/v1/me", {"version": me["version"], **fields})


def token(user_id: UserId, role: Role) -> str:
    claims = {
        "iss": ISSUER, "aud": "authenticated", "role": "authenticated", "sub": user_id,
        "session_id": str(uuid4()), "iat": T0 // 1000, "exp": T0 // 1000 + 3600, "email": "new@example.com",
        "app_metadata": {"role": role}, "user_metadata": {"name": "New"}, "aal": "aal1",
    }  # fmt: skip
    return jwt.encode(claims, SECRET, algorithm="HS256")


@asynccontextmanager
async def open_desk(pool: asyncpg.Pool, valkey: str) -> AsyncIterator[Desk]:
    redis, tasks, desk = connect_redis(valkey), Tasks(), Desk(pool)
    here = lambda: HubId("hub")  # noqa: E731
    directory, live_people = Directory(redis), People(redis)

    async def unheard(_: HubId) -> dict[Any, int]:
        return {}

    async with aiohttp.ClientSession() as http:
        tokens = Tokens(
            issuer=ISSUER, jwks_url="http://127.0.0.1:9/none", http=http, now_s=lambda: T0 // 1000,
            require_aal2=False, secret=SECRET,
        )  # fmt: skip
        rooms = Rooms(redis, hub=here, tell=lambda _room, _news, _now_ms: [])
        live = Live(
            rooms, live_people, directory, heard_here=lambda _: {}, heard_elsewhere=unheard, here=here
        )
        keyring = Keyring(bytes(32), pool, now_ms=lambda: desk.now_ms)
        await keyring.check()
        parts = {
            "identity": Identity(tokens, Revocations(redis)), "pool": pool, "live": live,
            "people": live_people, "directory": directory, "drawing": Drawing(), "announce": to_nobody,
            "keyring": keyring, "now_ms": lambda: desk.now_ms,
            "spawn": tasks.spawn, "moderation": Moderation(redis),
            "blocks": Blocks(pool, Watchers(), directory), "watchers": Watchers(), "notices": Notices(redis),
            "sockets_of": lambda _: [], "periods": periods(), "erasure_grace_ms": 7 * 86_400_000,
        }  # fmt: skip
        absent: dict[str, Any] = dict.fromkeys(set(Hub.__dataclass_fields__) - set(parts))
        desk.hub = Hub(**absent, **cast(dict[str, Any], parts))
        app = web.Application(client_max_size=512 * 1024)
        app.add_routes(table(desk.hub, [route for topic in TOPICS for route in topic.ROUTES]))
        app.add_routes(erasure.Receipts(pool).routes())
        async with TestClient(TestServer(app)) as client:
            desk.client = client
            yield desk
    await tasks.end()
    await redis.aclose()
