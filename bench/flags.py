"""How long after somebody has sent a message that a rule flags the moderator has its case, under load.

Two hubs and a worker, PostgreSQL that writes through to disk, Valkey, the sandbox, each a process of its own,
share this machine's cores with the clients. Rooms talk at a steady rate, their guests on one hub, their
practitioners and the moderator on the other. Each message is due at a moment fixed beforehand, and time
counts from there: a system that falls behind is not spared by asking it less.
"""

import argparse
import asyncio
import itertools
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from bench.table import percentile
from sandbox.postgres import running_postgres
from sandbox.visitor import Json, Visitor
from store.postgres.migrate import migrate
from tests.acceptance.scene import Scene
from tests.stack import Stack
from tests.unit.rooms.safety.labelled import lines

GOAL_MS = 500.0
SECONDS_MAX = 60
ARRIVES_WITHIN_S = 20.0
FLAGGED = (
    "I'm 15",
    "some days I want to die",
    "paypal me 50 dollars",
    "mail me: anna@gmail.com",
    "look at https://www.paypal.com@pay.example.com/session",
)
"""Delivered and flagged, delivered with help, held, held, blocked."""


class Talk(NamedTuple):
    """What was said and what came of it, in seconds of this process's clock."""

    due_s: dict[str, float]
    answered_s: list[float]
    late_s: list[float]


class Moderator(Visitor):
    """A moderator who notes when each case came first, by its message."""

    def __init__(self, hub: str, person: Json) -> None:
        super().__init__(hub, person)
        self.had_s: dict[str, float] = {}
        self.news = asyncio.Event()

    def _hear(self, event: str, *args: Any) -> None:
        if event == "moderation:flag":
            self.had_s.setdefault(str(args[0]["flag"]["message_id"]), time.perf_counter())
            self.news.set()
        super()._hear(event, *args)


async def run(arguments: Sequence[str]) -> None:
    """Measure, print, and write `flags.json`. `--rooms`, `--per-second`, `--flagged`, `--seconds`."""
    options = _options(arguments)
    async with _stage(options.rooms) as (moderator, rooms):
        await _talk(rooms, options, seconds=2.0)
        talk = await _talk(rooms, options, seconds=options.seconds)
        await _all_arrived(moderator, talk)
    took_ms = [
        (moderator.had_s[id_] - due_s) * 1000 for id_, due_s in talk.due_s.items() if id_ in moderator.had_s
    ]
    if len(took_ms) < 2:
        raise SystemExit("no case reached the moderator")
    figures = _figures(options, talk, took_ms)
    directory = Path(os.environ.get("DATA_DIR") or ".data") / "bench"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "flags.json").write_text(json.dumps(figures, indent=2) + "\n")
    sys.stdout.write(_report(figures))


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench flags", description=__doc__)
    parser.add_argument("--rooms", type=int, default=20)
    parser.add_argument("--per-second", type=float, default=20.0, help="messages, of all rooms together")
    parser.add_argument("--flagged", type=float, default=0.2, help="share of the messages, up to 1")
    parser.add_argument("--seconds", type=float, default=30.0, help=f"at most {SECONDS_MAX}")
    options = parser.parse_args(arguments)
    if not (0 < options.seconds <= SECONDS_MAX and 0 < options.flagged <= 1 and options.rooms > 0):
        parser.error(f"rooms and seconds are above 0, seconds up to {SECONDS_MAX}, flagged up to 1")
    return options


@asynccontextmanager
async def _stage(count: int) -> AsyncIterator[tuple[Moderator, list[tuple[Visitor, Visitor, str]]]]:
    """Live rooms, and a moderator who watches on the other hub."""
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="allinya-bench-")))
        database = stack.enter_context(running_postgres(directory / "postgres", durable=True))
        await migrate(database.owner_dsn)
        system = Stack(directory / "stack", database)
        stack.callback(system.stop)
        await asyncio.to_thread(system.start)
        scene = Scene(system)
        stack.push_async_callback(scene.close)
        rooms = [await scene.couple() for _ in range(count)]
        moderator = Moderator(system.hub_urls[1], await scene.person("moderator"))
        scene.visitors.append(moderator)
        await moderator.connect()
        await moderator.ask("moderation:watch")
        yield moderator, rooms


