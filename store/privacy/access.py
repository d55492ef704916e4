"""The access report: everything of a person that is for them to know, from one function for every way out."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec

from rooms.ids import UserId
from store.postgres import access, cards, people, recordings
from store.postgres.pool import Db
from store.privacy import owned
from store.privacy.keys import DataKey
from store.privacy.retention import Ages

LIST_MAX: Final = 10_000
"""Items of each list; `more` names the lists that are longer."""
TABLE_MAX: Final = 1_000
"""Rows of each table; an export has them all."""


async def report(db: Db, user_id: UserId, key: DataKey, ages: Ages, *, now_ms: int) -> dict[str, Any]:
    """What the record has about somebody. `db` acts as that person, so nothing of others can slip in.

    `{"user_id", "profile", "card", "sessions", "reports", "blocks", "actions", "appeals", "reads",
    "recordings", "tables", "more"}`: `actions` were taken against them, `reads` tell who read their chats, by
    role and never by name. `tables` has the rows of every table that the registry shows them, their words
    opened with their `key`. What is expired at `now_ms` is nowhere in it.
    """
    profile, card = await people.own_profile(db), await cards.own_card(db)
    size, younger = LIST_MAX + 1, partial(ages.shown_after_ms, now_ms=now_ms)
    lists: dict[str, list[Any]] = {
        "sessions": await access.own_sessions(db, limit=size, younger_ms=younger("sessions")),
        "reports": await access.own_reports(db, limit=size, younger_ms=younger("reports")),
        "blocks": await access.own_blocks(db, limit=size),
        "actions": await access.own_actions(db, limit=size, younger_ms=younger("moderation_actions")),
        "appeals": await access.own_appeals(db, limit=size, younger_ms=younger("appeals")),
        "reads": await access.own_reads(db, limit=size),
        "recordings": await recordings.own_recordings(db, limit=size),
    }
    shown = {name: items[:LIST_MAX] for name, items in lists.items()}
    more = [name for name, items in lists.items() if len(items) > LIST_MAX]
    rows, longer = await _tables(db, key, younger)
    told: dict[str, Any] = msgspec.to_builtins(
        {"user_id": user_id, "profile": profile, "card": card, **shown}
    )
    return {**told, "tables": rows, "more": [*more, *longer]}


async def _tables(
    db: Db, key: DataKey, younger: Callable[[str], int]
) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """The rows by table, and which tables have more than fit, as `tables.<name>`."""
    rows: dict[str, list[dict[str, Any]]] = {}
    longer: list[str] = []
    for table in owned.tables():
        found, after = await owned.page(
            db, table, after=None, limit=TABLE_MAX, shown_after_ms=younger(table.name)
        )
        rows[table.name] = [owned.readable(key, table, row) for row in found]
        if after is not None:
            longer.append(f"tables.{table.name}")
    return rows, longer
