"""Terms and rooms for the tests of billing, written as short as they are read."""

from msgspec.structs import replace

from billing.settlement import Held
from rooms.ids import SessionId, UserId
from rooms.presence import Span
from rooms.room import Hold, Limits, Participant, Room, State, Terms

SESSION = SessionId("0192f0c1-2345-7000-8000-00000000beef")


def per_minute(
    rate_minor: int = 300,
    *,
    currency: str = "usd",
    free_ms: int = 0,
    fee_bps: int = 2000,
    cap_minor: int = 1_000_000,
    minimum_minor: int = 0,
) -> Terms:
    return Terms("per_minute", currency, rate_minor, free_ms, fee_bps, minimum_minor, cap_minor)


def placed(ordinal: int, amount_minor: int, *, charge: bool = True) -> Held:
    charge_id = f"ch_{ordinal}" if charge else None
    return Held(ordinal, amount_minor, f"pi_{ordinal}", "placed", charge_id)


def over(
    terms: Terms,
    *spans: tuple[int, int],
    ordinals: tuple[int, ...] = (1,),
    funded_ms: int = 10**9,
    state: State = State.ENDED,
) -> Room:
    """A session that is over, in which both were present in these spans (milliseconds since it began)."""
    presence = tuple(Span(from_ms, to_ms) for from_ms, to_ms in spans)
    end_ms = max((to_ms for _, to_ms in spans), default=0)
    host = Participant(0, UserId("host"), "Host", "practitioner", spans=presence)
    hold = Hold("placed", ordinals, funded_ms) if ordinals else None
    guest = Participant(1, UserId("guest"), "Guest", "guest", spans=presence, hold=hold)
    return Room(
        SESSION, "instant", state, host, (guest,), 1, terms, Limits(), 0, end_ms,
        live_at_ms=0 if spans else None, ended_at_ms=end_ms, end_reason="ended_by_guest",
    )  # fmt: skip


def unfunded(room: Room) -> Room:
    guest = replace(room.guests[0], hold=None)
    return replace(room, guests=(guest,))
