"""Counts what people do, if they agreed to it, in a way that cannot be traced back to them.

Who did it is kept as a mark under a key of the week: enough to tell how many people there were in a week, and
no more. Once the week is over the key is destroyed, and nobody can tell whose mark a mark was.
"""

import uuid
from typing import Any, Final

from hub.errors import Code, Refused
from hub.hub import Hub
from rooms import analytics
from rooms.ids import UserId
from store.postgres import analytics as rows
from store.postgres import consents
from store.privacy.keys import Keyring, ShreddedError

_WEEKS: Final = uuid.UUID("5e0b1c7c-6a57-5b0e-9d3a-2f1f3a4c9b71")
KEPT_WEEKS: Final = 5
"""How far back keys are looked for that nobody destroyed because nothing was counted meanwhile."""

LATE_MS: Final = 3_600_000
"""How long a key outlives its week, for clocks that differ."""


async def count(hub: Hub, user_id: UserId, name: str, props: dict[str, Any]) -> None:
    """Count one event. Raises Refused: bad_request, or forbidden without consent."""
    try:
        analytics.check(name, props)
    except analytics.UnfitEvent as unfit:
        raise Refused(Code.BAD_REQUEST, f"{unfit.field}: {unfit}", fields={unfit.field: str(unfit)}) from None
    week = analytics.week(hub.now_ms())
    try:
        key = await hub.keyring.load(week_id(week))
    except ShreddedError:
        # Our clock is hours behind that of whoever destroyed it.
        raise Refused(Code.UNAVAILABLE, "Nothing can be counted just now.") from None
    marked = key.mark(user_id.encode())
    async with hub.pool.acquire() as connection, connection.transaction():
        await consents.share_consents(connection, user_id)
        counted = await rows.insert_event(
            connection, user_id, week=week, name=name, props=props, marked=marked
        )
    if not counted:
        raise Refused(Code.FORBIDDEN, "You have not agreed to analytics; nothing is counted.")


async def forget_marks(keyring: Keyring, now_ms: int) -> int:
    """Destroy the keys of the weeks that are over. Gives how many there were; harmless the second time."""
    first_open = analytics.week(now_ms - LATE_MS)
    over = range(first_open - KEPT_WEEKS, first_open)
    for week in over:
        await keyring.shred(week_id(week))
    return len(over)


def week_id(week: int) -> str:
    """What the key of a week is kept under. It is nobody's id."""
    return str(uuid.uuid5(_WEEKS, str(week)))
