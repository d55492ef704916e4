"""A rule book tried on what was said: it counts, names places, and repeats nobody's words."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from uuid_utils import uuid7

from hub.safety import rules
from hub.safety.rules_trial import Trial
from rooms.ids import SessionId
from sandbox.postgres import PostgresAddress
from store.postgres import said, transcript
from store.privacy.bindings import message_aad
from store.privacy.keys import Keyring
from store.records import StoredMessage
from tests.integration.postgres.scene import T0, Scene, ended_scene

DATA_KEY = bytes(range(32))
SAID = [
    (1, "I feel lost since my mum died"),
    (0, "I am here, take your time"),
    (1, "I don't want to live anymore"),
    (0, "my number is 415"),
    (0, "555 2671"),
    (1, "look at https://example.org"),
]


async def told(pool: asyncpg.Pool, keyring: Keyring, scene: Scene, *, at_ms: int = T0) -> None:
    """What both said, on record as the hub seals it."""
    people = {0: scene.practitioner_id, 1: scene.guest_id}
    messages = []
    for seq, (no, text) in enumerate(SAID, 1):
        message_id = str(uuid7())
        key = await keyring.load(people[no])
        body = key.seal(message_aad(message_id), text.encode())
        messages.append(StoredMessage(seq, message_id, no, at_ms + seq, f"c{seq}", body))
    await transcript.append(pool, scene.id, messages)


@pytest.fixture
def keyring(pool: asyncpg.Pool) -> Keyring:
    return Keyring(DATA_KEY, pool, now_ms=lambda: T0)


async def test_it_counts_what_would_have_happened(pool: asyncpg.Pool, keyring: Keyring) -> None:
    scene, gone = await ended_scene(pool), await ended_scene(pool)
    await told(pool, keyring, scene)
    await told(pool, keyring, gone)
    await keyring.shred(gone.guest_id)
    trial = Trial(rules.load())
    await trial.run(pool, keyring, from_ms=T0, stop=asyncio.Event())
    assert (trial.sessions, trial.messages, trial.unreadable) == (2, 9, 3)
    assert trial.fired == {"distress.intent": 1, "contact.phone": 2, "link.any": 1}
    assert trial.actions == {"allow": 5, "flag": 1, "hold": 3}
    assert set(trial.examples["contact.phone"]) == {f"{scene.id}#5", f"{gone.id}#5"}
    report = trial.report()
    assert f"{scene.id}#3" in report
    assert "22.22%" in report
    assert not any(text in report for _, text in SAID)


async def test_history_is_read_in_pages_from_a_day_on(
    pool: asyncpg.Pool, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(said, "PAGE", 2)
    scene = await ended_scene(pool)
    later_ms = T0 + 1_000_000
    await told(pool, keyring, scene, at_ms=later_ms)
    places = [(one.session_id, one.seq) async for one in said.history(pool, later_ms + 3)]
    assert places == [(SessionId(scene.id), seq) for seq in range(3, len(SAID) + 1)]


def command(database: PostgresAddress, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "DATABASE_URL": database.hub_dsn, "REDIS_URL": "redis://localhost:1", "SUPABASE_URL": "http://localhost:1",
        "STRIPE_SECRET_KEY": "sk_test_x", "STRIPE_WEBHOOK_SECRET": "whsec_x",
        "STRIPE_CONNECT_WEBHOOK_SECRET": "whsec_y", "PUBLIC_URL": "http://localhost:8000",
        "DATA_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "PATH": os.environ["PATH"],
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "hub", "rules", *arguments],
        env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


async def test_the_command_tries_a_book(
    database: PostgresAddress, pool: asyncpg.Pool, keyring: Keyring
) -> None:
    scene = await ended_scene(pool)
    await told(pool, keyring, scene)
    done = await asyncio.to_thread(command, database, "dry-run", "--days", "3650")
    assert done.returncode == 0, done.stderr
    assert f"{scene.id}#3" in done.stdout
    assert not any(text in done.stdout for _, text in SAID)


def test_the_command_checks_a_book(database: PostgresAddress, tmp_path: Path) -> None:
    done = command(database, "check", str(rules.FOLDER))
    assert (done.returncode, done.stderr) == (0, "")
    done = command(database, "check", str(tmp_path))
    assert done.returncode == 1
    assert "book.toml: is missing" in done.stderr
