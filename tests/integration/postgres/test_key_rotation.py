"""DATA_KEY is exchanged: what is on record opens before, during and after, and what is shredded stays so."""

import asyncio
import os
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from hub.workers.forgetting import Forgetting
from hub.workers.rewrapping import Rewrapping
from sandbox.postgres import PostgresAddress
from store.postgres import keys as rows
from store.postgres.pool import connect
from store.privacy import masters
from store.privacy.keys import Keyring, ShreddedError, WrongDataKeyError
from store.privacy.marks import Caller, Marks
from store.privacy.signing import HeadKey

OLD, NEW, OTHER = bytes(range(32)), bytes(range(1, 33)), bytes(range(2, 34))
T0 = 1_790_000_000_000


class Clock:
    """Unix milliseconds, moved by hand."""

    def __init__(self) -> None:
        self.at_ms = T0

    def __call__(self) -> int:
        return self.at_ms


@pytest.fixture
async def record(
    postgres_cluster: PostgresAddress, migrated_template: PostgresAddress
) -> AsyncIterator[asyncpg.Pool]:
    """A database that no key was used with yet, as its owner sees it."""
    name = f"keys_{uuid4().hex}"
    postgres_cluster.server.query(f"create database {name} template migrated")
    pool = await connect(postgres_cluster.database(name).owner_dsn, size=6)
    yield pool
    await pool.close()
    postgres_cluster.server.query(f"drop database {name} with (force)")


async def started(
    pool: asyncpg.Pool, key: bytes, *previous: bytes, clock: Clock | None = None, write: bool = True
) -> Keyring:
    """A process with these keys."""
    ring = Keyring(key, pool, now_ms=clock or Clock(), previous=previous)
    await ring.check(write=write)
    return ring


async def people(ring: Keyring, count: int) -> dict[str, bytes]:
    """Keys of so many people, and what each has sealed."""
    made = [str(uuid4()) for _ in range(count)]
    return {one: (await ring.load(one)).seal(b"a", one.encode()) for one in made}


async def opens(ring: Keyring, sealed: dict[str, bytes]) -> bool:
    return all([(await ring.find(one)).open(b"a", text) == one.encode() for one, text in sealed.items()])


async def in_use(pool: asyncpg.Pool) -> set[int]:
    return set(await rows.keys_by_version(pool))


async def test_a_key_is_exchanged_while_everything_opens(record: asyncpg.Pool) -> None:
    clock = Clock()
    first = await started(record, OLD, clock=clock)
    sealed = await people(first, 7)
    both = await started(record, NEW, OLD, clock=clock)
    duty = Rewrapping(record, both, now_ms=clock, batch=3)
    assert await duty.run_once() == 0
    # Until everybody was restarted, the old key wraps: a process that has only that one goes on.
    sealed |= await people(both, 2)
    assert await in_use(record) == {1}
    assert await opens(await started(record, OLD, clock=clock), sealed)
    clock.at_ms += masters.ACTIVE_AFTER_MS
    assert [await duty.run_once() for _ in range(4)] == [4, 3, 3, 0]
    assert await in_use(record) == {2}
    last = await started(record, NEW, clock=clock)
    assert await opens(last, sealed)
    assert await opens(both, sealed)
    bodies = await record.fetch("select key_version from subject_keys")
    assert {row["key_version"] for row in bodies} == {2}


async def test_it_may_be_exchanged_again_and_again(record: asyncpg.Pool) -> None:
    clock = Clock()
    sealed = await people(await started(record, OLD, clock=clock), 2)
    for key, before in ((NEW, OLD), (OTHER, NEW)):
        ring = await started(record, key, before, clock=clock)
        clock.at_ms += masters.ACTIVE_AFTER_MS
        await Rewrapping(record, ring, now_ms=clock).run_once()
    assert await in_use(record) == {3}
    assert await opens(await started(record, OTHER, clock=clock), sealed)


async def test_what_must_stay_the_same_does(record: asyncpg.Pool) -> None:
    clock = Clock()
    first = await started(record, OLD, clock=clock)
    card = first.card_mark("fp_1")
    head = HeadKey(first.root).sign(1, bytes(32), signed_at_ms=T0)
    caller = Caller("203.0.113.9", "Browser", "en")
    marks = Marks(first.root).of(caller, at_ms=T0)
    ring = await started(record, NEW, OLD, clock=clock)
    clock.at_ms += masters.ACTIVE_AFTER_MS
    await Rewrapping(record, ring, now_ms=clock).run_once()
    last = await started(record, NEW, clock=clock)
    assert last.card_mark("fp_1") == card
    assert HeadKey(last.root).signed(head)
    assert Marks(last.root).of(caller, at_ms=T0) == marks


