"""A person is removed for good: killed after every step it converges, and nothing of them is left."""

from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from hub.moderation import minors
from hub.moderation.audit_walk import AuditWalk
from hub.workers.forgetting import Forgetting
from hub.workers.purge import LEASE_MS, NAME, STUCK_AFTER, WAIT_MS
from rooms import chain
from rooms.ids import SessionId, UserId
from store.postgres import audit, sessions, transcript
from store.privacy.keys import ShreddedError, message_aad
from store.privacy.signing import HeadKey
from store.records import StoredMessage
from store.redis import keys
from store.redis.revocations import Revocations
from tests.integration.postgres.scene import ended_room
from tests.integration.vendors.counter import MASTER, Counter

STEPS = ["settled", "sign_in", "customer", "key", "profile", "live_store"]
SAID = "nobody-else-reads-this-sentence"
DAY_MS = 86_400_000
PHONE = "+4915112345678"


class Life:
    """Somebody with a profile, a card, a settled session with a transcript, a room that has their name."""

    def __init__(self, counter: Counter, person: Any, session_id: SessionId, head: bytes) -> None:
        self.counter = counter
        self.person = person
        self.id = UserId(person["id"])
        self.session_id = session_id
        self.head = head

    @property
    def private(self) -> list[str]:
        return [self.person["name"], self.person["email"], PHONE, SAID, self.person["customer"]]

    async def order(self) -> None:
        counter = self.counter
        for _ in range(2):
            async with counter.pool.acquire() as connection, connection.transaction():
                await minors.confirm(
                    connection, user_id=self.id, ordered_by=str(uuid4()), session_id=self.session_id,
                    appeal_ms=0, now_ms=counter.now_ms(),
                )  # fmt: skip

    async def go_on(self) -> None:
        """As workers do, until nothing is due."""
        purges = self.counter.purges(self.counter.supabase())
        for _ in range(3):
            await self.counter.give_back()
            await purges.run_once()
            self.counter.wait(LEASE_MS + 1)

    async def done(self) -> bool:
        return bool(
            await self.counter.pool.fetchval(
                "select exists (select from purges where user_id = $1 and done_at_ms > 0)", self.id
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


async def lived(counter: Counter) -> Life:
    person, host = await counter.person("guest"), await counter.person("practitioner")
    pool = counter.pool
    await pool.execute("update people set phone = $2, country = 'DE' where id = $1", person["id"], PHONE)
    room = ended_room(UserId(person["id"]), UserId(host["id"]))
    session_id = room.id
    ring = counter.keyring()
    key, name = await ring.load(person["id"]), str(uuid4())
    said = [StoredMessage(1, name, 1, counter.now_ms(), "c1", key.seal(message_aad(name), SAID.encode()))]
    head = chain.digests(session_id, transcript.links(said))[-1]
    await sessions.save_session(pool, room, transcript_head=head, message_count=1)
    await transcript.append(pool, session_id, said)
    await pool.execute("update sessions set settled_at_ms = 1 where id = $1", session_id)
    await counter.redis.hset(keys.room(session_id), "blob", person["name"])
    await counter.redis.hset(keys.person(UserId(person["id"])), "n", 1)
    await audit.append(
        pool, actor_id=str(uuid4()), actor_role="moderator", action="moderator_observed", subject_id=None,
        session_id=session_id, detail={"reason": f"{person['name']} was named in a report."},
        now_ms=counter.now_ms(),
    )  # fmt: skip
    return Life(counter, person, session_id, head)


async def test_nothing_is_left_and_everything_still_verifies(counter: Counter) -> None:
    life = await lived(counter)
    reader = counter.keyring()
    await reader.load(life.id)
    assert {found.rpartition(": ")[2] for found in await life.left()} == set(life.private) - {SAID}
    await life.order()
    await life.go_on()
    assert await life.done()
    assert await life.left() == []
    # What they wrote is unreadable, also for a process that had the key in memory.
    assert await Forgetting(counter.pool, reader, now_ms=counter.now_ms).run_once() >= 1
    with pytest.raises(ShreddedError):
        await reader.load(life.id)
    kept = await transcript.kept(counter.pool, life.session_id)
    assert chain.verify(life.session_id, transcript.links(kept), life.head)
    assert await AuditWalk(counter.pool, HeadKey(MASTER)).run() == []
    # Neither at the vendors.
    assert await counter.supabase().person(life.id) is None
    async with counter.http.get(
        f"{counter.base}/stripe/v1/customers/{life.person['customer']}",
        headers={"Authorization": "Bearer sk_test_counter"},
    ) as response:
        assert (await response.json()).get("deleted") is True
    assert await Revocations(counter.redis).is_revoked(
        life.id, "any", issued_at_s=counter.now_ms() // 1000 - 999
    )
    row = await counter.pool.fetchrow("select name, email, phone, country from people where id = $1", life.id)
    assert row is not None
    assert tuple(row.values()) == (NAME, "", None, None)
    assert await counter.pool.fetchval("select reason from tombstones where user_id = $1", life.id) == "minor"


@pytest.mark.parametrize("step", STEPS)
async def test_killed_after_a_step_the_next_one_finishes(counter: Counter, step: str) -> None:
    life = await lived(counter)
    await life.order()
    await counter.give_back()
    async with counter.killed("purges", step):
        assert await counter.purges(counter.supabase()).run_once() == 0
    counter.wait(LEASE_MS + 1)
    await life.go_on()
    assert await life.done()
    assert await life.left() == []
    entries = await counter.pool.fetch(
        "select action from audit_entries where subject_id = $1 order by n", life.id
    )
    assert [row["action"] for row in entries] == ["purge_ordered", "person_purged"]


async def test_it_waits_until_everything_is_settled(counter: Counter) -> None:
    life = await lived(counter)
    await counter.pool.execute("update sessions set settled_at_ms = null where id = $1", life.session_id)
    await life.order()
    await counter.purges(counter.supabase()).run_once()
    counter.wait(WAIT_MS)
    await life.go_on()
    assert not await life.done()
    assert await counter.supabase().person(life.id) is not None
    await counter.pool.execute("update sessions set settled_at_ms = 1 where id = $1", life.session_id)
    await life.go_on()
    assert await life.done()


async def test_it_waits_for_money_that_is_on_its_way(counter: Counter) -> None:
    life = await lived(counter)
    await counter.pool.execute(
        "insert into payment_ops (session_id, participant_no, kind, ordinal, currency, params, idem_key,"
        " state, next_at_ms, created_at_ms) values ($1, 1, 'refund', 1, 'usd', '{}', $2, 'unknown', $3, 0)",
        life.session_id,
        str(uuid4()),
        counter.now_ms() + DAY_MS,
    )
    await life.order()
    await life.go_on()
    assert not await life.done()
    await counter.pool.execute(
        "update payment_ops set state = 'failed' where session_id = $1", life.session_id
    )
    await life.go_on()
    assert await life.done()


async def test_without_a_service_key_it_waits_and_a_person_is_told(counter: Counter) -> None:
    life = await lived(counter)
    await life.order()
    await counter.give_back()
    await counter.purges(None).run_once()
    assert not await life.done()
    kinds = await counter.pool.fetch("select kind from cases where subject = $1", life.id)
    assert [row["kind"] for row in kinds] == ["purge_stuck"]
    await counter.pool.execute("update purges set next_at_ms = 0 where user_id = $1", life.id)
    await life.go_on()
    assert await life.done()


async def test_a_vendor_in_trouble_is_asked_again(counter: Counter) -> None:
    life = await lived(counter)
    await counter.control("faults", {"vendor": "stripe", "action": "500", "times": STUCK_AFTER})
    await life.order()
    await counter.give_back()
    purges = counter.purges(counter.supabase())
    for _ in range(STUCK_AFTER + 3):
        await purges.run_once()
        counter.wait(3_600_000)
    assert await life.done()
