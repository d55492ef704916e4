"""One paid session between two people on two hubs, and the proof that it went on record exactly once."""

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import asyncpg

from tests.faults.caller import PATIENCE_S, Body, Caller, RefusedEvent, until
from tests.stack import Stack

RATE_MINOR = 30_000
"""A minute's price, so high that a session of seconds is worth charging."""

FINAL = {"succeeded", "canceled"}
"""Payment intents that hold nothing any more."""


@dataclass
class Record:
    """What Postgres has of a session."""

    session: Body
    settlements: list[Body]
    messages: list[Body]
    intervals: list[Body]
    operations: list[Body]


@dataclass
class Scene:
    """A session that is live between `guest` (on the last hub) and `host` (on the first)."""

    stack: Stack
    http: aiohttp.ClientSession
    guest: Caller
    host: Caller
    session_id: str = ""
    stopped_hubs: set[str] = field(default_factory=set)
    _talkers: list[asyncio.Task[None]] = field(default_factory=list)
    _talking: bool = False

    async def begin(self) -> None:
        """From online to live, as people do it."""
        await self.host.ask("practitioner:online", {})
        self.host.keep()
        self.guest.keep()
        asked = {"practitioner_id": self.host.id, "request_id": str(uuid.uuid4())}
        answer = await self.guest.ask("session:request", asked)
        self.session_id = answer["session"]["id"]
        await until(lambda: bool(self.host.events.get("session:offered")), "the offer")
        await self.host.ask("session:accept", {"session_id": self.session_id})
        await self.host.stay_in(self.session_id)
        await self.guest.stay_in(self.session_id)
        await until(self.is_live, "live")

    def is_live(self) -> bool:
        """Whether the guest was told last that the session is live."""
        return self.state(self.guest) == "live"

    def state(self, who: Caller) -> str:
        """The state of the session that this person was told last."""
        told = [e for e in who.events.get("session:state", []) if e["session"]["id"] == self.session_id]
        return str(told[-1]["session"]["state"]) if told else ""

    def talk(self, pause_s: float = 0.25) -> None:
        """Let both speak, on and on, until `hush`."""
        self._talking = True
        self._talkers = [asyncio.create_task(self._speak(who, pause_s)) for who in (self.guest, self.host)]

    async def _speak(self, who: Caller, pause_s: float) -> None:
        for number in itertools.count(1):
            if not self._talking:
                return
            try:
                await who.say(f"{who.id[-4:]} says {number}")
            except RefusedEvent as refused:
                if refused.code == "not_live":
                    return
                raise
            await asyncio.sleep(pause_s)

    async def hush(self) -> None:
        """Let both finish what they say, and hear each other out."""
        self._talking = False
        await asyncio.gather(*self._talkers)
        head = max(a.seq for a in (*self.guest.acked, *self.host.acked))
        for who in (self.guest, self.host):
            await who.has_heard(head)

    async def said(self, more: int) -> None:
        """Wait until that many more messages were acknowledged."""
        before = len(self.acked)
        await until(lambda: len(self.acked) >= before + more, "chat goes on")

    @property
    def acked(self) -> list[Any]:
        """Every message that a hub has promised to keep."""
        return [*self.guest.acked, *self.host.acked]

    async def end(self) -> Body:
        """The guest ends the session."""
        answer = await self.guest.ask("session:end", {"session_id": self.session_id})
        ended: Body = answer["session"]
        return ended

    # The record.

    async def record(self) -> Record:
        """What Postgres has, read as the owner."""
        async with connected(self.stack) as db:
            session = await db.fetchrow("select * from sessions where id = $1", self.session_id)

            async def rows(query: str) -> list[Body]:
                return [dict(row) for row in await db.fetch(query, self.session_id)]

            return Record(
                dict(session) if session else {},
                await rows("select * from settlements where session_id = $1"),
                await rows("select * from messages where session_id = $1 order by seq"),
                await rows("select * from intervals where session_id = $1 order by from_ms"),
                await rows("select * from payment_ops where session_id = $1 order by id"),
            )

    async def settled(self) -> Record:
        """Wait until the session is settled. Gives the record."""
        # What a dead worker was about to send is leased for a minute.
        async with asyncio.timeout(2 * PATIENCE_S):
            while True:
                record = await self.record()
                if record.session.get("settled_at_ms") is not None:
                    return record
                await asyncio.sleep(0.1)

    async def checkpointed(self) -> int:
        """Wait for a checkpoint that knows of what was said, and of live time that each hub has told of.

        Gives when it was made.
        """
        told = self.guest.events["session:state"][-1]["session"]
        newer_than_ms = told["live_at_ms"] + 1_500
        async with asyncio.timeout(PATIENCE_S), connected(self.stack) as db:
            while True:
                at_ms = await db.fetchval(
                    "select at_ms from checkpoints where session_id = $1 and head_seq > 0", self.session_id
                )
                if at_ms is not None and at_ms > newer_than_ms:
                    return int(at_ms)
                await asyncio.sleep(0.02)

    async def settled_once(
        self, *, reason: str | None = "ended_by_guest", free_at_once: bool = True
    ) -> Record:
        """The session is settled: once, charged once, with every message that was acknowledged."""
        record = await self.settled()
        assert record.session["state"] == "settled"
        assert reason in (None, record.session["end_reason"])
        await self._is_charged_once(record)
        self._holds_every_message(record)
        _bills_only_what_both_prove(record)
        await self._everyone_is_free(at_once=free_at_once)
        return record

    async def closed(self) -> None:
        """Wait until nothing is held at Stripe and nobody is taken any more, whatever the record says."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                intents = await self._stripe("payment_intents")
                if {intent["status"] for intent in intents} <= FINAL:
                    break
                await asyncio.sleep(0.1)
        await self._everyone_is_free()

    async def _is_charged_once(self, record: Record) -> None:
        (settlement,) = record.settlements
        intents = await self._stripe("payment_intents")
        taken = [intent["amount_received"] for intent in intents if intent["status"] == "succeeded"]
        assert taken == ([settlement["total_minor"]] if settlement["total_minor"] else [])
        assert {intent["status"] for intent in intents} <= FINAL
        assert all(operation["state"] == "succeeded" for operation in record.operations if _due(operation))

    async def _stripe(self, kind: str) -> list[Body]:
        url = f"{self.stack.sandbox_url}/control/stripe/{kind}"
        async with self.http.get(url, params={"session_id": self.session_id}) as answer:
            found: list[Body] = await answer.json()
            return found

    def _holds_every_message(self, record: Record) -> None:
        kept = {row["seq"]: row for row in record.messages}
        assert sorted(kept) == list(range(1, len(kept) + 1))
        ids = [str(row["id"]) for row in record.messages if not row["lost"]]
        assert len(ids) == len(set(ids))
        missing = [a for a in self.acked if a.seq not in kept or str(kept[a.seq]["id"]) != a.id]
        assert not missing, f"acknowledged and not on record: {missing}"
        for who in (self.guest, self.host):
            for seq, message in who.heard.items():
                assert message.get("lost") or str(kept[seq]["id"]) == message["id"]

    async def _everyone_is_free(self, *, at_once: bool = True) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                standing = await self._standing()
                if standing != "busy" or at_once:
                    break
                # What the store forgot is put right within seconds.
                await asyncio.sleep(0.1)
        assert standing != "busy"

    async def _standing(self) -> str:
        async with self.http.get(
            f"{self.stack.hub_urls[0]}/v1/practitioners/{self.host.id}",
            headers={"Authorization": f"Bearer {self.host._token}"},
        ) as answer:
            assert answer.status == 200
            return str((await answer.json())["status"])


def _due(operation: Body) -> bool:
    # Transfers wait out their safety delay of days.
    return str(operation["kind"]) != "transfer"


def _bills_only_what_both_prove(record: Record) -> None:
    """Naively: each billed millisecond lies in proven presence of both, and in no gap between."""
    (settlement,) = record.settlements
    billed = [row for row in record.intervals if row["kind"] == "billed"]
    assert settlement["billed_ms"] == sum(row["to_ms"] - row["from_ms"] for row in billed)
    for span in billed:
        for no in (0, 1):
            assert any(
                row["from_ms"] <= span["from_ms"] and span["to_ms"] <= row["to_ms"]
                for row in record.intervals
                if row["kind"] == "present" and row["participant_no"] == no
            )


@asynccontextmanager
async def connected(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    """Postgres, as its owner."""
    db = await asyncpg.connect(stack.database.owner_dsn)
    try:
        yield db
    finally:
        await db.close()


def made_whole(stack: Stack) -> None:
    """Whatever an earlier test ended runs again."""
    for url, web in list(stack.webs.items()):
        if web.ended() is not None:
            stack.start_web(urlsplit(url).port)
    if stack.workers[-1].ended() is not None:
        stack.start_worker()


@asynccontextmanager
async def scene(stack: Stack) -> AsyncIterator[Scene]:
    """Two new people in a live session, the host on the first hub and the guest on the last."""
    made_whole(stack)
    async with aiohttp.ClientSession() as http:
        people = [await _person(stack, http, role) for role in ("guest", "practitioner")]
        async with connected(stack) as db:
            await db.execute(
                "update practices set rate_minor_per_minute = $1 where practitioner_id = $2",
                RATE_MINOR,
                people[1]["id"],
            )
        away: set[str] = set()

        def hubs() -> list[str]:
            return [url for url in stack.hub_urls if url not in away]

        urls = stack.hub_urls
        guest = Caller(people[0], hubs, home=urls[-1])
        host = Caller(people[1], hubs, home=urls[0])
        playing = Scene(stack, http, guest, host, stopped_hubs=away)
        try:
            await playing.begin()
            yield playing
        finally:
            await playing.guest.go()
            await playing.host.go()


async def _person(stack: Stack, http: aiohttp.ClientSession, role: str) -> Body:
    url = f"{stack.sandbox_url}/control/people"
    async with http.post(url, json={"role": role, "count": 1}) as answer:
        (person,) = await answer.json()
        return dict(person)