async def test_a_database_from_before_goes_on_with_what_followed_from_its_key(record: asyncpg.Pool) -> None:
    """There was no root secret; all followed from DATA_KEY, and a start with two keys says from which."""
    await started(record, OLD)
    await record.execute("delete from hub_secrets")
    ring = await started(record, NEW, OLD)
    assert ring.root == OLD
    assert (await started(record, OLD)).root == OLD


async def test_a_new_database_has_a_secret_that_no_setting_tells(record: asyncpg.Pool) -> None:
    rings = await asyncio.gather(*(started(record, OLD) for _ in range(5)))
    assert len({ring.root for ring in rings}) == 1
    assert rings[0].root not in (OLD, NEW)
    (row,) = await record.fetch("select wrapped from hub_secrets")
    assert rings[0].root not in row["wrapped"]


async def test_looking_leaves_no_trace(record: asyncpg.Pool) -> None:
    await started(record, OLD, write=False)
    assert await record.fetchval("select count(*) from key_canaries") == 0
    assert await record.fetchval("select count(*) from hub_secrets") == 0


async def test_a_key_that_is_shredded_while_it_is_wrapped_anew_stays_shredded(record: asyncpg.Pool) -> None:
    clock = Clock()
    ring = await started(record, OLD, clock=clock)
    sealed = await people(ring, 40)
    both = await started(record, NEW, OLD, clock=clock)
    clock.at_ms += masters.ACTIVE_AFTER_MS
    duty = Rewrapping(record, both, now_ms=clock, batch=5)

    async def erase() -> None:
        for one in list(sealed)[::2]:
            await ring.shred(one)

    async def rewrap() -> None:
        while await duty.run_once() or not duty.at_end:
            pass

    await asyncio.gather(erase(), rewrap(), erase())
    await rewrap()
    for number, one in enumerate(sealed):
        if number % 2 == 0:
            with pytest.raises(ShreddedError):
                await Keyring(NEW, record, now_ms=clock).find(one)
    shredded = await record.fetchval("select count(*) from subject_keys where wrapped is null")
    assert shredded == 20
    assert await in_use(record) == {2}


async def test_what_was_read_before_it_was_shredded_is_not_put_back(record: asyncpg.Pool) -> None:
    """The worst moment: between reading a key and putting it back, wrapped anew."""
    ring = await started(record, OLD)
    await people(ring, 3)
    found = await rows.older_keys(record, 2, after=None, limit=10)
    await ring.shred(found[0].subject_id)
    anew = [os.urandom(60) for _ in found]
    assert await rows.rewrap(record, 2, found, anew) == 2
    assert await rows.rewrap(record, 2, found, anew) == 0
    assert await rows.subject_key(record, found[0].subject_id) == (None, 1)


async def test_several_workers_share_the_work(record: asyncpg.Pool) -> None:
    clock = Clock()
    sealed = await people(await started(record, OLD, clock=clock), 12)
    rings = [await started(record, NEW, OLD, clock=clock) for _ in range(3)]
    clock.at_ms += masters.ACTIVE_AFTER_MS
    done = await asyncio.gather(*(Rewrapping(record, ring, now_ms=clock).run_once() for ring in rings))
    assert sum(done) == 13
    assert await opens(await started(record, NEW, clock=clock), sealed)


async def test_a_key_that_was_changed_is_told_of_and_stops_nobody(record: asyncpg.Pool) -> None:
    clock = Clock()
    sealed = await people(await started(record, OLD, clock=clock), 3)
    broken = min(sealed)
    await record.execute("update subject_keys set wrapped = wrapped || 'x' where subject_id = $1", broken)
    ring = await started(record, NEW, OLD, clock=clock)
    clock.at_ms += masters.ACTIVE_AFTER_MS
    duty = Rewrapping(record, ring, now_ms=clock, batch=1)
    assert [await duty.run_once() for _ in range(3)] == [1, 1, 1]
    assert await record.fetchval("select count(*) from cases where kind = 'key_unreadable'") == 1
    assert await in_use(record) == {1, 2}