async def _talk(
    rooms: Sequence[tuple[Visitor, Visitor, str]], options: argparse.Namespace, *, seconds: float
) -> Talk:
    """One message after the other, room by room, each at its moment; some of the guests' are flagged."""
    ordinary = itertools.cycle([line.messages[0] for line in lines("ordinary") if len(line.messages) == 1])
    flagged = itertools.cycle(FLAGGED)
    talk, began_s, owing = Talk({}, [], []), time.perf_counter(), 0.0
    async with asyncio.TaskGroup() as tasks:
        for number in range(round(seconds * options.per_second)):
            due_s = began_s + number / options.per_second
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            guest, host, session_id = rooms[number % len(rooms)]
            owing += options.flagged
            is_flagged = owing >= 1
            owing -= is_flagged
            who = guest if is_flagged or number // len(rooms) % 2 == 0 else host
            text = next(flagged if is_flagged else ordinary)
            tasks.create_task(_say(talk, who, session_id, text, due_s, is_flagged=is_flagged))
    return talk


async def _say(
    talk: Talk, who: Visitor, session_id: str, text: str, due_s: float, *, is_flagged: bool
) -> None:
    talk.late_s.append(time.perf_counter() - due_s)
    client_id = f"{due_s:.9f}"
    sent = await who.ask("chat:send", session_id=session_id, client_id=client_id, text=text)
    talk.answered_s.append(time.perf_counter() - due_s)
    if is_flagged:
        talk.due_s[sent["id"]] = due_s


async def _all_arrived(moderator: Moderator, talk: Talk) -> None:
    """Wait for what is under way, but not for ever: what never comes is counted as missing."""
    with suppress(TimeoutError):
        async with asyncio.timeout(ARRIVES_WITHIN_S):
            while talk.due_s.keys() - moderator.had_s.keys():
                moderator.news.clear()
                await moderator.news.wait()


def _figures(options: argparse.Namespace, talk: Talk, took_ms: list[float]) -> dict[str, Any]:
    return {
        "benchmark": "flags",
        "load": {
            "rooms": options.rooms,
            "messages_per_s": options.per_second,
            "flagged_share": options.flagged,
            "seconds": options.seconds,
            "messages": len(talk.answered_s),
            "flagged": len(talk.due_s),
        },
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "flag_to_moderator_ms": _spread(took_ms),
        "never_arrived": len(talk.due_s) - len(took_ms),
        "send_to_answer_ms": _spread([took_s * 1000 for took_s in talk.answered_s]),
        "sent_late_ms": _spread([late_s * 1000 for late_s in talk.late_s]),
        "goal_p95_ms": GOAL_MS,
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    shares = {"median": 50, "p95": 95, "p99": 99, "most": 100}
    return {name: round(percentile(values, share), 1) for name, share in shares.items()}


def _report(figures: dict[str, Any]) -> str:
    load, cores = figures["load"], figures["machine"]["cores"]
    names = {
        "flag_to_moderator_ms": "from sending to the moderator",
        "send_to_answer_ms": "from sending to the answer, all messages",
        "sent_late_ms": "sent later than due, for this machine's own sake",
    }
    rows = [f"{'':<50}{'median':>9}{'p95':>9}{'p99':>9}{'most':>9}  unit"]
    for key, name in names.items():
        rows.append(f"{name:<50}" + "".join(f"{value:>9.1f}" for value in figures[key].values()) + "  ms")
    met = figures["flag_to_moderator_ms"]["p95"] < GOAL_MS and not figures["never_arrived"]
    return (
        f"flags: {load['rooms']} rooms, {load['messages_per_s']:g} messages/s for {load['seconds']:g} s, "
        f"{load['flagged']} of {load['messages']} flagged, two hubs, one worker, {cores} cores\n\n"
        + "\n".join(rows)
        + f"\n\nnever arrived: {figures['never_arrived']}; "
        + f"p95 below {GOAL_MS:g} ms: {'yes' if met else 'NO'}\n"
    )
