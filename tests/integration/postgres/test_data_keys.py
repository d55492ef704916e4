import asyncio
import os
from uuid import uuid4

import asyncpg
import pytest

from rooms import chain
from store.postgres import transcript
from store.privacy.bindings import message_aad
from store.privacy.keys import Keyring, SealBrokenError, ShreddedError, WrongDataKeyError
from store.records import StoredMessage
from tests.integration.postgres.scene import T0, ended_scene

MASTER = bytes(range(32))


def keyring(pool: asyncpg.Pool, master: bytes = MASTER, *, cache_max: int = 100) -> Keyring:
    return Keyring(master, pool, now_ms=lambda: T0, cache_max=cache_max)


async def test_what_is_sealed_opens_in_another_process(pool: asyncpg.Pool) -> None:
    subject = str(uuid4())
    writer, reader = keyring(pool), keyring(pool)
    sealed = writer.seal(await writer.load(subject), b"id", "träume".encode())
    assert "träume".encode() not in sealed
    assert reader.open(await reader.load(subject), b"id", sealed).decode() == "träume"


async def test_first_uses_at_the_same_time_make_one_key(pool: asyncpg.Pool) -> None:
    subject = str(uuid4())
    rings = [keyring(pool) for _ in range(6)]
    keys = await asyncio.gather(*(ring.load(subject) for ring in rings))
    sealed = keys[0].seal(b"a", b"text")
    assert {key.open(b"a", sealed) for key in keys} == {b"text"}


async def test_what_was_tampered_with_does_not_open(pool: asyncpg.Pool) -> None:
    ring = keyring(pool)
    key, other = await ring.load(str(uuid4())), await ring.load(str(uuid4()))
    sealed = key.seal(b"one", b"text")
    flipped = sealed[:-1] + bytes([sealed[-1] ^ 1])
    attempts = [
        (key, b"one", flipped), (key, b"two", sealed), (other, b"one", sealed),
        (key, b"one", b"\x02" + sealed[1:]), (key, b"one", b""), (key, b"one", sealed[:10]),
    ]  # fmt: skip
    for opener, aad, text in attempts:
        with pytest.raises(SealBrokenError):
            opener.open(aad, text)


async def test_another_data_key_is_found_at_the_start(pool: asyncpg.Pool, owner: asyncpg.Pool) -> None:
    await keyring(pool).check()
    await owner.execute("delete from key_canaries")
    # What is on record tells which key it is, and the canary is put back.
    await keyring(pool).check()
    await keyring(pool).check()
    with pytest.raises(WrongDataKeyError):
        await keyring(pool, os.urandom(32)).check()


async def test_another_data_key_opens_no_key(pool: asyncpg.Pool) -> None:
    subject = str(uuid4())
    await keyring(pool).load(subject)
    with pytest.raises(WrongDataKeyError):
        await keyring(pool, os.urandom(32)).load(subject)


async def test_a_wrapped_key_serves_its_subject_alone(pool: asyncpg.Pool, owner: asyncpg.Pool) -> None:
    one, other = str(uuid4()), str(uuid4())
    await keyring(pool).load(one)
    await keyring(pool).load(other)
    await owner.execute(
        "update subject_keys set wrapped = (select wrapped from subject_keys where subject_id = $1)"
        " where subject_id = $2",
        one,
        other,
    )
    with pytest.raises(WrongDataKeyError):
        await keyring(pool).load(other)


async def test_a_shredded_key_never_returns(pool: asyncpg.Pool) -> None:
    ring, subject, unknown = keyring(pool), str(uuid4()), str(uuid4())
    await ring.load(subject)
    for gone in (subject, unknown):
        await ring.shred(gone)
        await ring.shred(gone)
        for reader in (ring, keyring(pool)):
            with pytest.raises(ShreddedError):
                await reader.load(gone)


async def test_after_shredding_the_chain_still_verifies(pool: asyncpg.Pool) -> None:
    ring, scene = keyring(pool), await ended_scene(pool)
    key = await ring.load(scene.guest_id)
    said = [
        StoredMessage(seq, name, 1, T0, f"c{seq}", key.seal(message_aad(name), b"secret"))
        for seq, name in enumerate((str(uuid4()), str(uuid4())), start=1)
    ]
    head = chain.digests(scene.id, transcript.links(said))[-1]
    await transcript.append(pool, scene.id, said)
    await ring.shred(scene.guest_id)
    kept = await transcript.kept(pool, scene.id)
    with pytest.raises(ShreddedError):
        await ring.load(scene.guest_id)
    assert chain.verify(scene.id, transcript.links(kept), head)


async def test_the_cache_is_bounded(pool: asyncpg.Pool, owner: asyncpg.Pool) -> None:
    ring, subjects = keyring(pool, cache_max=2), [str(uuid4()) for _ in range(3)]
    for subject in subjects:
        await ring.load(subject)
    await owner.execute("update subject_keys set wrapped = null, shredded_at_ms = 0")
    await ring.load(subjects[2])
    with pytest.raises(ShreddedError):
        await ring.load(subjects[0])


async def test_a_short_data_key_is_refused(pool: asyncpg.Pool) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        keyring(pool, b"short")
