"""What went to whom is on record before it goes, of people who are there, and never of anybody else."""

import asyncio
from typing import cast, get_args
from uuid import uuid4

import aiohttp
import asyncpg
import pytest

from hub.disclosing import Disclosing
from hub.moderation import kicking
from hub.vendors.agora import AgoraRest
from hub.vendors.asking import VendorUnavailable
from hub.workers.kicks import Kicks
from rooms.ids import UserId
from store.postgres import disclosures
from store.postgres.disclosures import DAY_MS, Disclosure, disclosed, insert_disclosures
from store.postgres.operations import TOLD_BY
from store.postgres.pool import acting_as
from store.privacy import registry
from store.privacy.vendors import VendorId, fields, vendors
from tests.integration.postgres.scene import T0, someone


async def noted(pool: asyncpg.Pool, person_id: str) -> list[tuple[object, ...]]:
    rows = await pool.fetch(
        "select vendor, purpose, times from disclosures where person_id = $1 order by vendor, purpose, day",
        person_id,
    )
    return [tuple(row) for row in rows]


def test_every_vendor_is_in_the_table_and_every_field_is_registered() -> None:
    known = vendors()
    assert known.keys() == set(get_args(VendorId))
    tables = registry.load().tables
    for vendor in known.values():
        for purpose in vendor.purposes.values():
            assert purpose.fields
            for name in purpose.fields:
                table, _, column = name.partition(".")
                assert column in tables[table].columns, name


async def test_one_row_a_day_that_counts(pool: asyncpg.Pool) -> None:
    who = await someone(pool, "guest", "Gus")
    for at_ms in (T0 + 5, T0, T0 + DAY_MS):
        await disclosed(pool, who, "stripe", "payment", now_ms=at_ms)
    rows = await pool.fetch("select * from disclosures where person_id = $1 order by day", who)
    assert [(row["times"], row["first_at_ms"]) for row in rows] == [(2, T0), (1, T0 + DAY_MS)]
    assert (rows[1]["day"] - rows[0]["day"]).days == 1
    assert rows[0]["fields"] == list(fields("stripe", "payment"))


async def test_a_purpose_that_nobody_registered_is_not_told(pool: asyncpg.Pool) -> None:
    who = await someone(pool, "guest", "Gus")
    with pytest.raises(KeyError):
        await disclosed(pool, who, "stripe", "advertising", now_ms=T0)
    with pytest.raises(KeyError):
        await disclosed(pool, who, cast(VendorId, "meta"), "payment", now_ms=T0)
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute(
            "insert into disclosures values ($1, 'meta', 'payment', current_date, '{a.b}', 1, 1)", who
        )


async def test_it_is_undone_with_what_it_belongs_to(pool: asyncpg.Pool) -> None:
    who = await someone(pool, "guest", "Gus")
    async with pool.acquire() as connection:
        intent = connection.transaction()
        await intent.start()
        await disclosed(connection, who, "stripe", "payment", now_ms=T0)
        await intent.rollback()
    assert await noted(pool, who) == []


async def test_nothing_is_noted_of_whom_we_do_not_know_and_it_goes_with_the_person(
    pool: asyncpg.Pool, owner: asyncpg.Pool
) -> None:
    nobody, who = UserId(str(uuid4())), await someone(pool, "guest", "Gus")
    told = [Disclosure(person, "agora", "media", T0) for person in (nobody, who, who)]
    await insert_disclosures(pool, told)
    assert await noted(pool, nobody) == []
    assert await noted(pool, who) == [("agora", "media", 2)]
    await owner.execute("delete from people where id = $1", who)
    assert await noted(pool, who) == []


async def test_whoever_is_erased_in_that_moment_leaves_no_row(
    pool: asyncpg.Pool, owner: asyncpg.Pool
) -> None:
    who = await someone(pool, "guest", "Gus")
    waits = "select count(*) from pg_locks where not granted"
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute("delete from people where id = $1", who)
        late = asyncio.create_task(disclosed(pool, who, "stripe", "payment", now_ms=T0))
        while not await pool.fetchval(waits):  # noqa: ASYNC110  The database tells nobody that it waits.
            await asyncio.sleep(0)
    await late
    assert await noted(pool, who) == []


async def test_many_at_once_lose_none(pool: asyncpg.Pool) -> None:
    crowd = [await someone(pool, "guest", "Gus") for _ in range(5)]
    for_all = [Disclosure(who, "agora", "media", T0) for who in crowd]
    await asyncio.gather(*(insert_disclosures(pool, for_all[::direction]) for direction in (1, -1) * 6))
    assert [await noted(pool, who) for who in crowd] == [[("agora", "media", 12)]] * 5


async def test_one_sees_ones_own_and_changes_nothing(pool: asyncpg.Pool) -> None:
    one, other = await someone(pool, "guest", "Gus"), await someone(pool, "guest", "Gus")
    for who in (one, other):
        await disclosed(pool, who, "supabase", "role", now_ms=T0)
    async with acting_as(pool, one) as connection:
        seen = await connection.fetch("select * from disclosures")
    assert [row["person_id"] for row in seen] == [one]


async def test_a_hub_notes_later_what_it_cannot_note_now(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = await someone(pool, "guest", "Gus"), await someone(pool, "guest", "Gus")
    waiting = Disclosing(pool, now_ms=lambda: T0)
    for who in (one, one, other):
        waiting.note(who, "agora", "media")

    async def away(*_: object) -> None:
        waiting.note(one, "agora", "media")
        raise ConnectionError

    with monkeypatch.context() as without:
        without.setattr("hub.disclosing.insert_disclosures", away)
        with pytest.raises(ConnectionError):
            await waiting.run_once()
    assert await waiting.run_once() == 2
    assert await waiting.run_once() == 0
    assert await noted(pool, one) == [("agora", "media", 3)]
    assert await noted(pool, other) == [("agora", "media", 1)]


async def test_who_is_put_out_of_a_channel_is_on_record_before_agora_knows(pool: asyncpg.Pool) -> None:
    who, channel = await someone(pool, "guest", "Gus"), uuid4().hex
    async with pool.acquire() as connection, connection.transaction():
        await kicking.order(
            connection, session_id=str(uuid4()), user_id=who, channel=channel, uid=2, seconds=3_600,
            now_ms=T0,
        )  # fmt: skip

    class Away(AgoraRest):
        async def kick(self, channel: str, uid: int, *, minutes: int) -> int:
            assert await noted(pool, who) == [("agora", "removal", 1)]
            raise VendorUnavailable("not now")

    async with aiohttp.ClientSession() as http:
        away = Away(http, base="http://127.0.0.1:1", app_id="a", customer_id="b", customer_secret="c")
        assert await Kicks(pool, away, now_ms=lambda: T0).run_once() == 1
    assert await noted(pool, who) == [("agora", "removal", 1)]


def test_what_is_told_by_an_operation_is_registered() -> None:
    for purpose in {"payment", *TOLD_BY.values()}:
        assert fields("stripe", purpose)
    assert disclosures.SQL.keys() == {"insert_disclosures"}
