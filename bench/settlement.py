"""How many sessions one worker puts on record and charges in a second, and what each of them costs.

PostgreSQL writes through to disk, Valkey keeps its file, Stripe is the sandbox in a process of its own. All
of them share this machine's cores with the worker.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import aiohttp
import asyncpg
import stripe

from bench.counting import CountedRedis, CountingGateway, Counts, count_statements
from bench.ended_sessions import ENVIRONMENT, HUB, Sessions, apply
from bench.table import Line, show
from bench.vendors import sandbox
from hub import wall_clock
from hub.workers.outcomes import Outcomes
from hub.workers.payments import Payments
from hub.workers.settle import Settle
from rooms.ids import SessionId
from sandbox.postgres import running_postgres
from sandbox.valkey import running_valkey
from store.postgres import pool as postgres
from store.postgres import sessions
from store.postgres.migrate import migrate
from store.redis.chat import Chat
from store.redis.connect import connect as connect_redis
from store.redis.rooms import Rooms
from store.redis.settlements import SettlementQueue

KEY = "sk_test_bench"
POOL = 10
LANES = 2
CHARGED = "select count(*) from sessions where settled_at_ms is null"


class Worker(NamedTuple):
    """One worker's two duties, and what they work on."""

    settle: Settle
    payments: Payments
    made: Sessions
    pool: asyncpg.Pool
    counts: Counts


class Round(NamedTuple):
    """What one round took, in seconds, and what went over the wires, per session."""

    recorded_s: float
    charged_s: float
    together_s: float
    record: Counts
    charge: Counts


async def run(arguments: Sequence[str]) -> None:
    """Measure and print. `--sessions` a round, `--messages` a session, `--rounds`, `--statements` to list."""
    options = _options(arguments)
    async with _worker(options.messages) as worker:
        rounds = []
        for number in range(options.rounds + 1):
            measured = await _round(worker, options.sessions)
            # The first one prepares statements and fills caches.
            rounds += [measured] if number else []
    sys.stdout.write(_report(options, rounds))


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench settlement", description=__doc__)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--messages", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--statements", action="store_true", help="list what is sent to PostgreSQL")
    return parser.parse_args(arguments)


async def _round(worker: Worker, count: int) -> Round:
    await _wait_over(worker, count)
    worker.counts.clear()
    with CountedRedis(worker.counts):
        recorded_s = await _timed(partial(_until_recorded, worker, count))
    record = Counter(worker.counts)
    worker.counts.clear()
    charged_s = await _timed(partial(_until_charged, worker))
    charge = Counter(worker.counts)
    await _wait_over(worker, count)
    together_s = await _timed(partial(_both, worker, count))
    return Round(recorded_s, charged_s, together_s, record, charge)


async def _wait_over(worker: Worker, count: int) -> None:
    """As many sessions are over, their holds placed, and wait to be put on record."""
    asked = await worker.made.request(count)
    while await worker.payments.run_once():
        pass
    await worker.made.live_through(asked)


async def _until_recorded(worker: Worker, count: int) -> None:
    done = 0
    while done < count:
        done += await worker.settle.run_once()


async def _until_charged(worker: Worker) -> None:
    async def lane() -> None:
        while await worker.pool.fetchval(CHARGED):
            await worker.payments.run_once()

    await asyncio.gather(*(lane() for _ in range(LANES)))


async def _both(worker: Worker, count: int) -> None:
    recording = asyncio.ensure_future(_until_recorded(worker, count))

    async def lane() -> None:
        while not recording.done() or await worker.pool.fetchval(CHARGED):
            await worker.payments.run_once()

    await asyncio.gather(recording, *(lane() for _ in range(LANES)))


async def _timed(work: Callable[[], Awaitable[None]]) -> float:
    began_s = time.perf_counter()
    await work()
    return time.perf_counter() - began_s


