"""A message between the rules and the store: what they say of it, and the form in which it goes its way."""

from typing import Final, Literal

import uuid_utils
from msgspec import UNSET, UnsetType

from hub.chatting import fragment, opened
from hub.delivery import Follow
from hub.hub import Hub
from hub.safety.judging import SEED_MESSAGES
from hub.wire_safety import Because
from hub.words import WORDS, Language
from rooms.chat import Status, flagged_for, outcome
from rooms.ids import SessionId
from rooms.room import Participant
from rooms.safety.raised import Raised
from rooms.safety.verdict import Category, Finding, Verdict
from store.privacy.bindings import message_aad
from store.privacy.keys import DataKey
from store.redis.chat import Appended, Utterance
from store.redis.raised import packed

FLAGGED_AS: Final[dict[Status, Literal["flag", "hold", "block"]]] = {
    "sent": "flag",
    "held": "hold",
    "blocked": "block",
}


async def begin_window(hub: Hub, followed: Follow, sender: Participant) -> None:
    """Let the rules know what somebody said before this hub listened, wherever they said it."""
    if hub.safety.knows(followed, sender.user_id):
        return
    stored = await hub.chat.last(followed.session_id, SEED_MESSAGES)
    own = [
        message
        for message in stored
        if message.participant_no == sender.no and not message.lost and not message.removed
    ]
    texts = [await opened(hub.keyring, sender.user_id, message.id, message.body) for message in own]
    earlier = [(text, own[n].at_ms) for n, text in enumerate(texts) if text is not None]
    hub.safety.seed(followed, sender, earlier, stored[-1].seq if stored else 0)


def utterance(
    key: DataKey,
    session_id: SessionId,
    sender: Participant,
    message_id: str,
    client_id: str,
    verdict: Verdict,
    held_ms: int,
) -> Utterance:
    """A message on its way in, with what the rules say of it. Its text is the verdict's: numbers of cards are
    masked in it, and the text as it was written goes no further.
    """
    text, finding, status = verdict.text, flagged_for(verdict), outcome(verdict)
    sealed = key.seal(message_aad(message_id), text.encode())
    flag, why = b"", ""
    if finding is not None:
        flag = packed(_raised(session_id, sender, message_id, finding, status, sealed))
        why = _why(verdict, status)
    return Utterance(
        session_id=session_id,
        sender=sender.user_id,
        participant_no=sender.no,
        client_id=client_id,
        message_id=message_id,
        sealed=sealed,
        fragment=fragment(message_id, sender, text, client_id),
        flag=flag,
        status=status,
        why=why,
        held_ms=held_ms,
        on_timeout=verdict.on_timeout,
    )


def because(place: Appended, language: Language) -> Because | UnsetType:
    """Why a message was withheld or masked, in words; nothing to say about most."""
    if not place.why:
        return UNSET
    words = WORDS[language].because
    opening = words[place.status]
    return Because(place.why, f"{opening} {words[place.why]}".strip())


def _why(verdict: Verdict, status: Status) -> str:
    """In a word. Who was only flagged is not told so; who typed the number of a card is."""
    if status != "sent" and verdict.finding is not None:
        return verdict.finding.category.value
    return Category.CARD_NUMBER.value if verdict.masked else ""


def _raised(
    session_id: SessionId,
    sender: Participant,
    message_id: str,
    finding: Finding,
    status: Status,
    sealed: bytes,
) -> Raised:
    return Raised(
        flag_id=str(uuid_utils.uuid7()),
        session_id=session_id,
        message_id=message_id,
        user_id=sender.user_id,
        participant_no=sender.no,
        category=finding.category,
        severity=finding.severity,
        rule=finding.rule,
        rule_version=finding.version,
        action=FLAGGED_AS[status],
        start=finding.start,
        end=finding.end,
        at_ms=0,
        seq=None,
        sealed=sealed,
    )
