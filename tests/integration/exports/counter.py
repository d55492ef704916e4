"""The routes of exports over real HTTP, and the worker behind them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from redis.asyncio import Redis

from hub.hub import Filing
from hub.routes import downloads, exports, people
from hub.routes.answer import table
from hub.workers.exports import Exports
from store.privacy.blobs import CHUNK_BYTES
from store.redis.allowances import Allowances
from store.redis.connect import connect as connect_redis
from store.redis.notices import Notices
from tests.integration.exports.workshop import KEEP_MS, LEASE_MS, Workshop
from tests.integration.postgres.people_desk import Desk, Someone, open_desk


@dataclass
class Counter:
    """The routes, and the worker behind them."""

    desk: Desk
    redis: Redis

    async def ready(self, who: Someone) -> Any:
        """An export that can be had."""
        asked = await who.done("POST", "/v1/me/exports")
        duty = Exports(
            self.desk.pool, Notices(self.redis), self.desk.hub.keyring, now_ms=lambda: self.desk.now_ms,
            lease_ms=LEASE_MS, keep_ms=KEEP_MS,
        )  # fmt: skip
        assert await duty.make(asked["id"])
        return await who.get(f"/v1/me/exports/{asked['id']}")

    async def part(self, who: Someone, made: Any, asked: str | None, **more: str) -> tuple[int, bytes, Any]:
        headers = {**who.headers, **({} if asked is None else {"Range": asked}), **more}
        async with self.desk.client.get(made["url"], headers=headers) as response:
            return response.status, await response.read(), response.headers

    async def long(self, who: Someone) -> Any:
        """One of several pieces: much of it is a name of a device that compresses badly."""
        for number in range(40):
            await self.desk.pool.execute(
                "insert into blobs (id, subject_id, kind, media_type, size_bytes, chunks, created_at_ms)"
                " select gen_random_uuid(), $1, 'kept', 'text/' || gen_random_uuid(), n, 0, $2"
                " from generate_series(1, 250) n",
                who.id, number,
            )  # fmt: skip
        made = await self.ready(who)
        assert made["size_bytes"] > 2 * CHUNK_BYTES
        return made


@asynccontextmanager
async def open_counter(workshop: Workshop) -> AsyncIterator[Counter]:
    """The routes of exports on the workshop's stores."""
    redis = connect_redis(workshop.redis_url)
    async with open_desk(workshop.pool, workshop.redis_url) as desk:
        await desk.hub.keyring.check()
        filing = Filing(allowances=Allowances(redis), per_hour=0, keep_ms=0)
        desk.hub = _with(desk.hub, filing=filing, exports_per_week=1)
        app = web.Application()
        app.add_routes(table(desk.hub, [*downloads.ROUTES, *exports.ROUTES, *people.ROUTES]))
        async with TestClient(TestServer(app)) as client:
            desk.client = client
            yield Counter(desk, redis)
    await redis.aclose()


def _with(hub: Any, **parts: Any) -> Any:
    return type(hub)(**{name: parts.get(name, getattr(hub, name)) for name in hub.__dataclass_fields__})