def _report(options: argparse.Namespace, rounds: list[Round]) -> str:
    count = options.sessions

    def rate(name: str, took_s: Callable[[Round], float]) -> Line:
        return Line(name, "sessions/s", [count / took_s(one) for one in rounds])

    def cost(name: str, counts: Callable[[Round], Counts], what: str) -> Line:
        return Line(name, "a session", [counts(one)[what] / count for one in rounds])

    lines = [
        rate("put on record", lambda one: one.recorded_s),
        rate("charged and settled", lambda one: one.charged_s),
        rate("both, side by side", lambda one: one.together_s),
        cost("record: statements, each a round trip", lambda one: one.record, "sql statements"),
        cost("record: round trips to Valkey", lambda one: one.record, "redis round trips"),
        cost("charge: statements, each a round trip", lambda one: one.charge, "sql statements"),
        cost("charge: calls to Stripe", lambda one: one.charge, "stripe calls"),
    ]
    said, cores = options.messages, os.cpu_count()
    text = show(f"settlement: {count} sessions of {said} messages a round, one worker, {cores} cores", lines)
    if options.statements:
        text += _statements("record", rounds[-1].record, count) + _statements(
            "charge", rounds[-1].charge, count
        )
    return text


def _statements(name: str, counts: Counts, count: int) -> str:
    named = [(seen / count, query) for query, seen in counts.most_common() if query.startswith("sql: ")]
    return f"\n{name}\n" + "".join(f"  {each:5.2f}  {query[5:]}\n" for each, query in named)


@asynccontextmanager
async def _worker(messages: int) -> AsyncIterator[Worker]:
    """A worker in this process on stores and a sandbox of its own."""
    counts: Counts = Counter()
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="allinya-bench-")))
        database = stack.enter_context(running_postgres(directory / "postgres", durable=True))
        valkey = stack.enter_context(running_valkey(directory / "valkey"))
        await migrate(database.owner_dsn)
        pool = await postgres.connect(database.hub_dsn, size=POOL)
        stack.push_async_callback(pool.close)
        await _count_in(pool, counts)
        owner = await postgres.connect(database.owner_dsn, size=POOL)
        stack.push_async_callback(owner.close)
        redis = connect_redis(valkey.url)
        stack.push_async_callback(redis.aclose)
        base = await stack.enter_async_context(sandbox(directory))
        gateway = CountingGateway(KEY, api_base=f"{base}/stripe")
        gateway.counts = counts
        stack.push_async_callback(gateway.close)
        sdk_http = stripe.AIOHTTPClient(timeout=10)
        stack.push_async_callback(sdk_http.close_async)
        vendor = stripe.StripeClient(KEY, base_addresses={"api": f"{base}/stripe"}, http_client=sdk_http)
        rooms = Rooms(redis, hub=lambda: HUB, tell=lambda _room, _news, _now_ms: [])
        chat = Chat(redis, interval_ms=0, burst=1_000_000)

        async def settled(session_id: SessionId) -> None:
            await sessions.mark_settled(pool, session_id, now_ms=wall_clock.now_ms())

        outcomes = Outcomes(
            pool, apply=apply, settled=settled, now_ms=wall_clock.now_ms, environment=ENVIRONMENT
        )
        settle = Settle(
            pool=pool,
            queue=SettlementQueue(redis, consumer="bench"),
            rooms=rooms,
            chat=chat,
            environment=ENVIRONMENT,
            now_ms=wall_clock.now_ms,
            settled=settled,
        )
        payments = Payments(pool, gateway, outcomes, now_ms=wall_clock.now_ms)
        made = Sessions(owner, rooms, chat, vendor, messages=messages)
        async with aiohttp.ClientSession() as http:
            url = f"{base}/control/people"
            async with http.post(url, json={"role": "practitioner", "count": 1}) as response:
                [practitioner] = await response.json()
        await made.prepare(str(practitioner["account"]))
        yield Worker(settle, payments, made, pool, counts)


async def _count_in(pool: asyncpg.Pool, counts: Counts) -> None:
    """Every connection of the pool is opened now and counted."""
    attach = count_statements(counts)
    async with AsyncExitStack() as taken:
        for _ in range(POOL):
            connection = await taken.enter_async_context(pool.acquire())
            await attach(connection)
