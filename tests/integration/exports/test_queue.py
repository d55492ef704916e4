"""The queue: jobs come with the transaction that asked for them, and what is lost of it costs nothing."""

import asyncio

import asyncpg
from pgqueuer.adapters.persistence.queries import Queries

from hub.workers import export_queue
from store.postgres import jobs
from store.privacy.exports.making import QUEUE
from tests.integration.exports.workshop import Workshop


class Queue:
    """PgQueuer at work, on what the test gives it."""

    def __init__(self, workshop: Workshop) -> None:
        self.made: list[str] = []
        self.heard = asyncio.Event()
        self.task = asyncio.create_task(export_queue.work(workshop.database.hub_dsn, self._make, lease_s=30))

    async def _make(self, export_id: str) -> None:
        self.made.append(export_id)
        self.heard.set()

    async def wait(self) -> None:
        async with asyncio.timeout(20):
            await self.heard.wait()
        self.heard.clear()

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


async def test_a_job_comes_with_the_transaction_and_not_without(workshop: Workshop) -> None:
    life = await workshop.life()
    queue = Queue(workshop)
    async with workshop.pool.acquire() as connection:
        taken_back = connection.transaction()
        await taken_back.start()
        await jobs.enqueue(connection, QUEUE, "never")
        await taken_back.rollback()
    export_id = await workshop.ask(life.id)
    await queue.wait()
    assert queue.made == [export_id]
    await queue.end()
    assert await workshop.pool.fetchval("select count(*) from pgqueuer") == 0


async def test_a_lost_job_is_asked_for_again_and_never_twice(workshop: Workshop) -> None:
    life = await workshop.life()
    export_id = await workshop.ask(life.id)
    await workshop.pool.execute("delete from pgqueuer")
    for _ in range(3):
        assert await workshop.duty().run_once() == 1
    assert await workshop.pool.fetchval("select count(*) from pgqueuer") == 1
    queue = Queue(workshop)
    await queue.wait()
    await queue.end()
    assert queue.made == [export_id]


async def test_the_queue_ends_when_its_connection_is_lost(workshop: Workshop) -> None:
    queue = Queue(workshop)
    await workshop.ask((await workshop.life()).id)
    await queue.wait()
    owner = await asyncpg.connect(workshop.database.owner_dsn)
    await owner.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where application_name = $1 and datname = current_database()",
        export_queue.APPLICATION,
    )
    await owner.close()
    async with asyncio.timeout(30):
        await asyncio.wait([queue.task])
    assert queue.task.exception() is not None


async def test_the_tables_are_as_the_queue_expects_them(workshop: Workshop) -> None:
    connection = await asyncpg.connect(workshop.database.owner_dsn)
    try:
        await export_queue.manager(connection).verify_structure()
        queries = export_queue.manager(connection).queries
        assert isinstance(queries, Queries)
        plan = await queries.plan_upgrade()
    finally:
        await connection.close()
    # Schedules are left out on purpose, and the function that wakes is written anew; nothing else may differ.
    ours = ("pgqueuer_schedules", "FUNCTION fn_pgqueuer_changed")
    assert [one for one in plan.statements if not any(name in one for name in ours)] == []


async def test_nothing_that_was_said_is_in_the_queue(workshop: Workshop) -> None:
    life = await workshop.life()
    export_id = await workshop.ask(life.id)

    async def reached(point: str) -> None:
        raise RuntimeError(f"{life.id} said so")

    duty, queue = workshop.duty(reached), Queue(workshop)
    await queue.wait()
    await duty.make(export_id)
    await queue.end()
    for name in ("pgqueuer", "pgqueuer_log"):
        rows = await workshop.pool.fetch(f"select t::text as row from {name} t")
        assert not [row for row in rows if str(life.id) in row["row"] or "said so" in row["row"]]
