"""Billed time is held against what the media vendor saw: once, late notices too; money is left alone."""

from collections.abc import AsyncIterator
from functools import partial
from random import Random
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from billing.fraud import Facts
from billing.fraud_practice import unseen_minutes
from config.retention import periods
from hub.money import fraud_rules
from hub.vendors.agora_notices import Moved
from hub.workers.media_news import media_news
from hub.workers.media_times import AFTER_MS, MediaTimes
from hub.workers.retention import Retention
from rooms import media
from rooms.ids import SessionId
from rooms.media_times import Move
from store.postgres import fraud_facts
from store.records import InboxEvent
from tests.integration.vendors.counter import Counter

BEGIN_MS = 1_700_000_000_000
MINUTE_MS = 60_000
BILLED_MS = 60 * MINUTE_MS
END_MS = BEGIN_MS + BILLED_MS

DAY_MS = 86_400_000


class Settled:
    """A settled session of an hour."""

    def __init__(self, counter: Counter, owner: asyncpg.Connection, kind: str = "instant") -> None:
        self.counter, self.owner, self.kind = counter, owner, kind
        self.id = SessionId(str(uuid4()))
        self.duty = MediaTimes(counter.pool, now_ms=counter.now_ms)

    async def on_record(self) -> "Settled":
        host, guest = str(uuid4()), str(uuid4())
        await self.owner.execute(
            "insert into sessions (id, kind, state, practitioner_id, seats, price_kind, currency,"
            " rate_minor_per_minute, free_ms, fee_bps, minimum_minor, cap_minor, requested_at_ms,"
            " ended_at_ms)"
            " values ($1, $4, 'settled', $2, 1, 'per_minute', 'usd', 300, 0, 0, 0, 100000, $3, $5)",
            self.id, host, BEGIN_MS, self.kind, END_MS,
        )  # fmt: skip
        for no, who in enumerate((host, guest)):
            role = "guest" if no else "practitioner"
            await self.owner.execute(
                "insert into participants values ($1, $2, $3, $4)", self.id, no, who, role
            )
        await self.owner.execute(
            "insert into intervals values ($1, 1, 'billed', 0, $2, $3)", self.id, BEGIN_MS, END_MS
        )
        await self.owner.execute(
            "insert into settlements (session_id, participant_no, billed_ms, free_ms, rate_minor_per_minute,"
            " subtotal_minor, fee_minor, practitioner_minor, total_minor, currency, created_at_ms)"
            " values ($1, 1, $2, 0, 300, 0, 0, 0, 0, 'usd', $3)",
            self.id, BILLED_MS, END_MS,
        )  # fmt: skip
        self.counter.time_ms = END_MS
        return self

    def stay(self, no: int, from_ms: int, to_ms: int, seq: int = 1) -> list[Moved]:
        channel, uid = media.channel(self.id), no + media.FIRST_UID
        return [
            Moved(channel, uid, Move(seq, from_ms, True)),
            Moved(channel, uid, Move(seq + 1, to_ms, False, to_ms - from_ms)),
        ]

    async def hear(self, told: list[Moved]) -> None:
        apply = media_news(self.counter.pool, now_ms=self.counter.now_ms)["agora.moved"]
        for one in told:
            await apply(InboxEvent("e", "agora", "agora.moved", None, msgspec.to_builtins(one), 0, 1))

    async def compare(self) -> None:
        self.counter.wait(AFTER_MS + 1)
        await self.duty.run_once()

    async def cases(self) -> list[asyncpg.Record]:
        mine = "select id, detail from cases where session_id = $1 and kind = 'media_difference'"
        return list(await self.owner.fetch(mine, self.id))


@pytest.fixture
async def settled(counter: Counter) -> AsyncIterator[Settled]:
    owner = await asyncpg.connect(counter.database.owner_dsn)
    yield await Settled(counter, owner).on_record()
    await owner.close()


async def test_nothing_is_said_before_notices_had_time_to_come(settled: Settled) -> None:
    assert await settled.duty.run_once() == 0
    await settled.compare()
    assert await settled.duty.run_once() == 0


async def test_where_agora_told_nothing_nothing_is_said(settled: Settled) -> None:
    await settled.compare()
    assert await settled.cases() == []
    assert (
        await settled.owner.fetchval("select seen from media_checks where session_id = $1", settled.id)
        is None
    )


async def test_a_little_less_is_no_difference(settled: Settled) -> None:
    told = settled.stay(0, BEGIN_MS, END_MS) + settled.stay(1, BEGIN_MS + 5 * MINUTE_MS, END_MS)
    Random(3).shuffle(told)
    await settled.hear(told + told)
    await settled.compare()
    assert await settled.cases() == []


async def test_a_difference_is_put_before_a_person_once_with_both_lists(settled: Settled) -> None:
    money = await settled.owner.fetch("select * from settlements where session_id = $1", settled.id)
    half = BEGIN_MS + 30 * MINUTE_MS
    await settled.hear(settled.stay(0, BEGIN_MS, END_MS) + settled.stay(1, BEGIN_MS, half))
    for _ in range(3):
        await settled.compare()
    (case,) = await settled.cases()
    detail = msgspec.json.decode(case["detail"])
    assert detail["billed"] == [[BEGIN_MS, END_MS]]
    assert detail["seen"] == [[BEGIN_MS, half + 1_000]]
    assert detail.keys() == {"participant_no", "billed", "seen", "unseen_ms"}
    assert money == await settled.owner.fetch("select * from settlements where session_id = $1", settled.id)
    facts = await fraud_facts.billed(settled.counter.pool, END_MS - 1, END_MS, None)
    (fact,) = (one for one in facts if one.session_id == settled.id)
    assert fact.billed == ((BEGIN_MS, END_MS),)
    assert fact.provider == ((BEGIN_MS, half + 1_000),)
    rule = fraud_rules.load(None).rules["unseen_minutes"]
    assert [hit.facts["sessions"] for hit in unseen_minutes(Facts(billed=(fact,)), rule)] == [[settled.id]]
    # Somebody looked: told more of it, we compare again, and leave them alone.
    await settled.owner.execute("update cases set closed_at_ms = 1 where id = $1", case["id"])
    await settled.hear(settled.stay(1, half, half + MINUTE_MS, seq=3))
    await settled.compare()
    assert len(await settled.cases()) == 1


async def test_a_late_notice_is_compared_too(settled: Settled) -> None:
    await settled.compare()
    await settled.hear(settled.stay(0, BEGIN_MS, BEGIN_MS + MINUTE_MS))
    await settled.compare()
    (case,) = await settled.cases()
    assert msgspec.json.decode(case["detail"])["seen"] == []


async def test_what_was_told_long_ago_is_removed_when_its_time_has_come(settled: Settled) -> None:
    await settled.hear(settled.stay(0, BEGIN_MS, END_MS))
    days = periods()["technical"].days
    assert days is not None
    channel = media.channel(settled.id)
    gone_at_ms = days * DAY_MS + await settled.owner.fetchval(
        "select max(received_at_ms) from media_moves where channel = $1", channel
    )
    for now_ms, is_there in ((gone_at_ms - 1, True), (gone_at_ms, False)):
        await Retention(settled.counter.pool, periods(), now_ms=partial(int, now_ms)).run_once()
        found = await settled.owner.fetchval("select count(*) from media_moves where channel = $1", channel)
        assert (found > 0) is is_there
