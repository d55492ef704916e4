"""Agora's notices: whether one is Agora's, and what of it is kept. They come late, twice and out of order.

https://docs.agora.io/en/api-reference/api-ref/rtc/channel-event-types
https://docs.agora.io/en/cloud-recording/reference/rest-api-overview
"""

import hashlib
import hmac
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from hub.vendors.agora_recording import files
from rooms.media_times import SECOND_MS, Move

RTC, RECORDING = 1, 3
"""Agora's numbers of its products."""

JOINED: Final = frozenset({103, 105, 107})
LEFT: Final = frozenset({104, 106, 108})
"""Of a broadcaster, of an audience, and of somebody in a channel of the simpler kind."""
STARTED: Final = frozenset({40})
OVER: Final = frozenset({11, 41})
FILES: Final = frozenset({4, 31, 32})
TROUBLE: Final = frozenset({1})

SIGNATURE_LENGTH: Final = 64

Count = Annotated[int, Meta(ge=0, le=2**62)]
Channel = Annotated[str, Meta(min_length=1, max_length=64)]
Uid = Annotated[int, Meta(ge=0, le=2**32 - 1)]


class Notice(Struct, frozen=True, rename="camel"):
    """The envelope. `notify_ms` changes when it is sent again, `notice_id` does not."""

    notice_id: Annotated[str, Meta(min_length=1, max_length=200)]
    product_id: int
    event_type: int
    notify_ms: int
    payload: msgspec.Raw


class _Move(Struct, frozen=True, rename="camel"):
    channel_name: Channel
    uid: Uid
    ts: Annotated[int, Meta(ge=0, le=2**40)]
    client_seq: Count
    duration: Annotated[int, Meta(ge=0, le=2**31)] = 0


class _Doing(Struct, frozen=True):
    cname: Channel
    uid: str | int
    sid: Annotated[str, Meta(min_length=1, max_length=256)]
    sendts: Count
    details: dict[str, Any] = {}


class Moved(Struct, frozen=True, tag="moved"):
    """Somebody came into a channel or left it."""

    channel: str
    uid: int
    move: Move


class Recorded(Struct, frozen=True, tag="recorded"):
    """Something of a recorder's doings."""

    channel: str
    uid: int
    sid: str
    what: Literal["started", "over", "files", "trouble"]
    at_ms: int
    files: list[dict[str, Any]] | None = None


Known = Moved | Recorded


def is_signed(raw: bytes, signature: str, secret: str) -> bool:
    """Whether `Agora-Signature-V2` is the HMAC-SHA256 of the body exactly as it came."""
    if len(signature) != SIGNATURE_LENGTH:
        return False
    ours = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
    return hmac.compare_digest(ours.encode(), signature.encode("utf-8", "replace"))


def known(notice: Notice) -> Known | None:
    """What it says, if it is of a kind that is used. Raises msgspec.ValidationError."""
    kind = notice.event_type
    if notice.product_id == RTC and kind in JOINED | LEFT:
        told = msgspec.json.decode(notice.payload, type=_Move)
        move = Move(told.client_seq, told.ts * SECOND_MS, kind in JOINED, told.duration * SECOND_MS)
        return Moved(told.channel_name, told.uid, move)
    if notice.product_id == RECORDING and (what := _what(kind)) is not None:
        doing = msgspec.json.decode(notice.payload, type=_Doing)
        listed = [msgspec.structs.asdict(one) for one in files(doing.details)] if what == "files" else []
        uid = msgspec.convert(doing.uid, Uid, strict=False)
        return Recorded(doing.cname, uid, doing.sid, what, doing.sendts, listed or None)
    return None


def _what(kind: int) -> Literal["started", "over", "files", "trouble"] | None:
    if kind in STARTED:
        return "started"
    if kind in OVER:
        return "over"
    if kind in FILES:
        return "files"
    return "trouble" if kind in TROUBLE else None
