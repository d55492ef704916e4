"""Somebody who leaves something in every store and at every vendor, and what is found of them afterwards."""

from typing import Any
from uuid import uuid4

import asyncpg

from hub.moderation import minors
from hub.workers.erasures import LEASE_MS
from rooms import chain
from rooms.ids import SessionId, UserId
from store.postgres import audit, sessions, transcript
from store.privacy.bindings import message_aad
from store.records import StoredMessage
from store.redis import keys
from tests.integration.postgres.scene import ended_room
from tests.integration.vendors.counter import Counter

SAID = "nobody-else-reads-this-sentence"
PHONE = "+4915112345678"


class Life:
    """Somebody with a profile, a card, a settled session with a transcript, a room that has their name."""

    def __init__(self, counter: Counter, person: Any, session_id: SessionId, head: bytes) -> None:
        self.counter = counter
        self.person = person
        self.id = UserId(person["id"])
        self.session_id = session_id
        self.head = head
        self._receipt: str | None = None

    @property
    def private(self) -> list[str]:
        stripe = [self.person["customer"]] if "customer" in self.person else []
        return [self.person["name"], self.person["email"], PHONE, SAID, *stripe]

    async def order(self) -> None:
        counter = self.counter
        for _ in range(2):
            async with counter.pool.acquire() as connection, connection.transaction():
                await minors.confirm(
                    connection, user_id=self.id, ordered_by=str(uuid4()), session_id=self.session_id,
                    appeal_ms=0, now_ms=counter.now_ms(),
                )  # fmt: skip
        await self.receipt()

    async def go_on(self) -> None:
        """As workers do, until nothing is due."""
        duty = self.counter.erasures(self.counter.supabase())
        for _ in range(3):
            await self.counter.give_back()
            await duty.run_once()
            self.counter.wait(LEASE_MS + 1)

    async def receipt(self) -> str:
        """The number of their erasure, which stays when it is done."""
        if self._receipt is None:
            self._receipt = await self.counter.pool.fetchval(
                "select receipt from erasures where user_id = $1", self.id
            )
        return str(self._receipt)

    async def done(self) -> bool:
        return bool(
            await self.counter.pool.fetchval(
                "select not exists (select from people where id = $1) and not exists"
                " (select from erasures where state not in ('done', 'cancelled') and user_id = $1)",
                self.id,
            )
        )

    async def left(self) -> list[str]:
        """Where something private still stands, in any table and in any key of the live store."""
        found: list[str] = []
        owner = await asyncpg.connect(self.counter.database.owner_dsn)
        tables = await owner.fetch("select tablename from pg_tables where schemaname = 'public'")
        for row in tables:
            table = row["tablename"]
            for text in self.private:
                hexed = text.encode().hex()
                query = f"select count(*) from {table} t where t::text like $1 or t::text like $2"
                if await owner.fetchval(query, f"%{text}%", f"%{hexed}%"):
                    found.append(f"{table}: {text}")
        await owner.close()
        async for key in self.counter.redis.scan_iter("*"):
            raw = await self.counter.redis.dump(key)
            found += [f"{key!r}: {text}" for text in self.private if text.encode() in (raw or b"")]
        return found


async def lived(counter: Counter, role: str = "guest") -> Life:
    """A guest, or a practitioner, after a session: the other one is somebody whom nobody asks for."""
    person, other = await counter.person(role), await counter.person("guest")
    guest, host = (other, person) if role == "practitioner" else (person, other)
    pool = counter.pool
    await pool.execute("update people set phone = $2, country = 'DE' where id = $1", person["id"], PHONE)
    room = ended_room(UserId(guest["id"]), UserId(host["id"]))
    session_id = room.id
    ring = counter.keyring()
    key, name = await ring.load(person["id"]), str(uuid4())
    said = [
        StoredMessage(
            1,
            name,
            0 if role == "practitioner" else 1,
            counter.now_ms(),
            "c1",
            key.seal(message_aad(name), SAID.encode()),
        )
    ]
    head = chain.digests(session_id, transcript.links(said))[-1]
    await sessions.save_session(pool, room, transcript_head=head, message_count=1)
    await transcript.append(pool, session_id, said)
    await pool.execute("update sessions set settled_at_ms = 1 where id = $1", session_id)
    await counter.redis.hset(keys.room(session_id), "blob", person["name"])
    await counter.redis.hset(keys.person(UserId(person["id"])), "n", 1)
    await audit.append(
        pool, actor_id=str(uuid4()), actor_role="moderator", action="moderator_observed", subject_id=None,
        session_id=session_id, detail={"reason": f"{person['name']} was named in a report."},
        now_ms=counter.now_ms(), keyring=ring,
    )  # fmt: skip
    return Life(counter, person, session_id, head)
