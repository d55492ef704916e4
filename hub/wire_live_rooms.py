"""The words of the contract about live rooms and their lobby."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from hub.wire import Body, Handle, HoldView, Minor, Named, Price, Reply, Session, Uuid
from rooms.lobby import SEATS_MAX
from rooms.room import History, State

TITLE_MAX = 120

Title = Annotated[str, Meta(min_length=1, max_length=TITLE_MAX)]
Moment = Annotated[int, Meta(ge=0, le=2**53)]


class AskedPrice(Struct, frozen=True, forbid_unknown_fields=True):
    """What a guest pays: nothing, once for all, or by the minute. In the practice's own currency."""

    kind: Literal["free", "flat", "per_minute"]
    amount_minor: Minor = 0
    currency: Annotated[str, Meta(min_length=3, max_length=3)] | UnsetType = UNSET


class OpenRoom(Body, frozen=True):
    """`POST /v1/live-rooms`. `history`: what of the chat somebody who comes later is shown."""

    title: Title
    seats: Annotated[int, Meta(ge=1, le=SEATS_MAX)]
    price: AskedPrice
    starts_at_ms: Moment | None = None
    history: History = "from_entry"
    request_id: Handle | None = None


class LiveRoom(Struct, frozen=True):
    """A live room as everybody may find it. `id` is its session's."""

    id: str
    session_id: str
    kind: Literal["live_room"]
    title: str
    practitioner: Named
    state: State
    seats: int
    taken: int
    price: Price
    history: History
    starts_at_ms: int | None
    requested_at_ms: int
    live_at_ms: int | None
    version: int
    session: Session


class LiveRooms(Struct, frozen=True):
    """A page of the rooms that are open or to come, the newest first."""

    items: list[LiveRoom]
    cursor: str | None


class Knock(Body, frozen=True):
    """`room:knock`: ask to be let in. `cap_minor` is the most one wants to be charged, by the minute."""

    session_id: Uuid
    request_id: Handle
    cap_minor: Annotated[int, Meta(ge=1, le=100_000_000)] | None = None


class Knocked(Reply, frozen=True, omit_defaults=True):
    """Where one stands; `hold` while the room has a price, `reason` when one is out."""

    state: Literal["waiting", "admitted", "denied"]
    hold: HoldView
    session: Session
    reason: str | UnsetType = UNSET


class OfKnock(Body, frozen=True):
    """`room:admit`, `room:deny` and `room:lobby`: the host decides about somebody."""

    session_id: Uuid
    user_id: Uuid


class Lobby(Reply, frozen=True):
    """Who waits in the lobby after that, the first of them by name, and how many there are."""

    waiting: list[Named]
    count: int
