"""Who may join which media channel, and until when. Clients name neither channel nor uid: both follow from
the session, so nobody can ask for a place in somebody else's conversation.
"""

import hashlib
from typing import Literal

from agora_token_builder import RtcTokenBuilder
from agora_token_builder.RtcTokenBuilder import Role_Publisher
from agoraiotools import RtcTokenBuilder2
from msgspec import Struct

from rooms import meter
from rooms.ids import SessionId
from rooms.room import Participant, Room

FIRST_UID = 1
"""Agora reads uid 0 as 'anyone', so participant 0 has uid 1."""

ROLE_PUBLISHER_007 = 1


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
    lasts_ms = min(longest_ms, _funded_ms(room, person, now_ms) + room.limits.grace_ms)
    expires_at_ms = now_ms + lasts_ms
    token = None if app is None else _token(app, name, uid, lasts_s=lasts_ms // 1000, now_ms=now_ms)
    return Credentials(name, uid, token, expires_at_ms)


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


def _token(app: AgoraApp, name: str, uid: int, *, lasts_s: int, now_ms: int) -> str:
    if app.version == "006":
        expires_at_s = now_ms // 1000 + lasts_s
        token = RtcTokenBuilder.buildTokenWithUid(
            app.app_id, app.certificate, name, uid, Role_Publisher, expires_at_s
        )
    else:
        # This format counts its seconds from the moment it is built.
        token = RtcTokenBuilder2.build_token_with_uid(
            app.app_id, app.certificate, name, uid, ROLE_PUBLISHER_007, lasts_s, lasts_s
        )
    if not token:
        raise ValueError("Agora's builder made no token: the app id or the certificate is malformed.")
    return str(token)
