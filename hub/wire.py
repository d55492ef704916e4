"""The words of the public contract: one struct for each body and reply, and how rooms are put into them."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from hub.wire_safety import Because
from rooms.chat import TEXT_MAX
from rooms.directory import Status
from rooms.room import HoldStatus, Kind, RecordingState, State

UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
Uuid = Annotated[str, Meta(pattern=UUID, max_length=36)]
"""A UUID in lower case. The length is there because `$` also matches before a final line break."""
Handle = Annotated[str, Meta(min_length=1, max_length=64)]
"""A name that a client gives to one of its requests, to repeat it safely."""
FreeText = Annotated[str, Meta(min_length=1, max_length=500)]
Text = Annotated[str, Meta(min_length=1, max_length=TEXT_MAX)]
Minor = Annotated[int, Meta(ge=0, le=100_000_000)]
Seq = Annotated[int, Meta(ge=0, le=2**53)]


class Body(Struct, frozen=True, forbid_unknown_fields=True):
    """What a client sends: exactly these fields, of exactly these types."""


class Reply(Struct, frozen=True):
    """What is acknowledged, beside `ok`."""


class Nothing(Body, frozen=True):
    """No field at all."""


class Done(Reply, frozen=True):
    """It is done; there is nothing to add."""


class Named(Struct, frozen=True):
    """A person as others see them."""

    id: str
    name: str


class Speaker(Struct, frozen=True):
    """The sender of a message."""

    id: str
    name: str
    role: str


class Price(Struct, frozen=True):
    """What was agreed. Money in minor units of `currency`; `cap_minor` is the most that is charged."""

    kind: Literal["free", "flat", "per_minute"]
    amount_minor: int
    currency: str
    free_s: int
    minimum_minor: int
    cap_minor: int


class RecordingView(Struct, frozen=True):
    """How the latest recording of a session stands, who began it, and since when it is so."""

    state: RecordingState
    by: str
    at_ms: int


class Session(Struct, frozen=True):
    """A session as its people see it."""

    id: str
    kind: Kind
    state: State
    version: int
    practitioner: Named
    guest: Named | None
    seats: int
    price: Price
    requested_at_ms: int
    live_at_ms: int | None
    ended_at_ms: int | None
    end_reason: str | None
    until_ms: int | None = None
    """When it is over at the latest, because it was booked until then, or somebody's next booking begins."""
    recording: RecordingView | None = None


class HoldView(Struct, frozen=True):
    """Where the guest's hold stands; `url` is where the guest confirms it when `action_required`."""

    status: HoldStatus | Literal["none"]
    url: str | UnsetType = UNSET


class Meter(Struct, frozen=True):
    """A guest's meter at `as_of_ms`. While it is `running` a client counts on from there."""

    session_id: str
    guest_id: str
    running: bool
    billed_ms: int
    amount_minor: int
    currency: str
    rate_minor_per_minute: int
    funded_ms: int
    as_of_ms: int


class Media(Struct, frozen=True):
    """Credentials for the media channel. `provider` is `peer` where no Agora app is set.

    Without `publish` one sees and hears, and is not seen or heard: in a live room with many seats.
    """

    provider: Literal["agora", "peer"]
    app_id: str | None
    channel: str
    uid: int
    token: str | None
    expires_at_ms: int
    publish: bool = True


class ParticipantView(Struct, frozen=True):
    """Someone who takes part, and whether they are in the room now."""

    id: str
    name: str
    role: str
    present: bool
    muted: bool


class Message(Struct, frozen=True, kw_only=True, rename={"sender": "from"}):
    """A delivered message. Of one that was numbered and is gone there are `seq` and `lost` alone, and of one
    that a moderator took out `seq` and `removed`: it is said plainly, never skipped in silence.
    """

    id: str | UnsetType = UNSET
    seq: int
    at_ms: int | UnsetType = UNSET
    sender: Speaker | UnsetType = UNSET
    text: str | UnsetType = UNSET
    client_id: str | UnsetType = UNSET
    lost: Literal[True] | UnsetType = UNSET
    removed: Literal[True] | UnsetType = UNSET


class You(Struct, frozen=True):
    """The asking person's own part."""

    id: str
    role: str
    muted: bool


