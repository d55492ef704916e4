"""The audit chain on the real database: dense under concurrency, append-only, erasable, signed."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest
from redis.asyncio import Redis

from hub.moderation.audit_walk import PAGE, AuditWalk
from hub.workers.heads import Heads
from rooms import audit as rules
from store.postgres import admin, audit
from store.privacy.keys import Keyring
from store.privacy.signing import HeadKey
from store.redis import audit_head
from store.redis.connect import connect
from tests.integration.postgres.scene import T0, ended_scene

KEY = HeadKey(bytes(range(32)))


def ring(pool: asyncpg.Pool) -> Keyring:
    return Keyring(bytes(32), pool, now_ms=lambda: T0)


MINUTE_MS = 60_000


async def add(pool: asyncpg.Pool, count: int = 1, **more: object) -> list[int]:
    told: dict[str, object] = {
        "actor_id": str(uuid4()), "actor_role": "moderator", "action": "flag_claimed", "subject_id": None,
        "session_id": None, "detail": {"flag": str(uuid4())}, "now_ms": T0, "keyring": ring(pool), **more,
    }  # fmt: skip
    return [await audit.append(pool, **told) for _ in range(count)]  # type: ignore[arg-type]


async def problems(pool: asyncpg.Pool) -> list[str]:
    return await AuditWalk(pool, KEY, ring(pool)).run()


async def test_numbers_are_dense_however_many_append_at_once(pool: asyncpg.Pool) -> None:
    before = await audit.last(pool)
    begun = 0 if before is None else before.n

    async def one(number: int) -> int | None:
        async with pool.acquire() as connection:
            change = connection.transaction()
            await change.start()
            (n,) = await add(connection, now_ms=T0 + number)  # type: ignore[arg-type]
            if number % 5 == 0:
                await change.rollback()
                return None
            await change.commit()
            return n

    made = [n for n in await asyncio.gather(*(one(number) for number in range(60))) if n is not None]
    assert sorted(made) == list(range(begun + 1, begun + 1 + len(made)))
    assert await problems(pool) == []


async def test_the_database_and_the_rule_compute_the_same_digest(pool: asyncpg.Pool) -> None:
    await add(pool, subject_id="ü" * 20, session_id=str(uuid4()))
    last = await audit.last(pool)
    assert last is not None
    assert rules.digest(last) == last.digest


async def test_whoever_inserts_cannot_choose_their_place(pool: asyncpg.Pool) -> None:
    await add(pool, 2)
    last = await audit.last(pool)
    assert last is not None
    await pool.execute(
        "insert into audit_entries (n, at_ms, actor_id, actor_role, action, detail, prev, digest)"
        " values (1, 0, 'x', 'admin', 'forged', '{}', $1, $1)",
        bytes(32),
    )
    forged = await audit.last(pool)
    assert forged is not None
    assert (forged.n, forged.prev) == (last.n + 1, last.digest)
    assert await problems(pool) == []


@pytest.mark.parametrize("table", ["audit_entries", "audit_heads"])
@pytest.mark.parametrize("change", ["update {} set n = n", "delete from {}", "truncate {} cascade"])
async def test_nobody_changes_it(pool: asyncpg.Pool, owner: asyncpg.Pool, table: str, change: str) -> None:
    await add(pool)
    for whoever in (pool, owner):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await whoever.execute(change.format(table))


async def test_a_chain_longer_than_a_page(pool: asyncpg.Pool) -> None:
    await pool.execute(
        "insert into audit_entries (at_ms, actor_id, actor_role, action, detail)"
        " select 0, 'x', 'admin', 'filled', '{}' from generate_series(1, $1::int)",
        PAGE + 10,
    )
    assert await problems(pool) == []


async def test_what_was_written_is_beside_the_chain_and_can_be_erased(pool: asyncpg.Pool) -> None:
    scene = await ended_scene(pool)
    detail = {"reason": "Gus sounded unwell", "flag": "f-1", "odd": "two words"}
    by_session, by_subject, other = [
        (await add(pool, detail=detail, **about))[0]
        for about in ({"session_id": scene.id}, {"subject_id": scene.guest_id}, {"subject_id": str(uuid4())})
    ]
    (entry,) = await audit.page(pool, after=by_session - 1, limit=1)
    assert b"unwell" not in entry.detail
    assert b"two words" not in entry.detail
    assert b"f-1" in entry.detail
    assert await problems(pool) == []
    await audit.erase_texts(pool, scene.guest_id, now_ms=T0)
    left = {text.n for text in await audit.texts(pool, first=by_session, last=other) if text.text is not None}
    assert left == {other}
    assert by_subject not in left
    assert await problems(pool) == []


async def test_a_text_is_under_the_key_of_whom_it_is_about_and_ends_with_it(pool: asyncpg.Pool) -> None:
    keyring, subject, actor = ring(pool), str(uuid4()), str(uuid4())
    (n,) = await add(pool, detail={"reason": "a marker"}, subject_id=subject, actor_id=actor)
    (text,) = await audit.texts(pool, first=n, last=n)
    assert text.sealed_for == subject
    assert text.text is not None
    assert b"marker" not in text.text
    assert await audit.opened(keyring, text) == "a marker"
    await keyring.shred(subject)
    assert await audit.opened(keyring, text) is None
    walk = AuditWalk(pool, KEY, ring(pool))
    assert await walk.run() == []
    assert walk.erased >= 1


async def test_of_who_was_removed_no_word_is_kept(pool: asyncpg.Pool) -> None:
    keyring, subject = ring(pool), str(uuid4())
    await keyring.shred(subject)
    (n,) = await add(pool, detail={"reason": "a marker"}, subject_id=subject)
    (text,) = await audit.texts(pool, first=n, last=n)
    assert (text.text, text.sealed_for) == (None, None)
    assert await problems(pool) == []


async def test_without_a_keyring_nothing_is_written_in_the_clear(pool: asyncpg.Pool) -> None:
    with pytest.raises(ValueError, match="keyring"):
        await add(pool, detail={"reason": "a marker"}, keyring=None)


async def test_a_text_that_was_changed_is_found(pool: asyncpg.Pool, owner: asyncpg.Pool) -> None:
    (n,) = await add(pool, detail={"reason": "a marker"})
    async with owner.acquire() as connection:
        change = connection.transaction()
        await change.start()
        await connection.execute("update audit_texts set text = text || '!' where n = $1", n)
        assert await AuditWalk(connection, KEY, ring(pool)).run() == [
            f"the reason beside entry {n} was changed"
        ]
        await change.rollback()


async def test_what_admins_do_is_chained_with_the_whole_record(
    pool: asyncpg.Pool, owner: asyncpg.Pool
) -> None:
    admin_id = str(uuid4())
    async with pool.acquire() as connection, connection.transaction():
        await admin.note_action(
            connection, admin_id, "case_closed", subject="s", session_id=None, reason="Ünd so.",  # type: ignore[arg-type]
            detail={"a": 1, "b": [1.5, None]}, now_ms=T0, keyring=ring(pool),
        )  # fmt: skip
    last = await audit.last(pool)
    assert last is not None
    assert (last.actor_id, last.action, last.subject_id) == (admin_id, "case_closed", "s")
    assert await problems(pool) == []
    async with owner.acquire() as connection:
        change = connection.transaction()
        await change.start()
        await connection.execute("set local session_replication_role = replica")
        await connection.execute(
            "update admin_actions set reason = reason || '!' where admin_id = $1", admin_id
        )
        assert await AuditWalk(connection, KEY, ring(pool)).run() == [
            f"the admin's action that entry {last.n} covers was changed"
        ]
        await change.rollback()


@pytest.fixture
async def redis(valkey: str) -> Redis:
    return connect(valkey)


async def test_heads_are_signed_at_intervals_and_after_many_entries(pool: asyncpg.Pool, redis: Redis) -> None:
    now_ms = T0 + 10 * MINUTE_MS

    def clock() -> int:
        return now_ms

    heads = Heads(pool, redis, KEY, ring(pool), every_ms=MINUTE_MS, most=5, now_ms=clock)
    await add(pool)
    assert await heads.run_once() == 1
    assert await heads.run_once() == 0
    await add(pool, 2)
    assert await heads.run_once() == 0
    now_ms += MINUTE_MS
    assert await heads.run_once() == 1
    await add(pool, 5)
    assert await heads.run_once() == 1
    signed, last = await audit.last_head(pool), await audit.last(pool)
    assert signed is not None
    assert last is not None
    assert (signed.n, signed.digest, KEY.signed(signed)) == (last.n, last.digest, True)
    assert await audit_head.kept(redis) == signed
    await redis.flushall()
    assert await heads.run_once() == 0
    assert await audit_head.kept(redis) == signed
    assert await problems(pool) == []
    await redis.aclose()


async def test_two_processes_sign_one_head(pool: asyncpg.Pool, redis: Redis) -> None:
    await add(pool)
    duty = [Heads(pool, redis, KEY, ring(pool), every_ms=0, most=1, now_ms=lambda: T0) for _ in range(3)]
    assert sum(await asyncio.gather(*(heads.run_once() for heads in duty))) == 1
    await redis.aclose()


async def test_another_key_signs_another_head() -> None:
    head = KEY.sign(3, bytes(32), signed_at_ms=T0)
    other = HeadKey(bytes(32))
    assert KEY.signed(head)
    assert not other.signed(head)
    assert KEY.public != other.public
