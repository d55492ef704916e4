"""Everything the sandbox remembers: objects by kind and id, in memory and in one SQLite file."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_SCHEMA = """
create table if not exists objects (
    seq integer primary key, kind text not null, id text not null, json text not null, unique (kind, id))
"""
_PUT = """
insert into objects (kind, id, json) values (?, ?, ?)
on conflict (kind, id) do update set json = excluded.json
"""


class Store:
    """Objects as plain JSON, read from memory and written through to disk.

    Iteration is in order of creation, also after a restart. Writes reach the disk at `commit`, which the
    server calls before it answers, so a killed sandbox has kept whatever it had confirmed.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("pragma journal_mode=wal")
        # A killed process loses nothing without fsync; only a power cut could, and this is a sandbox.
        self._db.execute("pragma synchronous=off")
        self._db.execute(_SCHEMA)
        self._kinds: dict[str, dict[str, Json]] = {}
        self._open = False
        for kind, ident, text in self._db.execute("select kind, id, json from objects order by seq"):
            self._kinds.setdefault(kind, {})[ident] = json.loads(text)

    def get(self, kind: str, ident: str) -> Json | None:
        """The object itself, or None. Whoever changes it must `put` it back."""
        return self._kinds.get(kind, {}).get(ident)

    def put(self, kind: str, ident: str, value: Json) -> Json:
        """Create or replace; a replaced object keeps its place in the order."""
        self._begin()
        self._db.execute(_PUT, (kind, ident, json.dumps(value, separators=(",", ":"))))
        self._kinds.setdefault(kind, {})[ident] = value
        return value

    def delete(self, kind: str, ident: str) -> None:
        """Forget an object; unknown ids are fine."""
        if self._kinds.get(kind, {}).pop(ident, None) is not None:
            self._begin()
            self._db.execute("delete from objects where kind = ? and id = ?", (kind, ident))

    def all(self, kind: str) -> Iterator[Json]:
        """Oldest first."""
        return iter(self._kinds.get(kind, {}).values())

    def newest(self, kind: str) -> Iterator[Json]:
        """Newest first."""
        return reversed(self._kinds.get(kind, {}).values())

    def count(self, kind: str) -> int:
        """How many objects of a kind there are."""
        return len(self._kinds.get(kind, {}))

    def oldest_id(self, kind: str) -> str | None:
        """The id created first, or None."""
        return next(iter(self._kinds.get(kind, {})), None)

    def _begin(self) -> None:
        if not self._open:
            self._db.execute("begin")
            self._open = True

    def commit(self) -> None:
        """Make everything since the last commit durable against a kill."""
        if self._open:
            self._db.execute("commit")
            self._open = False

    def close(self) -> None:
        """Commit and close the file."""
        self.commit()
        self._db.close()
