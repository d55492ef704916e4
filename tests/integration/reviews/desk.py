"""A hub of which reviews, moderators' decisions and waiting are there, and settled sessions to review."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import asyncpg
import uuid_utils
from redis.asyncio import Redis

from hub.hub import Filing, Hub
from hub.moderation.flagging import Flagging
from hub.safety import rules
from hub.safety.block_cache import Blocks
from hub.safety.judging import Safety
from hub.tasks import Job
from hub.watchers import Watchers
from rooms.ids import SessionId, UserId
from store.postgres.pool import erasing
from store.redis.allowances import Allowances
from store.redis.directory import Directory
from tests.integration.safety.office import Clock, hub_of

BOOK = rules.load()
MINUTE_MS = 60_000
DAY_MS = 86_400_000


@dataclass
class Desk:
    """`hub` works as `hub_worker`, `owner` may do anything. `spawned` are jobs that nobody has run yet."""

    hub: Hub
    owner: asyncpg.Pool
    clock: Clock
    spawned: list[tuple[str, Job]] = field(default_factory=list)

    async def person(self, role: str, name: str = "Ada Lovelace") -> UserId:
        user_id = UserId(str(uuid4()))
        await self.owner.execute(
            "insert into people (id, role, name, adult, created_at_ms) values ($1, $2, $3, true, 1)",
            user_id, role, name,
        )  # fmt: skip
        return user_id

    async def practitioner(self, name: str = "Grace Hopper") -> UserId:
        user_id = await self.person("practitioner", name)
        await self.owner.execute(
            "insert into practices (practitioner_id, rate_minor_per_minute, currency, verified_at_ms,"
            " transfers_active) values ($1, 300, 'usd', 1, true)",
            user_id,
        )
        return user_id

    async def settled(
        self,
        guest: UserId,
        host: UserId,
        *,
        paid_ms: int = 5 * MINUTE_MS,
        free_ms: int = 0,
        waived: str | None = None,
        state: str = "settled",
        refunded_minor: int = 0,
        settle: bool = True,
    ) -> SessionId:
        """A session that ended now, as it is on record."""
        session_id = SessionId(str(uuid_utils.uuid7()))
        await self.owner.execute(
            "insert into sessions (id, kind, state, practitioner_id, seats, price_kind, currency,"
            " rate_minor_per_minute, free_ms, fee_bps, minimum_minor, cap_minor, requested_at_ms, live_at_ms,"
            " ended_at_ms)"
            " values ($1, 'instant', $2, $3, 1, 'per_minute', 'usd', 300, $4, 0, 50, 100000, $5, $5, $5)",
            session_id, state, host, free_ms, self.clock.ms,
        )  # fmt: skip
        for no, (user_id, role) in enumerate(((host, "practitioner"), (guest, "guest"))):
            await self.owner.execute(
                "insert into participants values ($1, $2, $3, $4)", session_id, no, user_id, role
            )
        if settle:
            total = 0 if waived else paid_ms * 300 // MINUTE_MS
            await self.owner.execute(
                "insert into settlements (session_id, participant_no, billed_ms, free_ms,"
                " rate_minor_per_minute, subtotal_minor, fee_minor, practitioner_minor, total_minor,"
                " currency, waived, created_at_ms)"
                " values ($1, 1, $2, $3, 300, $4, 0, $4, $4, 'usd', $5, 1)",
                session_id, paid_ms + free_ms, free_ms, total, waived,
            )  # fmt: skip
        if refunded_minor:
            await self.owner.execute(
                "insert into payment_ops (session_id, participant_no, kind, ordinal, amount_minor, currency,"
                " params, idem_key, state, created_at_ms, next_at_ms)"
                " values ($1, 1, 'refund', 1, $2, 'usd', '{}', $3, 'succeeded', 1, 1)",
                session_id, refunded_minor, str(uuid4()),
            )  # fmt: skip
        return session_id

    async def rating(self, host: UserId) -> tuple[float | None, int]:
        row = await self.owner.fetchrow(
            "select rating::float8 as rating, rating_count from practices where practitioner_id = $1", host
        )
        assert row is not None
        return row["rating"], row["rating_count"]

    async def run_spawned(self) -> None:
        spawned, self.spawned[:] = list(self.spawned), []
        for _, job in spawned:
            await job()


def desk_of(parts: Flagging, owner: asyncpg.Pool, redis: Redis, clock: Clock, *, per_hour: int = 0) -> Desk:
    """A desk on both stores, at the clock's time."""
    spawned: list[tuple[str, Job]] = []
    more: dict[str, Any] = {
        "safety": Safety(BOOK, held_ms=60_000),
        "filing": Filing(Allowances(redis), per_hour, 180 * DAY_MS),
        "blocks": Blocks(parts.pool, Watchers(), Directory(redis)),
        "spawn": lambda name, job: spawned.append((name, job)),
    }
    return Desk(dataclasses.replace(hub_of(parts, redis, clock), **more), owner, clock, spawned)


async def forgotten(pool: asyncpg.Pool, author_id: UserId) -> None:
    """What becomes of somebody's words when they are erased: their rows go."""
    async with erasing(pool) as db:
        await db.execute("delete from review_versions where author_id = $1", author_id)
        await db.execute("delete from reviews where author_id = $1", author_id)
