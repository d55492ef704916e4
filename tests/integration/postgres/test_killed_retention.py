"""A worker that is killed between two batches: the next one goes on, and the audit is told of all, once."""

import asyncio
import signal
import sys
from pathlib import Path

import asyncpg
import msgspec
import pytest

from config.retention import periods
from hub.workers.retention import Retention
from sandbox.postgres import PostgresAddress
from store.privacy.retention import DAY_MS

ROOT = Path(__file__).parents[3]
NOW_MS = 2_000_000_000_000
REPORTS, BLOCKS, BATCH = 50, 7, 10


@pytest.fixture
async def old(owner: asyncpg.Pool) -> None:
    """Reports that are too old, reports that are not, and something that ends with an account alone."""
    ids = "gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid()"
    for at_ms in (1, NOW_MS - DAY_MS):
        await owner.execute(
            "insert into reports (id, reporter_id, session_id, user_id, evidence_id, created_at_ms)"
            f" select {ids}, $1 from generate_series(1, $2)", at_ms, REPORTS,
        )  # fmt: skip
    await owner.execute(
        "insert into blocks (blocker_id, blocked_id, created_at_ms)"
        " select gen_random_uuid(), gen_random_uuid(), 1 from generate_series(1, $1)", BLOCKS,
    )  # fmt: skip


async def kill_after(database: PostgresAddress, batches: int) -> None:
    """A real process, killed when it has done so many batches."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.postgres.retaining", database.hub_dsn,
        str(NOW_MS), str(BATCH), str(batches), stdout=asyncio.subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(60):
        line = await process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    await process.wait()
    assert line == b"reached reports\n"


async def test_it_converges(
    database: PostgresAddress, pool: asyncpg.Pool, owner: asyncpg.Pool, old: None
) -> None:
    for batches, left in ((1, 40), (2, 20)):
        await kill_after(database, batches)
        assert await owner.fetchval("select count(*) from reports where created_at_ms = 1") == left
        # Nobody was told yet; it is counted all the same.
        assert await owner.fetchval("select count(*) from audit_entries") == 0
    duty = Retention(pool, periods(), now_ms=lambda: NOW_MS, batch=BATCH)
    assert await duty.run_once() == 20
    assert await owner.fetchval("select count(*) from reports where created_at_ms = 1") == 0
    assert await owner.fetchval("select count(*) from reports") == REPORTS
    assert await owner.fetchval("select count(*) from blocks") == BLOCKS
    [entry] = await owner.fetch("select detail from audit_entries")
    assert msgspec.json.decode(entry["detail"]) == {"kind": "safety", "rows": REPORTS}
    assert await duty.run_once() == 0
    assert await owner.fetchval("select count(*) from audit_entries") == 1
    assert await owner.fetchval("select total from retention_counts where kind = 'safety'") == REPORTS
