"""What was said around a moment, in plain words, for whoever has to decide about it."""

from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from msgspec import UNSET, Struct, UnsetType

from hub.hub import Hub
from hub.wire import Speaker
from rooms.errors import NotFound
from rooms.ids import SessionId, UserId
from rooms.room import Room
from store.postgres import reports as rows
from store.postgres.pool import acting_as
from store.privacy.bindings import message_aad
from store.privacy.keys import Keyring, SealBrokenError, ShreddedError
from store.records import StoredMessage

BEFORE: Final = 10
AFTER: Final = 10
LAST: Final = BEFORE + AFTER
PAGE: Final = 500


class Party(NamedTuple):
    """Someone who took part."""

    no: int
    user_id: UserId
    name: str
    role: str


class Place(NamedTuple):
    """A session as somebody who took part in it knows it. `room` is there while it is live or just over."""

    session_id: SessionId
    people: list[Party]
    ended_at_ms: int | None
    room: Room | None

    def person(self, user_id: UserId) -> Party | None:
        """The part of this person, if they have one."""
        return next((party for party in self.people if party.user_id == user_id), None)

    def sender(self, message: StoredMessage) -> Party | None:
        """Who wrote it."""
        return next((party for party in self.people if party.no == message.participant_no), None)


class SnapshotMessage(Struct, frozen=True, kw_only=True, rename={"sender": "from"}):
    """A message of a snapshot. `text` is null where it could not be opened any more."""

    seq: int
    id: str | UnsetType = UNSET
    at_ms: int | UnsetType = UNSET
    sender: Speaker | UnsetType = UNSET
    text: str | None = None
    lost: bool | UnsetType = UNSET


class Snapshot(Struct, frozen=True):
    """A report as it is kept: who reported whom or what, in which words, and what was said around it."""

    session_id: str
    reporter_id: str
    user_id: str
    message_id: str | None
    reason: str
    note: str | None
    reported_at_ms: int
    messages: list[SnapshotMessage]
    review_id: str | UnsetType = UNSET
    text: str | UnsetType | None = UNSET
    """The words of the review or of its answer, where these were reported."""


async def place(hub: Hub, who: UserId, session_id: SessionId) -> Place:
    """The session, live or on record. Raises NotFound unless `who` took part in it."""
    loaded = await hub.live.rooms.load(session_id)
    if loaded is not None:
        room = loaded.room
        if room.participant(who) is None:
            raise NotFound
        people = [Party(person.no, person.user_id, person.name, person.role) for person in room.people]
        return Place(session_id, people, room.ended_at_ms, room)
    async with acting_as(hub.pool, who) as connection:
        recorded = await rows.recorded_part(connection, session_id)
    if not recorded:
        raise NotFound
    people = [Party(part.no, part.user_id, part.name, part.role) for part in recorded]
    return Place(session_id, people, recorded[0].ended_at_ms, None)


async def around(hub: Hub, where: Place, message_id: str | None) -> list[StoredMessage]:
    """The messages around one, as many as there are so far, or the last of all. Empty if it is not there."""
    if where.room is not None:
        found = await _live(hub, where.session_id, message_id)
        if found:
            return found
    recorded = await rows.around(
        hub.pool,
        where.session_id,
        message_id,
        before=BEFORE if message_id is not None else LAST - 1,
        after=AFTER if message_id is not None else 0,
    )
    # What is too old is told to nobody, whether or not it was removed yet.
    return [one for one in recorded if one.lost or hub.shows("messages", one.at_ms)]


async def _live(hub: Hub, session_id: SessionId, message_id: str | None) -> list[StoredMessage]:
    if message_id is None:
        return await hub.chat.last(session_id, LAST)
    before: deque[StoredMessage] = deque(maxlen=BEFORE + 1)
    after_seq = 0
    while page := await hub.chat.read(session_id, after_seq, PAGE):
        for message in page:
            before.append(message)
            if message.id == message_id:
                return [*before, *await hub.chat.read(session_id, message.seq, AFTER)]
        after_seq = page[-1].seq
    return []


async def opened(keyring: Keyring, where: Place, messages: Iterable[StoredMessage]) -> list[SnapshotMessage]:
    """The messages in plain words. What is gone keeps its place."""
    answer = []
    for message in messages:
        sender = where.sender(message)
        if message.lost or sender is None:
            answer.append(SnapshotMessage(seq=message.seq, lost=True))
            continue
        answer.append(
            SnapshotMessage(
                seq=message.seq,
                id=message.id,
                at_ms=message.at_ms,
                sender=Speaker(sender.user_id, sender.name, sender.role),
                text=await _text(keyring, sender.user_id, message),
            )
        )
    return answer


async def _text(keyring: Keyring, sender: UserId, message: StoredMessage) -> str | None:
    try:
        key = await keyring.load(sender)
        return keyring.open(key, message_aad(message.id), message.body).decode()
    except (ShreddedError, SealBrokenError):
        return None
