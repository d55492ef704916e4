"""What a host calls a room: everybody can read it, so it is judged like a message, and sealed like one."""

import unicodedata

from hub.hub import Hub
from hub.routes.answer import bad_request
from rooms.chat import in_distress, outcome
from rooms.ids import SessionId, UserId
from rooms.room import Room
from rooms.safety.window import Window
from store.privacy.bindings import live_room_aad
from store.privacy.keys import Keyring, SealBrokenError, ShreddedError

UNTITLED = ""
"""Of a host whose key is gone."""


def said_title(hub: Hub, text: str) -> str:
    """The title as it is shown, without the numbers of cards. Raises Refused(bad_request) for what is not."""
    title = " ".join(unicodedata.normalize("NFC", text).split())
    if not title or any(unicodedata.category(letter) == "Cc" for letter in title):
        raise bad_request("title", "is blank")
    verdict = hub.safety.rules.check(title, Window(), now_ms=hub.now_ms())
    if outcome(verdict) != "sent" or in_distress(verdict):
        found = verdict.finding.category.value if verdict.finding is not None else "distress"
        raise bad_request("title", f"can't be shown: {found}")
    return verdict.text


async def seal_title(hub: Hub, room: Room, title: str) -> bytes:
    """The title under its host's key."""
    key = await hub.keyring.load(room.practitioner.user_id)
    return key.seal(live_room_aad(room.id), title.encode())


async def opened_title(keyring: Keyring, session_id: SessionId, host_id: UserId, sealed: bytes) -> str:
    """The title; `UNTITLED` when it can't be opened any more."""
    try:
        key = await keyring.load(host_id)
        return keyring.open(key, live_room_aad(session_id), sealed).decode()
    except (ShreddedError, SealBrokenError):
        return UNTITLED
