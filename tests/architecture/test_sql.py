"""Every statement is one function's, is understood by the server, and is allowed to the role that runs it."""

import ast
import asyncio
import importlib
import inspect
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from sandbox.postgres import PostgresAddress
from store import postgres
from store.postgres.migrate import migrate
from store.postgres.pool import connect
from store.postgres.statements import as_authenticated, statements, topics

STATEMENTS = [(topic, name) for topic in topics() for name in statements(topic)]


@pytest.fixture(scope="session")
def migrated_template(postgres_cluster: PostgresAddress) -> PostgresAddress:
    postgres_cluster.server.create_database("migrated")
    template = postgres_cluster.database("migrated")
    asyncio.run(migrate(template.owner_dsn))
    return template


@pytest.fixture
async def pool(database: PostgresAddress) -> AsyncIterator[asyncpg.Pool]:
    opened = await connect(database.hub_dsn, size=1)
    yield opened
    await opened.close()


@pytest.mark.parametrize(("topic", "name"), STATEMENTS)
async def test_it_prepares_and_is_allowed(pool: asyncpg.Pool, topic: str, name: str) -> None:
    role = "authenticated" if name in as_authenticated(topic) else "hub_worker"
    query = statements(topic)[name]
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(f"set local role {role}")
        await connection.prepare(query)
        # Preparing asks for no rights; planning for a run does.
        await connection.execute(f"explain (generic_plan) {query}")


@pytest.mark.parametrize(("topic", "name"), STATEMENTS)
def test_it_belongs_to_the_function_of_its_name(topic: str, name: str) -> None:
    module = importlib.import_module(f"store.postgres.{topic}")
    function = getattr(module, name)
    assert inspect.iscoroutinefunction(function)
    assert f'SQL["{name}"]' in inspect.getsource(function)


def test_no_statement_hides_in_python() -> None:
    """Words of SQL stand in `.sql` files; but for the migrator and what begins a person's transaction."""
    allowed = {"migrate.py", "pool.py"}
    for path in Path(postgres.__file__).parent.glob("*.py"):
        if path.name in allowed:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                words = node.value.lower().split()
                assert words[:1] not in (["select"], ["insert"], ["update"], ["delete"]), (
                    path.name,
                    node.value,
                )
