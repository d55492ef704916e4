"""The SQL files, read once: `-- name: due` begins a statement, which reaches to the next name.

`-- name: session (as authenticated)` marks one that runs as whoever is asking, under row-level security.
"""

import re
from pathlib import Path

SQL = Path(__file__).parent / "sql"

_HEADER = re.compile(r"^-- name: ([a-z_]+)( \(as authenticated\))?$", re.MULTILINE)


def statements(topic: str) -> dict[str, str]:
    """The statements of `sql/{topic}.sql` by name; KeyError later means a name that is not there."""
    parts = _HEADER.split((SQL / f"{topic}.sql").read_text())
    return {name: text.strip() for name, text in zip(parts[1::3], parts[3::3], strict=True)}


def as_authenticated(topic: str) -> set[str]:
    """Which of them run as whoever is asking."""
    return {match[1] for match in _HEADER.finditer((SQL / f"{topic}.sql").read_text()) if match[2]}


def topics() -> list[str]:
    """Which files there are."""
    return sorted(path.stem for path in SQL.glob("*.sql"))
