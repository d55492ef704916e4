"""The waiting list: a guest asks to be told when a practitioner is free, and is then asked before others.

It is one guest's turn at a time, for a while, in the order in which they asked. Meanwhile the practitioner is
seen as they are, and takes no instant request of anybody else.
"""

from typing import Final

from hub import words
from hub.errors import Code, Refused
from hub.hub import Hub
from rooms.errors import NotFound
from rooms.ids import UserId
from store.postgres import people, waitlist
from store.postgres.waitlist import WaitingRecord, leave_waitlist

MOST_OWN: Final = 20
"""For how many one guest may wait."""
MOST: Final = 100
"""How many may wait for one practitioner."""

leave = leave_waitlist


async def join(hub: Hub, guest_id: UserId, practitioner_id: UserId) -> WaitingRecord:
    """Wait for somebody; who does already keeps their place.

    Raises NotFound for who is not listed or blocked, Refused(conflict) where too many wait.
    """
    now_ms = hub.now_ms()
    await waitlist.join_waitlist(
        hub.pool,
        guest_id,
        practitioner_id,
        now_ms=now_ms,
        expires_at_ms=now_ms + hub.standards.waitlist_ms,
        most_own=MOST_OWN,
        most=MOST,
    )
    own = await waitlist.waiting(hub.pool, guest_id, None, now_ms=now_ms, limit=MOST_OWN)
    found = next((one for one in own if one.practitioner_id == practitioner_id), None)
    if found is not None:
        return found
    practice = await people.practice(hub.pool, practitioner_id)
    hidden = practitioner_id in await hub.blocks.of(guest_id)
    if practice is None or practice.verified_at_ms is None or hidden:
        raise NotFound
    if len(own) >= MOST_OWN:
        raise Refused(Code.CONFLICT, f"You wait for {MOST_OWN} people, which is as many as can be kept.")
    raise Refused(Code.CONFLICT, "Too many people wait for this practitioner already.")


async def require_turn(hub: Hub, guest_id: UserId, practitioner_id: UserId) -> None:
    """Nobody else who waited is asked first just now.

    Raises Refused(busy); its `fields` say it in each language.
    """
    until_ms = await waitlist.others_turn_until_ms(hub.pool, practitioner_id, guest_id, now_ms=hub.now_ms())
    if until_ms is None:
        return
    practice = await people.practice(hub.pool, practitioner_id)
    name = "" if practice is None else practice.name
    said = {language: text.format(name=name) for language, text in words.in_each("turn").items()}
    raise Refused(Code.BUSY, said["en"], fields=said)
