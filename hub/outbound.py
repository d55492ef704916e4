"""What the hub says by itself: one struct for the body of each event from it."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from hub.wire import HoldView, Named, Session, Speaker
from rooms.directory import Status


class DirectoryDetails(Struct, frozen=True, kw_only=True):
    """What a practitioner shows and offers. Nothing of it with a change of status alone."""

    name: str | UnsetType = UNSET
    headline: str | UnsetType = UNSET
    topics: list[str] | UnsetType = UNSET
    rate_minor_per_minute: int | UnsetType = UNSET
    currency: str | UnsetType = UNSET
    free_s: int | UnsetType = UNSET
    accepts_instant: bool | UnsetType = UNSET


class DirectoryChanged(DirectoryDetails, frozen=True, kw_only=True):
    """`directory:changed`: how a practitioner stands and, after a correction, what they show and offer."""

    id: str
    status: Status


class SessionOffered(Struct, frozen=True):
    """`session:offered`."""

    session: Session
    guest: Named
    expires_at_ms: int


class SessionState(Struct, frozen=True, omit_defaults=True):
    """`session:state`; `hold` is there while the session waits for it."""

    session: Session
    hold: HoldView | UnsetType = UNSET


class RoomPresence(Struct, frozen=True):
    """`room:presence`."""

    session_id: str
    user_id: str
    present: bool
    reason: str | UnsetType = UNSET


class RoomMuted(Struct, frozen=True):
    """`room:muted`: somebody may not speak, until then or until it is taken back; or may again."""

    session_id: str
    user_id: str
    muted: bool
    until_ms: int | UnsetType = UNSET


class MeterWarning(Struct, frozen=True):
    """`meter:warning`."""

    session_id: str
    remaining_ms: int


class Notice(Struct, frozen=True):
    """`notice`: something that people should know. `code` is for programs, `message` for people."""

    code: str
    message: str
    session_id: str | UnsetType = UNSET


class PolicyUpdated(Struct, frozen=True):
    """`policy:updated`: there is a new version of the privacy policy, and from when it holds."""

    version: int
    effective_at_ms: int
    published_at_ms: int


class ChatMessage(Struct, frozen=True, rename={"sender": "from"}):
    """`chat:message`. One that was withheld has no `seq`, but a `status`, and is told to observers alone."""

    session_id: str
    seq: int | None
    at_ms: int
    id: str
    sender: Speaker
    text: str
    client_id: str
    status: Literal["held", "blocked"] | UnsetType = UNSET


class Draining(Struct, frozen=True):
    """`hub:draining`: come back within this time, and another hub will answer."""

    reconnect_within_ms: int


class Typing(Struct, frozen=True):
    """`chat:typing`."""

    session_id: str
    user_id: str


class ReadUpTo(Struct, frozen=True):
    """`chat:read`."""

    session_id: str
    user_id: str
    seq: int


class PeerSignal(Struct, frozen=True, rename={"sender": "from"}):
    """`media:signal`."""

    session_id: str
    sender: str
    data: dict[str, Any]
