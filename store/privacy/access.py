"""The access report: everything of a person that is for them to know, from one function for every way out."""

from typing import Any, Final

import msgspec

from rooms.ids import UserId
from store.postgres import access, cards, people
from store.postgres.pool import Db

LIST_MAX: Final = 10_000
"""Items of each list; `more` names the lists that are longer."""


async def report(db: Db, user_id: UserId) -> dict[str, Any]:
    """What the record has about somebody. `db` acts as that person, so nothing of others can slip in.

    `{"user_id", "profile", "card", "sessions", "reports", "blocks", "actions", "appeals", "reads", "more"}`:
    `actions` were taken against them, `reads` tell who read their chats, by role and never by name.
    """
    profile, card = await people.own_profile(db), await cards.own_card(db)
    size = LIST_MAX + 1
    lists: dict[str, list[Any]] = {
        "sessions": await access.own_sessions(db, limit=size),
        "reports": await access.own_reports(db, limit=size),
        "blocks": await access.own_blocks(db, limit=size),
        "actions": await access.own_actions(db, limit=size),
        "appeals": await access.own_appeals(db, limit=size),
        "reads": await access.own_reads(db, limit=size),
    }
    shown = {name: items[:LIST_MAX] for name, items in lists.items()}
    more = [name for name, items in lists.items() if len(items) > LIST_MAX]
    told: dict[str, Any] = msgspec.to_builtins(
        {"user_id": user_id, "profile": profile, "card": card, **shown, "more": more}
    )
    return told