class Practitioner(Struct, frozen=True):
    """A practitioner in the directory.

    A price below `minimum_minor` is waived, and a guest who names no cap is never charged more than
    `cap_minor`; both are null where no money can be taken. Free time is given once a person:
    `/v1/practitioners/{id}/deal` says what the asking guest gets.
    """

    id: str
    name: str
    headline: str
    status: Status
    rate_minor_per_minute: int
    currency: str
    free_s: int
    topics: list[str]
    rating: float | None
    rating_count: int
    minimum_minor: int | None
    cap_minor: int | None
    next_slot_at_ms: int | UnsetType | None = UNSET
    """When they can be booked next, within two weeks; where one practitioner is asked for."""


# Bodies and replies, in the order of the contract.


class Watched(Reply, frozen=True):
    """The directory at this moment; `directory:changed` tells what follows."""

    practitioners: list[Practitioner]
    cursor: str | None


class Availability(Reply, frozen=True):
    """How the practitioner is shown now."""

    status: Status


class RequestSession(Body, frozen=True):
    """`session:request`. `cap_minor` is the most the guest wants to be charged."""

    practitioner_id: Uuid
    request_id: Handle
    cap_minor: Annotated[int, Meta(ge=1, le=100_000_000)] | None = None


class Requested(Reply, frozen=True):
    """The session that was asked for, and its hold."""

    session: Session
    hold: HoldView


class OfSession(Body, frozen=True):
    """An event about one session."""

    session_id: Uuid


class DeclineSession(Body, frozen=True):
    """`session:accept` and `session:decline`."""

    session_id: Uuid
    reason: FreeText | None = None


class SessionReply(Reply, frozen=True):
    """The session after the event."""

    session: Session


class RecordingReply(Reply, frozen=True):
    """How the latest recording stands; null where there was none. `recording:changed` tells what follows."""

    recording: RecordingView | None


class Ended(Reply, frozen=True):
    """The session after its end, and its final meter."""

    session: Session
    meter: Meter | None


class ExtendSession(Body, frozen=True):
    """`session:extend`: `minutes` more than was agreed. With a `request_id` it may be repeated safely."""

    session_id: Uuid
    minutes: Annotated[int, Meta(ge=1, le=480)]
    request_id: Handle | None = None


class Extended(Reply, frozen=True):
    """The meter, with what is funded now."""

    meter: Meter


class JoinRoom(Body, frozen=True):
    """`room:join`. With `after_seq`, what was said since; without, the last 50 messages."""

    session_id: Uuid
    after_seq: Seq | None = None


class Joined(Reply, frozen=True):
    """The room as it is at this moment; everything later comes as events."""

    session: Session
    participants: list[ParticipantView]
    messages: list[Message]
    head_seq: int
    meter: Meter | None
    media: Media
    you: You
    waiting: list[Named] | UnsetType = UNSET
    """To the host of a live room: who waits in the lobby."""


class SendChat(Body, frozen=True):
    """`chat:send`. Repeating a `client_id` gives the first answer."""

    session_id: Uuid
    client_id: Handle
    text: Text


class Sent(Reply, frozen=True):
    """Where the message stands. `because` says why it was not sent, or not sent as it was written."""

    id: str
    seq: int | None
    at_ms: int
    status: Literal["sent", "held", "blocked"]
    because: Because | UnsetType = UNSET


class ReadHistory(Body, frozen=True):
    """`chat:history`."""

    session_id: Uuid
    after_seq: Seq
    limit: Annotated[int, Meta(ge=1, le=200)]


class History(Reply, frozen=True):
    """Messages in order, and the latest `seq` there is."""

    messages: list[Message]
    head_seq: int


class ReadMark(Body, frozen=True):
    """`chat:read`: everything up to `seq` was read."""

    session_id: Uuid
    seq: Seq


class MediaReply(Reply, frozen=True):
    """Fresh media credentials."""

    media: Media


class SignalPeer(Body, frozen=True):
    """`media:signal`: something for the other side's media stack, passed on unread."""

    session_id: Uuid
    to: Uuid
    data: dict[str, Any]


class CountEvent(Body, frozen=True):
    """`analytics:event`: an event of the closed list, with properties of its own."""

    name: Annotated[str, Meta(min_length=1, max_length=40)]
    props: dict[str, Any]


class RefreshToken(Body, frozen=True):
    """`auth:refresh`."""

    token: str


class Refreshed(Reply, frozen=True):
    """The connection is good until then."""

    expires_at_ms: int


encode = msgspec.json.Encoder().encode
