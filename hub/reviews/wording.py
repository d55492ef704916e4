"""One wording of a review or of its answer: judged by the rules of chat, sealed, and put on record together
with the case that it may need.
"""

from typing import Final

import uuid_utils
from msgspec import Struct
from msgspec.structs import replace

from hub.errors import Code, Refused
from hub.hub import Hub
from hub.moderation import flagging
from hub.reviews import rating
from hub.safety import evidence
from hub.safety.checking import FLAGGED_AS
from hub.words import WORDS, Language
from rooms import reviews as rules
from rooms.chat import Status, flagged_for, in_distress
from rooms.ids import UserId
from rooms.reviews import Part
from rooms.safety.raised import Raised
from rooms.safety.verdict import Category, Finding, OnTimeout
from rooms.safety.window import Window
from store.postgres import reviews as rows
from store.postgres.pool import Transacting
from store.postgres.reviews import ReviewRecord, Version
from store.privacy.bindings import message_aad, wording_aad
from store.privacy.keys import Keyring, SealBrokenError, ShreddedError

STATUS: Final[dict[str, Status]] = {"published": "sent", "pending": "held", "blocked": "blocked"}
REWRITTEN: Final = Finding("reviews.rewritten", "1", Category.REPORT, "low", "hold", 0, 0)
"""An earlier wording was refused by a moderator, so that this one is looked at first."""


class Judged(Struct, frozen=True):
    """A text, what becomes of it and why. `because` is a category that people are told, or None."""

    text: str
    state: str
    finding: Finding | None
    because: str | None
    on_timeout: OnTimeout
    distress: bool


class Wording(Struct, frozen=True):
    """What somebody wants to have said. `version` is the number that it gets."""

    review: ReviewRecord
    part: Part
    author_id: UserId
    version: int
    rating: int | None


def judge(hub: Hub, text: str, *, watched: bool) -> Judged:
    """What the rules of chat say of a text that everybody could read."""
    verdict = hub.safety.rules.check(text, Window(), now_ms=hub.now_ms())
    state = rules.becomes(verdict, watched=watched)
    finding = flagged_for(verdict) or (REWRITTEN if state == "pending" else None)
    distress = finding is not None and finding.category is Category.DISTRESS
    return Judged(
        text=verdict.text,
        state=state,
        finding=finding,
        because=None if finding is None or distress or finding is REWRITTEN else finding.category.value,
        # Nobody's despair is shown to strangers because nobody had time to read it, nor what takes the place
        # of refused words.
        on_timeout="reject" if distress or watched else verdict.on_timeout,
        distress=in_distress(verdict),
    )


async def add(hub: Hub, db: Transacting, wording: Wording, judged: Judged) -> tuple[Version, str | None]:
    """Put a wording on record, with the review locked; also the id of its case, if it has one."""
    now_ms, version_id = hub.now_ms(), str(uuid_utils.uuid7())
    state: rules.State = "published" if judged.state == "published" else "pending"
    key = await hub.keyring.load(wording.author_id)
    version = Version(
        id=version_id,
        review_id=wording.review.id,
        part=wording.part,
        version=wording.version,
        author_id=wording.author_id,
        rating=wording.rating,
        text=key.seal(wording_aad(version_id), judged.text.encode()),
        state=state,
        because=judged.because,
        on_timeout=judged.on_timeout,
        due_at_ms=now_ms + hub.standards.review_held_ms if state == "pending" else None,
        created_at_ms=now_ms,
    )
    await rows.supersede(db, version.review_id, version.part, state)
    await rows.insert_version(db, version)
    if state == "published" and wording.part == "review":
        await rating.want_told(db, wording.review.practitioner_id, now_ms=now_ms)
    if judged.finding is None:
        return version, None
    return version, await raise_case(hub, db, wording, judged, version_id)


async def raise_case(hub: Hub, db: Transacting, wording: Wording, judged: Judged, message_id: str) -> str:
    """A case about a wording, with its text as evidence, in the caller's transaction; its id."""
    finding, now_ms = judged.finding or REWRITTEN, hub.now_ms()
    key = await hub.keyring.load(wording.author_id)
    raised = Raised(
        flag_id=str(uuid_utils.uuid7()),
        session_id=wording.review.session_id,
        message_id=message_id,
        user_id=wording.author_id,
        participant_no=0,
        category=finding.category,
        severity=finding.severity,
        rule=finding.rule,
        rule_version=finding.version,
        action=FLAGGED_AS[STATUS[judged.state]],
        start=finding.start,
        end=finding.end,
        at_ms=now_ms,
        seq=None,
        sealed=key.seal(message_aad(message_id), judged.text.encode()),
        review_id=wording.review.id or None,
    )
    flag_id = await flagging.put(hub, db, raised)
    # Also of what is shown: whoever decides reads what it was, whatever its author makes of it meanwhile.
    await evidence.keep(
        db,
        hub.keyring,
        flag_id=flag_id,
        session_id=wording.review.session_id,
        subject_id=wording.author_id,
        kind="message",
        content=judged.text.encode(),
        now_ms=now_ms,
        keep_ms=hub.standards.evidence_ms,
    )
    return flag_id


async def refuse(hub: Hub, wording: Wording, judged: Judged, language: Language) -> Refused:
    """Put the case of a blocked text on record, once however often it comes; the refusal to raise."""
    key = await hub.keyring.load(wording.author_id)
    # Its id follows from the text, and tells nothing of it.
    marked = key.mark(f"review:{wording.review.session_id}:{wording.part}:{judged.text}".encode())
    message_id = str(uuid_utils.UUID(bytes=marked))
    # A wording that is nowhere: nothing of it can be released.
    nowhere = replace(wording, review=replace(wording.review, id=""))
    async with hub.pool.acquire() as db, db.transaction():
        flag_id = await raise_case(hub, db, nowhere, judged, message_id)
    await flagging.tell_changed(hub, flag_id)
    said = because(judged.state, judged.because, language)
    return Refused(Code.BAD_REQUEST, said, fields={"text": judged.because or "is not possible"})


def because(state: str, category: str | None, language: Language) -> str:
    """Why words are not shown, in words."""
    words = WORDS[language]
    opening = words.reviews["blocked" if state == "blocked" else "held"]
    return f"{opening} {words.because.get(category or '', '')}".strip()


async def opened(keyring: Keyring, author_id: UserId, version_id: str, sealed: bytes) -> str | None:
    """A wording; None once its author was erased."""
    try:
        return keyring.open(await keyring.load(author_id), wording_aad(version_id), sealed).decode()
    except (ShreddedError, SealBrokenError):
        return None
