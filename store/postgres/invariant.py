"""What must always hold of the money on record: one file each in `invariants/`, which finds what breaks."""

from pathlib import Path
from typing import Any

from store.postgres.pool import Db

INVARIANTS = Path(__file__).parent / "invariants"


def names() -> list[str]:
    """All of them."""
    return sorted(path.stem for path in INVARIANTS.glob("*.sql"))


def text(name: str) -> str:
    """The query; its first comment says what holds. `$1`, where it stands, is now in Unix milliseconds."""
    return (INVARIANTS / f"{name}.sql").read_text()


async def broken(db: Db, name: str, *, now_ms: int) -> list[dict[str, Any]]:
    """The rows that break one; none when it holds."""
    query = text(name)
    found = await db.fetch(query, *([now_ms] if "$1::" in query else []))
    return [dict(row.items()) for row in found]