async def test_a_new_key_wraps_at_once_when_somebody_says_so(record: asyncpg.Pool) -> None:
    clock = Clock()
    await started(record, OLD, clock=clock)
    ring = await started(record, NEW, OLD, clock=clock)
    await rows.activate(record, 2, now_ms=clock())
    await Forgetting(record, ring, now_ms=clock).run_once()
    await people(ring, 1)
    assert await record.fetchval("select key_version from subject_keys") == 2


# What does not fit is found at the start, and named.


async def refusal(pool: asyncpg.Pool, key: bytes, *previous: bytes) -> str:
    with pytest.raises(WrongDataKeyError) as refused:
        await started(pool, key, *previous)
    told = str(refused.value)
    assert "\n" not in told
    assert not any(one.hex() in told for one in (OLD, NEW, OTHER))
    return told


async def rotated(pool: asyncpg.Pool) -> None:
    """Half of the keys are wrapped by the new key, half by the old one."""
    clock = Clock()
    await people(await started(pool, OLD, clock=clock), 4)
    ring = await started(pool, NEW, OLD, clock=clock)
    clock.at_ms += masters.ACTIVE_AFTER_MS
    await Rewrapping(pool, ring, now_ms=clock, batch=2).run_once()


async def test_a_wrong_key(record: asyncpg.Pool) -> None:
    await started(record, OLD)
    assert (await refusal(record, NEW)).startswith("DATA_KEY: is not the key that this database")
    assert (await refusal(record, NEW, OTHER)).startswith("DATA_KEY: is not the key that this database")
    assert await record.fetchval("select count(*) from key_canaries") == 1


async def test_keys_that_are_swapped(record: asyncpg.Pool) -> None:
    await rotated(record)
    assert "swapped" in await refusal(record, OLD, NEW)


async def test_a_previous_key_that_is_missing(record: asyncpg.Pool) -> None:
    await rotated(record)
    told = await refusal(record, NEW)
    assert told == "DATA_KEY_PREVIOUS: lacks version 1 of the key, which wraps 2 keys"


async def test_a_key_that_was_exchanged(record: asyncpg.Pool) -> None:
    await rotated(record)
    assert (await refusal(record, OLD)).startswith("DATA_KEY: is version 1 of this database's key")


async def test_a_new_key_without_the_latest_one(record: asyncpg.Pool) -> None:
    await rotated(record)
    assert (await refusal(record, OTHER, OLD)).startswith("DATA_KEY_PREVIOUS: lacks version 2")


async def test_a_previous_key_of_another_database(record: asyncpg.Pool) -> None:
    await started(record, OLD)
    assert (await refusal(record, OLD, OTHER)).startswith("DATA_KEY_PREVIOUS: holds a key that this database")
    assert (await refusal(record, NEW, OLD, OTHER)).startswith("DATA_KEY_PREVIOUS: holds a key")


async def test_a_previous_key_in_a_new_database(record: asyncpg.Pool) -> None:
    assert (await refusal(record, NEW, OLD)).startswith("DATA_KEY_PREVIOUS: holds a key")
    assert await record.fetchval("select count(*) from key_canaries") == 0


async def test_the_same_key_twice(record: asyncpg.Pool) -> None:
    assert (await refusal(record, OLD, OLD)).startswith("DATA_KEY_PREVIOUS: holds the same key")


async def test_a_canary_that_was_edited(record: asyncpg.Pool) -> None:
    await started(record, OLD)
    await record.execute("update key_canaries set sealed = sealed || 'x'")
    assert "version 1 in key_canaries was changed" in await refusal(record, OLD)
    # As the words say: once it is removed, what is on record tells which key it is.
    await record.execute("delete from key_canaries")
    await started(record, OLD)
    assert await record.fetchval("select count(*) from key_canaries") == 1


async def test_a_secret_that_was_edited(record: asyncpg.Pool) -> None:
    await started(record, OLD)
    await record.execute("update hub_secrets set wrapped = wrapped || 'x'")
    assert "hub_secrets" in await refusal(record, OLD)


async def test_a_process_that_was_not_restarted_says_so(record: asyncpg.Pool) -> None:
    clock = Clock()
    old = await started(record, OLD, clock=clock)
    ring = await started(record, NEW, OLD, clock=clock)
    clock.at_ms += masters.ACTIVE_AFTER_MS
    sealed = await people(ring, 1)
    with pytest.raises(WrongDataKeyError, match="version 2 of it wraps this"):
        await old.load(next(iter(sealed)))
