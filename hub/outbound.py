"""What the hub says by itself: one struct for the body of each event from it."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from hub.wire import HoldView, Named, Session, Speaker
from rooms.directory import Status
from rooms.room import RecordingState


class DirectoryDetails(Struct, frozen=True, kw_only=True):
    """What a practitioner shows and offers. Nothing of it with a change of status alone."""

    name: str | UnsetType = UNSET
    headline: str | UnsetType = UNSET
    topics: list[str] | UnsetType = UNSET
    rate_minor_per_minute: int | UnsetType = UNSET
    currency: str | UnsetType = UNSET
    free_s: int | UnsetType = UNSET
    accepts_instant: bool | UnsetType = UNSET
    rating: float | UnsetType | None = UNSET
    rating_count: int | UnsetType = UNSET


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


class RecordingChanged(Struct, frozen=True):
    """`recording:changed`: how the recording of a session stands, who began it, and since when it is so."""

    session_id: str
    state: RecordingState
    by: str
    at_ms: int


class MeterWarning(Struct, frozen=True):
    """`meter:warning`."""

    session_id: str
    remaining_ms: int


class Notice(Struct, frozen=True):
    """`notice`: something that people should know. `code` is for programs, `message` for people.

    Of `practitioner_free`, whose `kind` it is too: the practitioner for whom one waited is free, and it is
    one's turn until `expires_at_ms`; `offer_id` is the same however often it is heard. Of a booking,
    `starts_at_ms` is its start, and `url` where a bank wants to be asked.
    """

    code: str
    message: str
    session_id: str | UnsetType = UNSET
    kind: str | UnsetType = UNSET
    practitioner_id: str | UnsetType = UNSET
    expires_at_ms: int | UnsetType = UNSET
    offer_id: str | UnsetType = UNSET
    booking_id: str | UnsetType = UNSET
    starts_at_ms: int | UnsetType = UNSET
    url: str | UnsetType = UNSET


class ExportProgress(Struct, frozen=True):
    """`export:progress`: how far one's own export is, 0 to 1. `message` says in words that it ended, and
    how.
    """

    export_id: str
    state: Literal["queued", "running", "ready", "failed", "expired"]
    progress: float
    message: str | UnsetType = UNSET


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


class LobbyState(Struct, frozen=True, omit_defaults=True):
    """`lobby:state`: where a guest stands. `reason` says why they are out; `hold` what they wait for."""

    session_id: str
    state: Literal["waiting", "admitted", "denied"]
    hold: HoldView | UnsetType = UNSET
    reason: str | UnsetType = UNSET


class LobbyChanged(Struct, frozen=True):
    """`lobby:changed`: who waits to be let in, the first of them by name, and how many there are."""

    session_id: str
    waiting: list[Named]
    count: int


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
