"""Who may join which media channel, and until when. Clients name neither channel nor uid: both follow from
the session, so nobody can ask for a place in somebody else's conversation.
"""

import hashlib
from typing import Literal

from agora_token_builder import RtcTokenBuilder
from agoraiotools import RtcTokenBuilder2
from msgspec import Struct

from rooms import meter
from rooms.ids import SessionId
from rooms.room import Participant, Room

FIRST_UID = 1
"""Agora reads uid 0 as 'anyone', so participant 0 has uid 1."""

PUBLISHES, LISTENS = 1, 2
"""Roles of a token, the same in both formats."""
STAGE_SEATS = 16
"""In a live room with more seats than this, guests listen: the stage is the host's."""
MESH_SEATS = 4
"""Where no Agora app carries the media, guests of a room with more seats signal with their host alone."""


class AgoraApp(Struct, frozen=True):
    """An Agora project: id and certificate of 32 hexadecimal digits, and the token format to build.

    Raises ValueError on an empty id or certificate: the builders take both in silence and make a token that
    opens nothing.
    """

    app_id: str
    certificate: str
    version: Literal["006", "007"] = "007"

    def __post_init__(self) -> None:
        if not self.app_id or not self.certificate:
            raise ValueError("Agora needs both an app id and a certificate.")


class Credentials(Struct, frozen=True):
    """A place in the media channel until `expires_at_ms`. Without an Agora app there is no token."""

    channel: str
    uid: int
    token: str | None
    expires_at_ms: int


def channel(session_id: SessionId) -> str:
    """The session's media channel. The id itself is not shown to the media vendor."""
    return hashlib.sha256(b"allinya media " + session_id.encode()).hexdigest()[:32]


def credentials(
    app: AgoraApp | None, room: Room, person: Participant, *, longest_ms: int, now_ms: int
) -> Credentials:
    """The person's place in the channel, never past funded time plus grace."""
    name, uid = channel(room.id), person.no + FIRST_UID
    role = PUBLISHES if publishes(room, person) else LISTENS
    lasts_ms = min(longest_ms, _funded_ms(room, person, now_ms) + room.limits.grace_ms)
    expires_at_ms = now_ms + lasts_ms
    token = None if app is None else _token(app, name, uid, role, lasts_s=lasts_ms // 1000, now_ms=now_ms)
    return Credentials(name, uid, token, expires_at_ms)


def recorder(app: AgoraApp, session_id: SessionId, uid: int, *, lasts_s: int, now_ms: int) -> str:
    """The token by which a recorder takes the place `uid` in the session's channel. It only listens."""
    return _token(app, channel(session_id), uid, LISTENS, lasts_s=lasts_s, now_ms=now_ms)


def publishes(room: Room, person: Participant) -> bool:
    """Whether somebody may be seen and heard, or only see and hear."""
    return person.role == "practitioner" or room.seats <= STAGE_SEATS


def may_signal(room: Room, one: Participant, other: Participant) -> bool:
    """Whether two people's media stacks talk to each other where no Agora app carries the media."""
    both_in = one.lobby == other.lobby == "admitted"
    return both_in and one.no != other.no and (room.seats <= MESH_SEATS or 0 in (one.no, other.no))


def _funded_ms(room: Room, person: Participant, now_ms: int) -> int:
    """Funded time that is left: a guest's own, the practitioner's that of the guest who has most."""
    guests = [person] if person.role == "guest" else room.guests
    unpaid = [guest for guest in guests if guest.hold is None]
    if unpaid:
        return room.limits.session_ms
    return max(
        (
            max(0, guest.hold.funded_ms - meter.billed_ms(room, guest, now_ms))
            for guest in guests
            if guest.hold is not None
        ),
        default=0,
    )


def _token(app: AgoraApp, name: str, uid: int, role: int, *, lasts_s: int, now_ms: int) -> str:
    if app.version == "006":
        expires_at_s = now_ms // 1000 + lasts_s
        token = RtcTokenBuilder.buildTokenWithUid(app.app_id, app.certificate, name, uid, role, expires_at_s)
    else:
        # This format counts its seconds from the moment it is built.
        token = RtcTokenBuilder2.build_token_with_uid(
            app.app_id, app.certificate, name, uid, role, lasts_s, lasts_s
        )
    if not token:
        raise ValueError("Agora's builder made no token: the app id or the certificate is malformed.")
    return str(token)
