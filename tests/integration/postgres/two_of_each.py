"""A row of every table for each of two people who never met, made from the registry and the types in use."""

from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID, uuid4, uuid5

import asyncpg

from rooms.ids import UserId
from store.privacy.registry import Table, load

SPACE: Final = UUID(int=7)
SPECIAL: Final[dict[tuple[str, str], Any]] = {
    ("moderation_actions", "action"): "warn",
    ("payment_ops", "kind"): "hold",
    ("people", "role"): "guest",
    ("participants", "from_seq"): 0,
    ("participants", "no"): 1,
    ("participants", "role"): "guest",
}
"""What decides who sees a row, so that any other value would prove nothing."""
GUEST_NO: Final = 1
BY_TYPE: Final[dict[str, Any]] = {
    "bool": True, "numeric": 2, "jsonb": {},
    "_text": ["a"], "int8multirange": [],
}  # fmt: skip


class Seeds:
    """Two guests, each in a session with another practitioner, and all that is about them."""

    def __init__(self, types: dict[str, dict[str, str]]) -> None:
        self.types = types
        self.people = [UserId(str(uuid4())) for _ in range(2)]
        self.hosts = [UserId(str(uuid4())) for _ in range(2)]

    def row(self, table: Table, which: int) -> dict[str, Any]:
        """The row of a table that is about one of the two."""
        row = {name: self._value(table, name, which) for name in table.columns}
        way = table.parent
        if way is not None:
            above = self.row(load().tables[way.parent], which)
            pairs = zip(way.columns, way.references, strict=True)
            row.update({here: above[there] for here, there in pairs})
        return row

    def _value(self, table: Table, name: str, which: int) -> Any:
        if (table.name, name) in SPECIAL:
            return SPECIAL[table.name, name]
        kind = self.types[table.name][name]
        if name in table.whose:
            return self.people[which]
        if name == "session_id":
            return self._id(f"session {which}")
        if name == "participant_no":
            return GUEST_NO
        if kind == "uuid":
            return self._id(f"{table.name} {name} {which}")
        if kind in ("int4", "int8"):
            return 100 + which
        if kind == "bytea":
            return bytes([which])
        return BY_TYPE.get(kind, f"{table.name} {name} {which}")

    @staticmethod
    def _id(what: str) -> str:
        return str(uuid5(SPACE, what))


async def types(owner: asyncpg.Pool) -> dict[str, dict[str, str]]:
    """The type of each column, by table."""
    found: dict[str, dict[str, str]] = {}
    for row in await owner.fetch(
        "select table_name, column_name, udt_name from information_schema.columns"
        " where table_schema = 'public'"
    ):
        found.setdefault(row["table_name"], {})[row["column_name"]] = row["udt_name"]
    return found


async def seed(owner: asyncpg.Pool) -> Seeds:
    """Write all rows, past all rules: what is tried is who sees a row, not whether it makes sense."""
    seeds = Seeds(await types(owner))
    async with owner.acquire() as connection, connection.transaction():
        for name, table in await connection.fetch(
            "select conname, conrelid::regclass::text from pg_constraint join pg_namespace space"
            " on space.oid = connamespace where contype = 'c' and nspname = 'public'"
        ):
            await connection.execute(f'alter table {table} drop constraint "{name}"')
        await connection.execute("set local session_replication_role = replica")
        for table, row in _rows(seeds):
            await _insert(connection, seeds, table, row)
        for which, host in enumerate(seeds.hosts):
            taking_part = {**seeds.row(load().tables["participants"], which), "no": 0, "user_id": host}
            await _insert(connection, seeds, load().tables["participants"], taking_part)
    return seeds


def _rows(seeds: Seeds) -> Iterator[tuple[Table, dict[str, Any]]]:
    for table in load().tables.values():
        if table.personal:
            for which in range(2):
                yield table, seeds.row(table, which)


async def _insert(connection: Any, seeds: Seeds, table: Table, row: dict[str, Any]) -> None:
    kinds = seeds.types[table.name]
    columns = [name for name in row if kinds[name] not in ("date", "int8multirange")]
    dates = [name for name in row if kinds[name] == "date"]
    places = [f"${number}" for number in range(1, len(columns) + 1)]
    names = ", ".join(f'"{name}"' for name in [*columns, *dates])
    values = ", ".join([*places, *("date '1980-02-29'" for _ in dates)])
    await connection.execute(
        f'insert into "{table.name}" ({names}) overriding system value values ({values})',
        *(row[name] for name in columns),
    )
