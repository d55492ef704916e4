"""Systems of real processes: two for the whole acceptance suite, one with usual times and one in a hurry, and
one for each module of bookings.
"""

import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from hub.safety.rules import FOLDER
from sandbox.postgres import PostgresAddress
from tests.acceptance.booked import TIMES
from tests.acceptance.scene import Scene
from tests.conftest import TEMPLATE
from tests.stack import Stack

UNLIMITED = {
    "CHAT_PER_SECOND": "0",
    "EVENTS_PER_SECOND": "100000",
    "EVENTS_BURST": "100000",
    "DRAIN_S": "10",
}
HASTY = {
    "HOLD_ACK_S": "2",
    "RING_S": "2",
    "JOIN_S": "3",
    "RECONNECT_GRACE_S": "2",
    "ACTION_REQUIRED_S": "3",
    "HELD_MESSAGE_S": "2",
    "PING_INTERVAL_S": "1",
    "PING_TIMEOUT_S": "8",
    "OUTBOUND_MAX_BYTES": "65536",
    "AGORA_APP_ID": "0123456789abcdef0123456789abcdef",
    "AGORA_APP_CERTIFICATE": "fedcba9876543210fedcba9876543210",
    "AGORA_CUSTOMER_ID": "customer",
    "AGORA_CUSTOMER_SECRET": "customer-secret",
    "AGORA_RECORDING_VENDOR": "1",
    "AGORA_RECORDING_REGION": "5",
    "AGORA_RECORDING_BUCKET": "bucket",
    "AGORA_RECORDING_ACCESS_KEY": "access",
    "AGORA_RECORDING_SECRET_KEY": "secret",
}


@pytest.fixture(scope="session")
def usual(
    postgres_cluster: PostgresAddress,
    migrated_template: PostgresAddress,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """Two hubs and a worker with the contract's own times; only limits are lifted."""
    with running_stack(postgres_cluster, tmp_path_factory, UNLIMITED) as running:
        yield running


def stricter_book(folder: Path) -> Path:
    """The hub's own rule book, but that phone numbers are blocked, and threats released if nobody looks."""
    shutil.copytree(FOLDER, folder)
    for name, rule, old, new in (
        ("contact.toml", "contact.phone", 'action = "hold"\non_timeout = "reject"', 'action = "block"'),
        ("conduct.toml", "violence.threat", 'on_timeout = "reject"', 'on_timeout = "release"'),
    ):
        path = folder / "rules" / name
        before, found, after = path.read_text().partition(f'id = "{rule}"')
        assert found
        path.write_text(before + found + after.replace(old, new, 1))
    return folder


@pytest.fixture(scope="session")
def hasty(
    postgres_cluster: PostgresAddress,
    migrated_template: PostgresAddress,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """Two hubs and a worker that wait for nobody for long, and give Agora credentials."""
    book = {"RULES_DIR": str(stricter_book(tmp_path_factory.mktemp("book") / "moderation"))}
    with running_stack(postgres_cluster, tmp_path_factory, UNLIMITED | HASTY | book) as running:
        yield running


@pytest.fixture(scope="module")
def timely(
    postgres_cluster: PostgresAddress,
    migrated_template: PostgresAddress,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """Two hubs and a worker on which a booking begins, is missed and is over within seconds."""
    with running_stack(postgres_cluster, tmp_path_factory, UNLIMITED | TIMES) as running:
        yield running


@pytest.fixture
def stack(usual: Stack) -> Stack:
    """The stack that a module's tests run on; those of a hurry say so themselves."""
    return usual


@pytest.fixture
async def scene(stack: Stack) -> AsyncIterator[Scene]:
    """People on the stack, gone after the test."""
    playing = Scene(stack)
    yield playing
    await playing.close()


@contextmanager
def running_stack(
    cluster: PostgresAddress,
    directories: pytest.TempPathFactory,
    settings: Mapping[str, str],
) -> Iterator[Stack]:
    """A stack with these settings, on a database of its own."""
    name = f"stack_{uuid4().hex}"
    cluster.server.query(f"create database {name} template {TEMPLATE}")
    running = Stack(directories.mktemp("stack"), cluster.database(name), settings=settings).start()
    try:
        yield running
    finally:
        running.stop()
        cluster.server.query(f"drop database {name} with (force)")
