"""One duty of the hub in a process of its own, which a test kills.

`worker.py DUTY DSN STRIPE_BASE [POINT[@KIND:ORDINAL] …]` runs the duty once. Wherever one of the points is
reached it says so on standard output, as `POINT KIND:ORDINAL`, and goes no further there; without any it says
`done`. Duties: `payments` (points committed, answered, recorded), `webhooks` (points read, and seen, booking
and applied of a refund that failed), `settle` (point recorded; the entry comes as `SESSION/GUEST`), `record`
(a request and its hold, as JSON), `restitution` (points giving@N and given@N, of the Nth part), `card` (the
setup intent comes first; points saved, asked). It knows no room: what it finds out reaches rooms by the next
worker, as after any crash.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import msgspec

from billing.payment import Facts, Operation, Outcome, Wanted
from billing.stripe_gateway import StripeGateway
from hub.workers import receivables, returns
from hub.workers.accounts import Accounts
from hub.workers.cards import Cards
from hub.workers.disputes import Disputes
from hub.workers.failed_refunds import FailedRefunds
from hub.workers.news import news
from hub.workers.outcomes import Outcomes
from hub.workers.payments import Payments, Point
from hub.workers.restitution import Restitutions
from hub.workers.settle import Settle
from hub.workers.webhooks import Webhooks
from rooms.errors import NotFound
from rooms.ids import SessionId, UserId
from store.postgres import admin, cases, inbox, operations, refunds, sessions
from store.postgres.pool import connect
from store.privacy.keys import Keyring
from store.records import InboxEvent, StoredMessage
from store.redis.rooms import decode_room
from store.redis.settlements import Entry
from store.redis.turns import Loaded
from tests.integration.payments.desk import DATA_KEY, ENVIRONMENT, KEY

TIMEOUT_S = 30.0
Stop = Callable[[str, str], Awaitable[None]]


def now_ms() -> int:
    return int(time.time() * 1000)


async def apply(operation: Operation, outcome: Outcome) -> None:
    raise NotFound


async def settled(session_id: SessionId) -> None:
    return


def stopping(points: list[str]) -> Stop:
    """Says that a point was reached, and stays there, if it is one of these."""

    async def reached(point: str, where: str) -> None:
        if point in points or f"{point}@{where}" in points:
            print(point, where, flush=True)
            await asyncio.Event().wait()

    return reached


class StopsAfterReading(StripeGateway):
    """A gateway that tells when it has read an intent."""

    stop: Stop

    async def intent(self, intent_id: str) -> Facts | None:
        facts = await super().intent(intent_id)
        await self.stop("read", intent_id)
        return facts


async def payments(pool: asyncpg.Pool, gateway: StripeGateway, outcomes: Outcomes, stop: Stop) -> None:
    async def reached(point: Point, operation: Operation) -> None:
        await stop(point, f"{operation.kind.value}:{operation.ordinal}")

    await Payments(pool, gateway, outcomes, now_ms=now_ms, reached=reached).run_once()


def stopping_at(module: object, name: str, stop: Stop, point: str, where: str = "it") -> None:
    """Whoever calls this from now on says first that it got there. `where` may count the calls, as `#`."""
    function: Callable[..., Awaitable[Any]] = getattr(module, name)
    calls = 0

    async def instead(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        await stop(point, where.replace("#", str(calls)))
        return await function(*given, **named)

    setattr(module, name, instead)


async def webhooks(pool: asyncpg.Pool, gateway: StripeGateway, outcomes: Outcomes, stop: Stop) -> None:
    async def offline(_: UserId) -> None:
        return

    accounts = Accounts(pool, gateway, offline=offline, now_ms=now_ms)
    disputes = Disputes(pool, gateway, environment=ENVIRONMENT, now_ms=now_ms)
    failed = FailedRefunds(pool, gateway, environment=ENVIRONMENT, now_ms=now_ms)
    stopping_at(refunds, "lock_money", stop, "seen", "refund")
    stopping_at(cases, "open_case", stop, "booking")
    stopping_at(inbox, "event_done", stop, "applied")
    also = news(accounts, disputes, failed)
    await Webhooks(pool, gateway, outcomes, now_ms=now_ms, also=also).run_once()


async def give_back(pool: asyncpg.Pool, stop: Stop) -> None:
    duty = Restitutions(pool, Keyring(DATA_KEY, pool, now_ms=now_ms), environment=ENVIRONMENT, now_ms=now_ms)
    stopping_at(returns, "stage_refund", stop, "giving", "#")
    stopping_at(admin, "note_action", stop, "given", "#")
    await duty.run_once()


async def card(pool: asyncpg.Pool, gateway: StripeGateway, setup_id: str, stop: Stop) -> None:
    duty = Cards(pool, gateway, environment=ENVIRONMENT, now_ms=now_ms)
    stopping_at(receivables, "ask_new_card", stop, "saved")
    stopping_at(operations, "insert_operations", stop, "asked")
    await duty.setup(InboxEvent("evt", "stripe", "setup_intent.succeeded", setup_id, {}, 0, 1))


class OneEntry:
    """A queue with one entry, in which the worker dies once the part is on record."""

    def __init__(self, entry: Entry, stop: Stop) -> None:
        self._entry, self._stop = entry, stop

    async def take(self, limit: int) -> list[Entry]:
        return [self._entry]

    async def done(self, entry: Entry) -> None:
        await self._stop("recorded", entry.session_id)

    async def answered(self, entry: Entry) -> None:
        """Nobody else has a part in this room."""


class Forgotten:
    """A live store that has forgotten everything: the checkpoint has to do."""

    async def load(self, session_id: SessionId) -> Loaded | None:
        return None

    async def transcript(self, session_id: SessionId) -> list[StoredMessage]:
        return []


async def settle(pool: asyncpg.Pool, named: str, stop: Stop) -> None:
    session_id, _, guest_id = named.partition("/")
    worker = Settle(
        pool=pool,
        queue=OneEntry(Entry(SessionId(session_id), UserId(guest_id), ""), stop),
        rooms=Forgotten(),
        chat=Forgotten(),
        environment=ENVIRONMENT,
        now_ms=now_ms,
        settled=settled,
        transfer_delay_ms=0,
    )
    await worker.run_once()


async def record(pool: asyncpg.Pool, room: str, hold: str) -> None:
    await sessions.insert_request(
        pool,
        decode_room(bytes.fromhex(room)),
        environment=ENVIRONMENT,
        hold=msgspec.json.decode(hold, type=Wanted),
        now_ms=now_ms(),
    )


async def main(duty: str, dsn: str, base: str, points: list[str]) -> None:
    stop = stopping(points)
    pool = await connect(dsn, size=4)
    gateway = StopsAfterReading(KEY, api_base=f"{base}/stripe", timeout_s=TIMEOUT_S)
    gateway.stop = stop
    outcomes = Outcomes(pool, apply=apply, settled=settled, now_ms=now_ms, environment=ENVIRONMENT)
    print("started", flush=True)
    match duty:
        case "payments":
            await payments(pool, gateway, outcomes, stop)
        case "webhooks":
            await webhooks(pool, gateway, outcomes, stop)
        case "settle":
            await settle(pool, points[0], stop)
        case "restitution":
            await give_back(pool, stop)
        case "card":
            await card(pool, gateway, points[0], stop)
        case "record":
            await record(pool, *points)
    print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]))
