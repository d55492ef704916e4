"""A message's three forms: as it is told (a JSON fragment), as it is stored (sealed), as it is answered.

The fragment is everything of `chat:message` but what the store alone knows, its `seq` and its time. It is
made once, by the hub of the sender, and every hub completes it to the same frame.
"""

from collections.abc import Iterable

import msgspec

from hub import wire
from rooms.ids import UserId
from rooms.room import Participant, Room
from store.privacy.bindings import message_aad
from store.privacy.keys import Keyring, SealBrokenError, ShreddedError
from store.records import StoredMessage
from store.redis.chat import Delivered

_message = msgspec.json.Decoder(wire.Message).decode


class Saying(msgspec.Struct, frozen=True, rename={"sender": "from"}):
    """What a fragment is made of."""

    id: str
    sender: wire.Speaker
    text: str
    client_id: str


def fragment(message_id: str, sender: Participant, text: str, client_id: str) -> bytes:
    """The told form, without the braces."""
    return msgspec.json.encode(Saying(message_id, _speaker(sender), text, client_id))[1:-1]


def told(delivered: Delivered, fragment: bytes) -> wire.Message:
    """A message that was told, as an answer repeats it."""
    return _message(b'{"seq":%d,"at_ms":%d,%s}' % (delivered.seq, delivered.at_ms, fragment))


async def messages(keyring: Keyring, room: Room, stored: Iterable[StoredMessage]) -> list[wire.Message]:
    """Stored messages, opened. One that cannot be opened any more is told as lost, with its place."""
    answer: list[wire.Message] = []
    for message in stored:
        if message.removed:
            answer.append(wire.Message(seq=message.seq, removed=True))
            continue
        sender = _sender(room, message.participant_no)
        text = None if sender is None else await opened(keyring, sender.user_id, message.id, message.body)
        if sender is None or text is None:
            answer.append(wire.Message(seq=message.seq, lost=True))
        else:
            answer.append(
                wire.Message(
                    id=message.id,
                    seq=message.seq,
                    at_ms=message.at_ms,
                    sender=_speaker(sender),
                    text=text,
                    client_id=message.client_id,
                )
            )
    return answer


async def reopened(keyring: Keyring, room: Room, delivered: Delivered) -> bytes | None:
    """The fragment of a message that this hub did not hear being told."""
    sender = _sender(room, delivered.participant_no)
    text = None if sender is None else await opened(keyring, sender.user_id, delivered.id, delivered.sealed)
    if sender is None or text is None:
        return None
    return fragment(delivered.id, sender, text, delivered.client_id)


def _speaker(person: Participant) -> wire.Speaker:
    return wire.Speaker(person.user_id, person.name, person.role)


def _sender(room: Room, participant_no: int) -> Participant | None:
    return next((person for person in room.people if person.no == participant_no), None)


async def opened(keyring: Keyring, sender_id: UserId, message_id: str, sealed: bytes) -> str | None:
    """A stored text; None when it cannot be opened any more."""
    try:
        key = await keyring.load(sender_id)
        return keyring.open(key, message_aad(message_id), sealed).decode()
    except (ShreddedError, SealBrokenError):
        return None
