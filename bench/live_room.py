"""What a live room with hundreds of people costs: to come in, to talk, and to keep.

Two hubs and a worker, PostgreSQL, Valkey and the sandbox, each a process of its own, share this machine's
cores with the clients. All knock at once, the host lets them in one after the other, all join at once; then
some of them talk at a steady rate and every message is counted at every member.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import redis

from bench.table import percentile
from sandbox.postgres import running_postgres
from sandbox.visitor import Json, Visitor
from store.postgres.migrate import migrate
from tests.acceptance.scene import Scene
from tests.stack import Stack

UNHURRIED = {"EVENTS_PER_SECOND": "100000", "EVENTS_BURST": "100000", "CHAT_PER_SECOND": "0"}
ADMITTING = 16
"""Wishes of one line that are under way; more are refused until it has answers."""
CONNECTING = 20
"""Lines that are opened at once; what that costs is measured elsewhere."""


class Member(Visitor):
    """Somebody in the room who counts what they are told, and keeps none of it."""

    def __init__(self, hub: str, person: Json) -> None:
        super().__init__(hub, person)
        self.counts: dict[str, int] = {}
        self.seqs: list[int] = []
        self.late_s: list[float] = []

    def _hear(self, event: str, *args: Any) -> None:
        self.counts[event] = self.counts.get(event, 0) + 1
        if event == "chat:message":
            self.seqs.append(args[0]["seq"])
            self.late_s.append(time.perf_counter() - float(args[0]["text"].split()[-1]))
        if event in ("lobby:state", "session:state"):
            super()._hear(event, *args)


class Usage(NamedTuple):
    """What was used up to a moment: seconds of processor by the hubs, and bytes that went into the store."""

    hubs_s: float
    store_s: float
    store_bytes: int
    commands: int


async def run(arguments: Sequence[str]) -> None:
    """Measure, print, and write `live_room.json`. `--members`, `--per-second`, `--seconds`."""
    options = _options(arguments)
    figures: dict[str, Any] = {"members": options.members, "machine": platform.platform()}
    async with _stage(options.members) as (scene, host, members):
        price = {"kind": "free"}
        asked = {"title": "A large circle", "seats": options.members, "price": price}
        room_id = (await host.post("/v1/live-rooms", asked))["id"]
        await host.ask("room:join", session_id=room_id)
        everyone = list(members)

        async def knock(one: Visitor) -> None:
            await one.ask("room:knock", session_id=room_id, request_id="k")

        gate = asyncio.Semaphore(ADMITTING)

        async def admit(one: Visitor) -> None:
            async with gate:
                await host.ask("room:admit", session_id=room_id, user_id=one.id)

        async def join(one: Visitor) -> None:
            await one.ask("room:join", session_id=room_id)

        for name, step in (("knock", knock), ("admit", admit), ("join", join)):
            figures[name] = await _all(scene, room_id, everyone, step)
            print(name, json.dumps(figures[name]), file=sys.stderr)
        figures["chat"] = await _talk(scene, room_id, [host, *everyone], options)
        figures["blob_bytes"] = _blob_bytes(scene, room_id)
        figures["join_again"] = await _all(scene, room_id, everyone[:50], _back(room_id))
        before = time.perf_counter()
        await host.ask("session:end", session_id=room_id)
        figures["end_answered_ms"] = round((time.perf_counter() - before) * 1000, 1)
        figures["settled_after_s"] = await _settled(scene, room_id, before)
    directory = Path(os.environ.get("DATA_DIR") or ".data") / "bench"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "live_room.json").write_text(json.dumps(figures, indent=1))
    print(json.dumps(figures, indent=1))


def _back(room_id: str) -> Callable[[Visitor], Awaitable[None]]:
    async def leave_and_join(one: Visitor) -> None:
        await one.ask("room:leave", session_id=room_id)
        await one.ask("room:join", session_id=room_id, after_seq=0)

    return leave_and_join


async def _all(
    scene: Scene, room_id: str, people: list[Member], step: Callable[[Visitor], Awaitable[None]]
) -> Json:
    """Everybody at once; how long each waited for their answer, and what it took."""
    took_ms: list[float] = []

    async def one(member: Member) -> None:
        begun = time.perf_counter()
        await step(member)
        took_ms.append((time.perf_counter() - begun) * 1000)

    version, before, begun = _version(scene, room_id), _usage(scene), time.perf_counter()
    await asyncio.gather(*map(one, people))
    wall_s, after = time.perf_counter() - begun, _usage(scene)
    changes = _version(scene, room_id) - version
    return {
        "p50_ms": round(statistics.median(took_ms), 1),
        "p99_ms": round(percentile(took_ms, 99), 1),
        "wall_s": round(wall_s, 2),
        "hub_cpu_ms_each": round((after.hubs_s - before.hubs_s) * 1000 / len(people), 2),
        "store_cpu_ms_each": round((after.store_s - before.store_s) * 1000 / len(people), 2),
        "changes": changes,
        "store_bytes_a_change": (after.store_bytes - before.store_bytes) // max(1, changes),
        "blob_bytes": _blob_bytes(scene, room_id),
    }


async def _talk(scene: Scene, room_id: str, people: list[Member], options: argparse.Namespace) -> Json:
    told = sum(one.counts.get("chat:message", 0) for one in people)
    before, begun = _usage(scene), time.perf_counter()
    count = options.per_second * options.seconds
    answered: list[float] = []

    async def say(n: int) -> None:
        await asyncio.sleep(max(0.0, begun + n / options.per_second - time.perf_counter()))
        at = time.perf_counter()
        speaker = people[n % min(len(people), 10)]
        text = f"thought {n} of many {at:.6f}"
        await speaker.ask("chat:send", session_id=room_id, client_id=f"m{n}", text=text)
        answered.append((time.perf_counter() - at) * 1000)

    await asyncio.gather(*(say(n) for n in range(count)))
    wanted = told + count * len(people)
    while (heard := sum(one.counts.get("chat:message", 0) for one in people)) < wanted:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    after = _usage(scene)
    late_ms = [late * 1000 for one in people for late in one.late_s]
    for one in people:
        if one.seqs != list(range(1, len(one.seqs) + 1)):
            raise SystemExit("a member missed a message, or had it twice or out of order")
    return {
        "messages": count,
        "deliveries": heard - told,
        "answered_p50_ms": round(statistics.median(answered), 1),
        "answered_p99_ms": round(percentile(answered, 99), 1),
        "heard_p50_ms": round(statistics.median(late_ms), 1),
        "heard_p99_ms": round(percentile(late_ms, 99), 1),
        "hub_cpu_us_a_delivery": round((after.hubs_s - before.hubs_s) * 1e6 / (heard - told), 1),
        "store_cpu_us_a_message": round((after.store_s - before.store_s) * 1e6 / count, 1),
        "store_bytes_a_message": (after.store_bytes - before.store_bytes) // count,
    }


async def _settled(scene: Scene, room_id: str, since: float) -> float:
    while True:
        rows = await scene.sql("select state from sessions where id = $1", room_id)
        if rows[0]["state"] == "settled":
            return round(time.perf_counter() - since, 2)
        await asyncio.sleep(0.2)


def _usage(scene: Scene) -> Usage:
    ticks = os.sysconf("SC_CLK_TCK")
    hubs_s = 0.0
    for web in scene.stack.webs.values():
        fields = Path(f"/proc/{web.process.pid}/stat").read_text().rpartition(")")[2].split()
        hubs_s += (int(fields[11]) + int(fields[12])) / ticks
    with redis.Redis.from_url(scene.stack.valkey.url) as store:
        info: Any = store.info()
    store_s = info["used_cpu_sys"] + info["used_cpu_user"]
    return Usage(hubs_s, store_s, info["total_net_input_bytes"], info["total_commands_processed"])


def _room(room_id: str) -> str:
    return f"room:{{b{room_id[-2:]}}}:{room_id}"


def _version(scene: Scene, room_id: str) -> int:
    with redis.Redis.from_url(scene.stack.valkey.url) as store:
        return int(store.hget(_room(room_id), "version") or 0)


def _blob_bytes(scene: Scene, room_id: str) -> int:
    with redis.Redis.from_url(scene.stack.valkey.url) as store:
        return int(store.hstrlen(_room(room_id), "blob"))


@asynccontextmanager
async def _stage(members: int) -> AsyncIterator[tuple[Scene, Member, list[Member]]]:
    """A host and their guests, each with a line, spread over two hubs."""
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        with running_postgres(directory / "postgres", durable=True) as database:
            await migrate(database.owner_dsn)
            stack = await asyncio.to_thread(Stack(directory / "stack", database, settings=UNHURRIED).start)
            scene = Scene(stack)
            try:
                (leader,) = await scene.people("practitioner", 1)
                people = [one for _ in range(0, members, 100) for one in await scene.people("guest", 100)]
                host = Member(stack.hub_urls[0], leader)
                guests = [Member(stack.hub_urls[n % 2], one) for n, one in enumerate(people[:members])]
                scene.visitors += [host, *guests]
                gate = asyncio.Semaphore(CONNECTING)

                async def connect(one: Member) -> None:
                    async with gate:
                        await one.connect()

                await asyncio.gather(*map(connect, (host, *guests)))
                yield scene, host, guests
            finally:
                await scene.close()
                stack.stop()


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench live-room")
    parser.add_argument("--members", type=int, default=500)
    parser.add_argument("--per-second", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=10)
    return parser.parse_args(arguments)
