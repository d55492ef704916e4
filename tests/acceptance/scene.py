"""What every acceptance test begins with: people on two hubs, and their sessions where a test needs them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import asyncpg

from config.settings import load
from hub import lifespan
from sandbox.visitor import Json, Visitor
from store.privacy.keys import Keyring
from tests.stack import Stack

UNTIL_S = 20.0
FAST_MINOR_PER_MINUTE = 30_000
"""A rate at which a fraction of a second is enough to be charged: 0.5 a millisecond."""
MINUTE_MS = 60_000


class Scene:
    """People and their lines on one stack, for one test; `close` ends every line."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.http = aiohttp.ClientSession()
        self.visitors: list[Visitor] = []

    async def close(self) -> None:
        for visitor in self.visitors:
            await visitor.leave()
        await self.http.close()

    # People.

    async def people(self, role: str, count: int = 1) -> list[Json]:
        made: list[Json] = await self.control("people", role=role, count=count)
        return made

    async def person(self, role: str) -> Json:
        (person,) = await self.people(role)
        return person

    async def enter(self, person: Json | Visitor, hub: int = 0, language: str | None = None) -> Visitor:
        """A line of a person to one of the hubs; of a `Visitor`, one line more."""
        if isinstance(person, Visitor):
            person = {"id": person.id, "name": person.name, "access_token": person.token}
        visitor = Visitor(self.stack.hub_urls[hub], person, language=language)
        self.visitors.append(visitor)
        return await visitor.connect()

    async def guest(self, hub: int = 0) -> Visitor:
        return await self.enter(await self.person("guest"), hub)

    async def host(self, hub: int = 1, *, rate_minor: int | None = None, free_s: int = 0) -> Visitor:
        """A practitioner who is online."""
        person = await self.person("practitioner")
        if rate_minor is not None or free_s:
            await self.sql(
                "update practices set rate_minor_per_minute = $2, free_s = $3 where practitioner_id = $1",
                person["id"],
                300 if rate_minor is None else rate_minor,
                free_s,
            )
        host = await self.enter(person, hub)
        assert (await host.ask("practitioner:online"))["status"] == "online"
        return host

    # Sessions.

    async def ringing(self, guest: Visitor, host: Visitor, cap_minor: int | None = None) -> str:
        """A request with its hold placed, as the practitioner was offered it."""
        since = host.mark
        asked = await guest.ask(
            "session:request", practitioner_id=host.id, request_id=f"r{len(guest.heard)}", cap_minor=cap_minor
        )
        session_id: str = asked["session"]["id"]
        assert asked["hold"]["status"] in ("placed", "pending")
        await host.hear("session:offered", lambda body: body["session"]["id"] == session_id, since=since)
        return session_id

    async def waiting(self, guest: Visitor, host: Visitor, cap_minor: int | None = None) -> str:
        session_id = await self.ringing(guest, host, cap_minor)
        await host.ask("session:accept", session_id=session_id)
        await guest.state(session_id, "waiting")
        return session_id

    async def live(self, guest: Visitor, host: Visitor, cap_minor: int | None = None) -> str:
        session_id = await self.waiting(guest, host, cap_minor)
        await guest.ask("room:join", session_id=session_id)
        await host.ask("room:join", session_id=session_id)
        await guest.state(session_id, "live")
        await host.state(session_id, "live")
        return session_id

    async def couple(self, *, rate_minor: int | None = None) -> tuple[Visitor, Visitor, str]:
        """Guest on one hub, practitioner on the other, live with each other."""
        guest, host = await self.guest(0), await self.host(1, rate_minor=rate_minor)
        return guest, host, await self.live(guest, host)

    # What the outside knows.

    async def control(self, path: str, **asked: object) -> Any:
        async with self.http.post(f"{self.stack.sandbox_url}/control/{path}", json=asked) as response:
            answer = await response.json()
            assert response.status == 200, answer
            return answer

    async def stripe(self, kind: str, session_id: str) -> list[Json]:
        """The session's objects at the sandbox's Stripe, newest first."""
        url = f"{self.stack.sandbox_url}/control/stripe/{kind}"
        async with self.http.get(url, params={"session_id": session_id}) as response:
            found: list[Json] = await response.json()
            return found

    async def sql(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """A statement as the owner of the database."""
        connection = await asyncpg.connect(self.stack.database.owner_dsn)
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()

    @contextlib.asynccontextmanager
    async def keyring(self) -> AsyncIterator[Keyring]:
        """The keys to what lies sealed, as one more process of this hub has them."""
        settings = load(self.stack.env)
        async with lifespan.postgres_pool(settings) as pool:
            yield await lifespan.keyring(settings, pool)

    async def shown(self, watcher: Visitor, practitioner_id: str, status: str) -> None:
        """Wait until the directory shows a practitioner so."""

        async def as_wanted() -> bool:
            shown = await watcher.get(f"/v1/practitioners/{practitioner_id}")
            return bool(shown["status"] == status)

        await until(as_wanted, f"{practitioner_id} was never {status}")


async def until(true: Callable[[], Awaitable[bool]], otherwise: str, *, within_s: float = UNTIL_S) -> None:
    """Ask again and again until it is so; for what nobody announces."""
    try:
        async with asyncio.timeout(within_s):
            while not await true():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(otherwise) from None


def length_ms(receipt: Json) -> int:
    """All intervals of a receipt together."""
    return sum(interval["to_ms"] - interval["from_ms"] for interval in receipt["intervals"])


def price_minor(receipt: Json) -> int:
    """What the receipt's own time costs by its own rate, rounded half up to a cent."""
    paid_ms = max(0, length_ms(receipt) - receipt["free_ms"])
    due = (2 * paid_ms * receipt["rate_minor_per_minute"] + MINUTE_MS) // (2 * MINUTE_MS)
    return min(int(due), int(receipt["cap_minor"]))


def seqs(messages: list[Json]) -> list[int]:
    return [message["seq"] for message in messages]


def said(visitor: Visitor, since: int = 0) -> list[Json]:
    """The chat messages that a visitor has heard."""
    return [body for name, body in visitor.heard[since:] if name == "chat:message"]
