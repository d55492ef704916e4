"""How much memory and time an export takes, by how much was said: a process of its own makes each archive.

All messages of a size lie in one session, the worst case for whatever would hold a transcript at once. Growth
is the highest resident memory over the whole run, less what the process had before it began.
"""

import argparse
import asyncio
import hashlib
import json
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import asyncpg
import psutil
import uuid_utils
from redis.asyncio import Redis

from hub.workers.exports import Exports
from rooms import chain
from rooms.ids import UserId
from sandbox.postgres import PostgresAddress, running_postgres
from sandbox.valkey import running_valkey
from store.postgres import exports, sessions
from store.postgres.migrate import migrate
from store.postgres.pool import connect
from store.privacy.bindings import message_aad
from store.privacy.exports.making import KIND
from store.privacy.keys import Keyring
from store.redis.connect import connect as connect_redis
from store.redis.notices import Notices
from tests.integration.postgres.scene import T0, ended_room, practise, someone

MASTER = bytes(range(32))
SIZES = (10_000, 100_000, 1_000_000)
BATCH = 20_000
LEASE_MS, KEEP_MS = 30_000, 86_400_000
MIB = 1 << 20
TEXTS = [
    f"What I felt then was {word}, and for a while I could not say why." for word in ("rest", "grief", "joy")
]
COLUMNS = ["session_id", "seq", "id", "participant_no", "at_ms", "client_id", "body", "body_sha256", "digest"]


class Made(NamedTuple):
    """One export. Sizes in bytes."""

    messages: int
    seconds: float
    grown: int
    archive: int


async def run(arguments: Sequence[str]) -> None:
    """Measure, print, and write `exports.json`. `--messages`: the largest size."""
    options = _options(arguments)
    sizes = [size for size in SIZES if size < options.messages] + [options.messages]
    with _stores() as (server, redis_url):
        server.server.create_database("bench")
        database = server.database("bench")
        await migrate(database.owner_dsn)
        made = [await _measured(database, redis_url, size) for size in sizes]
    figures = {
        "machine": platform.platform(),
        "cores": os.cpu_count(),
        "exports": [one._asdict() for one in made],
    }
    folder = Path(os.environ.get("DATA_DIR") or ".data") / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "exports.json").write_text(json.dumps(figures, indent=2) + "\n")
    sys.stdout.write(_report(made))


@contextmanager
def _stores() -> Iterator[tuple[PostgresAddress, str]]:
    """A PostgreSQL that writes through to disk, and a Valkey."""
    with tempfile.TemporaryDirectory(prefix="allinya-bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        with (
            running_postgres(directory / "postgres", durable=True) as server,
            running_valkey(directory / "valkey") as valkey,
        ):
            yield server, valkey.url


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench exports", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000, help="of the largest transcript")
    options = parser.parse_args(arguments)
    if not 1 <= options.messages <= 5_000_000:
        parser.error("--messages is from 1 to 5,000,000")
    return options


async def _measured(database: PostgresAddress, redis_url: str, messages: int) -> Made:
    pool = await connect(database.hub_dsn, size=2)
    person_id = await _filled(database, pool, messages)
    export_id = str(uuid_utils.uuid7())
    await exports.insert_export(pool, export_id, person_id, now_ms=_now_ms())
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.exports", database.hub_dsn, redis_url, export_id,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    grown, seconds = json.loads(out.splitlines()[-1])
    size = await pool.fetchval("select size_bytes from exports where id = $1 and state = 'ready'", export_id)
    count = await pool.fetchval(
        "select count(*) from blobs where subject_id = $1 and kind = $2", person_id, KIND
    )
    if size is None or count != 1:
        raise SystemExit("the export was not made")
    await pool.execute("delete from blobs where subject_id = $1", person_id)
    await pool.close()
    return Made(messages, seconds, grown, size)


async def _filled(database: PostgresAddress, pool: asyncpg.Pool, count: int) -> UserId:
    """Two people who have said so much, by turns, sealed and chained as it would be."""
    person_id, other_id = await someone(pool, "guest", "Gus"), await someone(pool, "practitioner", "Pia")
    await practise(pool, other_id)
    keyring = Keyring(MASTER, pool, now_ms=_now_ms)
    keys = [await keyring.load(other_id), await keyring.load(person_id)]
    room = ended_room(person_id, other_id)
    await sessions.save_session(pool, room, transcript_head=bytes(32), message_count=count)
    owner = await asyncpg.connect(database.owner_dsn)
    head = chain.genesis(room.id)
    for first in range(1, count + 1, BATCH):
        records = []
        for seq in range(first, min(first + BATCH, count + 1)):
            name = str(uuid_utils.uuid7())
            text = f"{TEXTS[seq % len(TEXTS)]} ({seq})".encode()
            body = keys[seq % 2].seal(message_aad(name), text)
            covered = hashlib.sha256(body).digest()
            head = chain.digest(
                head, seq=seq, message_id=name, at_ms=T0 + seq, participant_no=seq % 2, body_sha256=covered
            )
            records.append((room.id, seq, name, seq % 2, T0 + seq, f"c{seq}", body, covered, head))
        await owner.copy_records_to_table("messages", records=records, columns=COLUMNS)
    await owner.execute("update sessions set transcript_head = $2 where id = $1", room.id, head)
    await owner.execute("analyze messages")
    await owner.close()
    return person_id


def _report(made: Sequence[Made]) -> str:
    lines = [
        f"{one.messages:>9,} {one.seconds:>11.1f} {one.messages / one.seconds:>12,.0f}"
        f" {one.grown / MIB:>13.1f} MiB {one.archive / MIB:>8.1f} MiB\n"
        for one in made
    ]
    return "".join(["messages      seconds   messages/s   memory grown by   archive\n", *lines])


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _peak() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


async def _make(dsn: str, redis_url: str, export_id: str) -> None:
    """In a process of its own: make one, and print by how many bytes it grew and how many seconds it took."""
    pool = await connect(dsn, size=4)
    redis: Redis = connect_redis(redis_url)
    duty = Exports(
        pool,
        Notices(redis),
        Keyring(MASTER, pool, now_ms=_now_ms),
        now_ms=_now_ms,
        lease_ms=LEASE_MS,
        keep_ms=KEEP_MS,
    )
    before, began_s = psutil.Process().memory_info().rss, time.perf_counter()
    await duty.make(export_id)
    sys.stdout.write(json.dumps([_peak() - before, time.perf_counter() - began_s]) + "\n")
    await redis.aclose()
    await pool.close()


if __name__ == "__main__":
    asyncio.run(_make(*sys.argv[1:]))
