"""A session's chat as one of its people may take it along: their own words, and of others that they spoke.

Every message keeps its place, its time and the digest of its stored body, so that whoever has the file can
follow the chain to its head, which stands on the receipt. Who the others are, and what they wrote, is theirs.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec
from msgspec import Struct

from rooms.ids import SessionId
from store.postgres.exports import SaidRow, Seat
from store.privacy.bindings import message_aad
from store.privacy.keys import SealBrokenError

Language = Literal["en", "fr"]
YOU: Final = "you"
OTHER: Final = "the other person"

Open = Callable[[bytes, bytes], bytes]
"""Opens a sealed text, given what it is bound to. Raises SealBrokenError."""


class Said(Struct, frozen=True, rename={"sender": "from"}):
    """One message. Of a lost one only the place is left; `text` of one that was removed is gone."""

    seq: int
    id: str | None
    at_ms: int | None
    sender: Literal["you", "the other person"] | None
    participant_no: int | None
    text: str | None
    body_sha256: str | None
    removed: bool
    lost: bool


class Transcript(Struct, frozen=True):
    """A whole file. `head` is null while the session is not on record; then more may follow."""

    session_id: str
    your_participant_no: int
    your_role: str
    head: str | None
    complete: bool
    messages: list[Said]


class Words(Struct, frozen=True):
    """What the readable form is written in."""

    you: str
    other: str
    theirs: str
    removed: str
    lost: str


WORDS: Final[dict[Language, Words]] = {
    "en": Words(
        "You",
        "The other person",
        "(their words)",
        "(removed)",
        "(lost for a technical reason)",
    ),
    "fr": Words(
        "Vous",
        "L'autre personne",
        "(ses mots)",
        "(retiré)",
        "(perdu pour une raison technique)",
    ),
}


def said(rows: Sequence[SaidRow], seat: Seat, open_: Open) -> list[Said]:
    """The messages as they go into the file."""
    return [_said(row, seat.no, open_) for row in rows]


def before(seat: Seat) -> bytes:
    """The beginning of the JSON file, up to its messages."""
    head = None if seat.transcript_head is None else seat.transcript_head.hex()
    told = Transcript(seat.session_id, seat.no, seat.role, head, head is not None, [])
    return msgspec.json.encode(told).removesuffix(b"]}")


AFTER: Final = b"\n]}\n"


def piece(messages: Sequence[Said], *, first: bool) -> bytes:
    """Some messages in JSON, one a line."""
    lines = b",\n".join(map(_encode, messages))
    return (b"\n" if first else b",\n") + lines if lines else b""


def readable(messages: Sequence[Said], language: Language) -> bytes:
    """The same as text to read."""
    words = WORDS[language]
    return "".join(f"{_line(message, words)}\n" for message in messages).encode("utf-8", "replace")


def title(session_id: SessionId, language: Language) -> bytes:
    """The first lines of the text."""
    told = "Séance" if language == "fr" else "Session"
    return f"{told} {session_id}\n\n".encode()


_encode = msgspec.json.Encoder().encode


def _said(row: SaidRow, own_no: int, open_: Open) -> Said:
    if row.lost or row.id is None or row.body_sha256 is None:
        return Said(row.seq, None, None, None, None, None, None, removed=False, lost=True)
    mine = row.participant_no == own_no
    text = _text(row.id, row.body, open_) if mine and row.body is not None else None
    return Said(
        seq=row.seq,
        id=row.id,
        at_ms=row.at_ms,
        sender="you" if mine else "the other person",
        participant_no=row.participant_no,
        text=text,
        body_sha256=row.body_sha256.hex(),
        removed=row.gone,
        lost=False,
    )


def _text(message_id: str, body: bytes, open_: Open) -> str | None:
    try:
        return open_(message_aad(message_id), body).decode("utf-8", "replace")
    except SealBrokenError:
        return None


def _line(message: Said, words: Words) -> str:
    if message.lost:
        return f"#{message.seq} {words.lost}"
    at = datetime.fromtimestamp((message.at_ms or 0) / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    who = words.you if message.sender == YOU else words.other
    return f"#{message.seq} {at} {who}: {_shown(message, words)}"


def _shown(message: Said, words: Words) -> str:
    if message.text is not None:
        # The lines of one message stay together, and none of them looks like the beginning of another.
        return "\n    ".join(_printable(line) for line in message.text.splitlines())
    return words.theirs if message.sender == OTHER and not message.removed else words.removed


def _printable(line: str) -> str:
    """Without what makes a terminal do something."""
    return "".join(sign for sign in line if sign == "\t" or (sign >= " " and sign != "\x7f"))
