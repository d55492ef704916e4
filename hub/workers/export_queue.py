"""Where jobs for exports come in: PgQueuer, on a connection of its own that hears when one was asked for."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import (
    DBSettings,
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.models import Job
from pgqueuer.domain.types import Channel

from store.postgres.pool import behind_transaction_pooler
from store.privacy.exports.making import QUEUE

AT_ONCE: Final = 2
"""Exports that one worker makes at the same time."""
LOOK_S: Final = 5.0
"""How often it is looked for jobs of which nobody was told."""
CONNECT_S: Final = 10.0
APPLICATION: Final = "allinya exports"
"""How the database's own lists name the connection."""

# Every name is said here, so that nothing in the environment of a process changes one.
NAMES: Final = DBSettings(
    prefix="",
    db_schema=None,
    channel=Channel("ch_pgqueuer"),
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
)


async def work(dsn: str, make: Callable[[str], Awaitable[object]], *, lease_s: float) -> None:
    """Do `make(export_id)` for each job, until cancelled or until the connection is lost.

    A job whose worker was silent for `lease_s` is handed out again. Through a pooler that lends connections
    for one transaction there is nothing to hear, and jobs are found by looking.
    """
    pooled = behind_transaction_pooler(dsn)
    connection = await asyncpg.connect(
        dsn,
        statement_cache_size=0 if pooled else 100,
        timeout=CONNECT_S,
        command_timeout=CONNECT_S,
        server_settings={} if pooled else {"application_name": APPLICATION},
    )
    try:
        working = manager(connection)

        @working.entrypoint(QUEUE, accepts_context=False)
        async def _export(job: Job) -> None:
            await make((job.payload or b"").decode())

        await working.run(
            dequeue_timeout=timedelta(seconds=LOOK_S),
            batch_size=1,
            max_concurrent_tasks=AT_ONCE,
            shutdown_on_listener_failure=not pooled,
            heartbeat_timeout=timedelta(seconds=lease_s),
            # Nobody reads its statistics, and what is due of its log is removed by the sweep.
            log_aggregation_interval=timedelta(0),
        )
    finally:
        connection.terminate()


def manager(connection: asyncpg.Connection) -> QueueManager:
    """PgQueuer on this connection, under our names."""
    queries = Queries(
        AsyncpgDriver(connection),
        qbe=QueryBuilderEnvironment(NAMES),
        qbq=QueryQueueBuilder(NAMES),
        qbs=QuerySchedulerBuilder(NAMES),
    )
    return QueueManager(queries, channel=NAMES.channel)
