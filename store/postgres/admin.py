"""What admins do and look at: actions, which stay, and cases."""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from rooms.ids import SessionId, UserId
from rooms.safety.free_text import masked
from store.money_records import AdminAction, Case
from store.postgres import audit
from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements
from store.privacy import texts
from store.privacy.bindings import admin_action_aad
from store.privacy.keys import Keyring

SQL = statements("admin")


async def note_action(
    db: Db,
    admin_id: UserId,
    action: str,
    *,
    subject: str,
    session_id: SessionId | None,
    reason: str,
    detail: dict[str, Any],
    now_ms: int,
    keyring: Keyring,
    about: str | None = None,
) -> None:
    """Put on record who did what and why, last in the transaction of what was done, and chain it.

    `about` is the person whom it is about: the reason is sealed under their key, or under the admin's own.
    """
    whose, number = about or admin_id, await next_action(db)
    sealed = await texts.sealed_for(keyring, db, whose, admin_action_aad(number), masked(reason))
    sealed_for = None if sealed is None else whose
    row = await db.fetchrow(
        SQL["note_action"],
        number,
        admin_id,
        action,
        subject,
        session_id,
        sealed,
        sealed_for,
        detail,
        now_ms,
    )
    noted = one(row, AdminAction)
    if noted is not None:
        await audit.append(
            db,
            actor_id=admin_id,
            actor_role="admin",
            action=action,
            subject_id=subject,
            session_id=session_id,
            detail={"record": noted.id, "record_sha256": action_digest(noted)},
            now_ms=now_ms,
        )


async def next_action(db: Db) -> int:
    """The number of the action that is put on record next; one that is not leaves a gap."""
    number: int = await db.fetchval(SQL["next_action"])
    return number


def action_digest(action: AdminAction) -> str:
    """What stands for an action's record in the audit chain: all of it that never changes.

    The reason counts as it is stored, so nobody has to open it. Ids of people may become others when they are
    removed; those of whoever did it, and to what, stand in the entry itself.
    """
    stays = (action.id, action.action, action.session_id, action.reason, action.detail, action.at_ms)
    return hashlib.sha256(msgspec.json.encode(stays, order="deterministic")).hexdigest()


async def reason_of(keyring: Keyring, action: AdminAction) -> str:
    """Why it was done, or the words that stand in the place of what was removed."""
    return await texts.shown(keyring, action.sealed_for, admin_action_aad(action.id), action.reason)


async def actions_of(db: Db, ids: Sequence[int]) -> list[AdminAction]:
    """Actions by their numbers; those that are there."""
    return many(await db.fetch(SQL["actions_of"], list(ids)), AdminAction)


async def actions(db: Db, *, before: int | None, limit: int) -> list[AdminAction]:
    """What was done, the newest first."""
    return many(await db.fetch(SQL["actions"], before, limit), AdminAction)


async def cases(db: Db, *, only_open: bool, before: str | None, limit: int) -> list[Case]:
    """Cases, the newest first."""
    return many(await db.fetch(SQL["cases"], only_open, before, limit), Case)


async def close_case(db: Db, case_id: str, *, now_ms: int) -> Case | None:
    """Somebody has looked at it; None when there is no such case, or it is closed."""
    return one(await db.fetchrow(SQL["close_case"], case_id, now_ms), Case)


async def one_case(db: Db, case_id: str) -> Case | None:
    """One case."""
    return one(await db.fetchrow(SQL["one_case"], case_id), Case)
