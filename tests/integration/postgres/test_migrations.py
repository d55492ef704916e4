import asyncio
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from sandbox.postgres import PostgresAddress
from store.postgres.migrate import MIGRATIONS, MigrationError, migrate, migrations


@pytest.fixture
def empty(postgres_cluster: PostgresAddress) -> PostgresAddress:
    name = f"empty_{uuid4().hex}"
    postgres_cluster.server.create_database(name)
    return postgres_cluster.database(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in sorted(MIGRATIONS.glob("*.sql")):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


NAMES = [path.name for path in sorted(MIGRATIONS.glob("*.sql"))]


async def test_everything_is_applied_once_and_in_order(empty: PostgresAddress) -> None:
    assert await migrate(empty.owner_dsn) == NAMES
    assert await migrate(empty.owner_dsn) == []


async def test_runs_at_the_same_time_apply_each_file_once(empty: PostgresAddress) -> None:
    applied = await asyncio.gather(*(migrate(empty.owner_dsn) for _ in range(4)))
    assert sorted(name for run in applied for name in run) == NAMES


async def test_an_edited_file_is_refused(empty: PostgresAddress, folder: Path) -> None:
    await migrate(empty.owner_dsn, folder=folder)
    edited = folder / NAMES[1]
    edited.write_text(edited.read_text() + "\n-- one more thing\n")
    with pytest.raises(MigrationError, match=NAMES[1]):
        await migrate(empty.owner_dsn, folder=folder)


async def test_a_failing_file_leaves_nothing_behind(empty: PostgresAddress, folder: Path) -> None:
    broken = folder / f"{len(NAMES) + 1:04d}_broken.sql"
    broken.write_text("create table half (id int); select no_such_function();")
    with pytest.raises(asyncpg.UndefinedFunctionError):
        await migrate(empty.owner_dsn, folder=folder)
    connection = await asyncpg.connect(empty.owner_dsn)
    assert await connection.fetchval("select to_regclass('public.half')") is None
    assert await connection.fetchval("select count(*) from schema_migrations") == len(NAMES)
    await connection.close()
    broken.write_text("create table whole (id int);")
    assert await migrate(empty.owner_dsn, folder=folder) == [broken.name]


def test_numbers_have_no_gap(folder: Path) -> None:
    (folder / f"{len(NAMES) + 2:04d}_early.sql").write_text("select 1")
    with pytest.raises(MigrationError, match="expected"):
        migrations(folder)


async def test_an_older_release_runs_on_a_newer_database(empty: PostgresAddress, folder: Path) -> None:
    (folder / f"{len(NAMES) + 1:04d}_newer.sql").write_text("create table newer (id int);")
    await migrate(empty.owner_dsn, folder=folder)
    assert await migrate(empty.owner_dsn) == []


async def test_every_table_is_guarded_by_row_level_security(empty: PostgresAddress) -> None:
    await migrate(empty.owner_dsn)
    connection = await asyncpg.connect(empty.owner_dsn)
    open_tables = await connection.fetch(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
        " and not relrowsecurity"
    )
    await connection.close()
    assert open_tables == []


SEALING = "0018_sealed_texts.sql"


async def test_what_lies_in_the_clear_is_neither_lost_nor_left_so(
    empty: PostgresAddress, folder: Path
) -> None:
    """The migration cannot seal: it stops, says where, and the text is still there."""
    for name in NAMES[NAMES.index(SEALING) :]:
        (folder / name).unlink()
    await migrate(empty.owner_dsn, folder=folder)
    connection = await asyncpg.connect(empty.owner_dsn)
    await connection.execute(
        "insert into admin_actions (admin_id, action, subject, reason, at_ms)"
        " values (gen_random_uuid(), 'case_closed', 'x', 'in the clear', 1)"
    )
    with pytest.raises(asyncpg.RaiseError, match="1 texts lie unsealed in admin_actions"):
        await migrate(empty.owner_dsn)
    assert await connection.fetchval("select reason from admin_actions") == "in the clear"
    await connection.close()
