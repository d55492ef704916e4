"""Brings a database up to date: plain SQL files, in order, each in a transaction of its own.

A file that has been applied is never edited: its checksum is on record, and a difference stops the run.
The lock is taken inside each transaction, so that several runs at once, even through a connection pooler,
apply every file once.
"""

import hashlib
import re
from pathlib import Path
from typing import NamedTuple, cast

import asyncpg

MIGRATIONS = Path(__file__).parent.parent / "migrations"

_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_LOCK = 7_201_655_418_026_177_390  # Any number that nobody else locks by.
_RECORD = """
create table if not exists schema_migrations (
    name text primary key, checksum text not null, applied_at timestamptz not null default now()
);
alter table schema_migrations enable row level security
"""


class MigrationError(Exception):
    """The files and the database's record of them do not fit together."""


class Migration(NamedTuple):
    """One file: its name, its text and the checksum that is recorded."""

    name: str
    sql: str
    checksum: str


def migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """The files of a folder in the order they apply; MigrationError if their numbers are not 1, 2, 3 …"""
    found = [_read(path) for path in sorted(folder.glob("*.sql"))]
    for number, migration in enumerate(found, start=1):
        matched = _NAME.match(migration.name)
        if matched is None or int(matched[1]) != number:
            raise MigrationError(f"{migration.name}: expected a file named {number:04d}_what.sql")
    return found


def _read(path: Path) -> Migration:
    raw = path.read_bytes()
    return Migration(path.name, raw.decode(), hashlib.sha256(raw).hexdigest())


async def migrate(owner_dsn: str, *, folder: Path = MIGRATIONS) -> list[str]:
    """Apply what is missing, as the owner of the tables; the names of the files this call applied.

    Raises MigrationError when an applied file was edited or one was slipped in before it.
    """
    wanted = migrations(folder)
    # Through a pooler, what is prepared in one transaction is not there in the next.
    connection = await asyncpg.connect(owner_dsn, statement_cache_size=0)
    try:
        async with connection.transaction():
            await _lock(connection)
            await connection.execute(_RECORD)
        return [migration.name for migration in wanted if await _apply(connection, migration, wanted)]
    finally:
        await connection.close()


async def _apply(connection: asyncpg.Connection, migration: Migration, wanted: list[Migration]) -> bool:
    """Apply one file unless it is on record; whether it was applied now."""
    async with connection.transaction():
        await _lock(connection)
        recorded = await _recorded(connection)
        _check(recorded, wanted)
        if migration.name in recorded:
            return False
        await connection.execute(migration.sql)
        await connection.execute(
            "insert into schema_migrations (name, checksum) values ($1, $2)",
            migration.name,
            migration.checksum,
        )
        return True


async def _lock(connection: asyncpg.Connection) -> None:
    await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)


async def _recorded(connection: asyncpg.Connection) -> dict[str, str]:
    rows = await connection.fetch("select name, checksum from schema_migrations")
    return {cast(str, row["name"]): cast(str, row["checksum"]) for row in rows}


def _check(recorded: dict[str, str], wanted: list[Migration]) -> None:
    """Refuse edited files and gaps. Names that only the database knows belong to a newer release: fine."""
    for migration in wanted:
        if recorded.get(migration.name, migration.checksum) != migration.checksum:
            raise MigrationError(f"{migration.name} was edited after it was applied; add a new file")
    missing = [migration.name for migration in wanted if migration.name not in recorded]
    if missing and any(name > missing[0] for name in recorded):
        raise MigrationError(f"{missing[0]} comes before an applied file; number it anew")
