"""Every event a client may send: its body, its reply, who may send it, and where it is handled."""

from hub import wire, wire_evidence, wire_moderation
from hub.edge.dispatch import Event
from hub.events import (
    analytics,
    auth,
    chat,
    directory,
    hosting,
    media,
    moderation,
    observing,
    room,
    safety,
    session,
)
from hub.hub import Hub
from rooms.ids import Role

ALL: frozenset[Role] = frozenset({"guest", "practitioner", "moderator", "admin"})
GUEST: frozenset[Role] = frozenset({"guest"})
PRACTITIONER: frozenset[Role] = frozenset({"practitioner"})
PARTY: frozenset[Role] = GUEST | PRACTITIONER
MODERATOR: frozenset[Role] = frozenset({"moderator"})
STEERING: frozenset[Role] = PRACTITIONER | MODERATOR

HANDLERS: dict[str, Event[Hub]] = {
    "directory:watch": Event(wire.Nothing, wire.Watched, ALL, directory.watch),
    "directory:unwatch": Event(wire.Nothing, wire.Done, ALL, directory.unwatch),
    "practitioner:online": Event(wire.Nothing, wire.Availability, PRACTITIONER, directory.online),
    "practitioner:offline": Event(wire.Nothing, wire.Availability, PRACTITIONER, directory.offline),
    "session:request": Event(wire.RequestSession, wire.Requested, GUEST, session.request),
    "session:accept": Event(wire.DeclineSession, wire.SessionReply, PRACTITIONER, session.accept),
    "session:decline": Event(wire.DeclineSession, wire.SessionReply, PRACTITIONER, session.decline),
    "session:cancel": Event(wire.OfSession, wire.SessionReply, GUEST, session.cancel),
    "session:extend": Event(wire.ExtendSession, wire.Extended, GUEST, session.extend),
    "session:end": Event(wire.OfSession, wire.Ended, PARTY, session.end),
    "room:join": Event(wire.JoinRoom, wire.Joined, PARTY, room.join),
    "room:leave": Event(wire.OfSession, wire.Done, PARTY, room.leave),
    "chat:send": Event(wire.SendChat, wire.Sent, PARTY, chat.send),
    "chat:history": Event(wire.ReadHistory, wire.History, PARTY, chat.history),
    "chat:typing": Event(wire.OfSession, wire.Done, PARTY, chat.typing),
    "chat:read": Event(wire.ReadMark, wire.Done, PARTY, chat.read),
    "media:refresh": Event(wire.OfSession, wire.MediaReply, PARTY, media.refresh),
    "media:signal": Event(wire.SignalPeer, wire.Done, PARTY, media.signal),
    "analytics:event": Event(wire.CountEvent, wire.Done, ALL, analytics.event),
    "safety:report": Event(wire_evidence.Report, wire_evidence.Reported, PARTY, safety.report),
    "safety:block": Event(wire_evidence.BlockPerson, wire.Done, PARTY, safety.block),
    "room:mute": Event(wire_moderation.OfGuest, wire.Done, STEERING, hosting.mute),
    "room:unmute": Event(wire_moderation.OfGuest, wire.Done, STEERING, hosting.unmute),
    "room:remove": Event(wire_moderation.OfGuest, wire.Done, STEERING, hosting.remove),
    "moderation:watch": Event(wire.Nothing, wire_moderation.FlagsWatched, MODERATOR, moderation.watch),
    "moderation:claim": Event(
        wire_moderation.ClaimFlag, wire_moderation.Claimed, MODERATOR, moderation.claim
    ),
    "moderation:act": Event(wire_moderation.Act, wire_moderation.Acted, MODERATOR, moderation.act),
    "moderation:observe": Event(wire_evidence.Observe, wire_evidence.Observed, MODERATOR, observing.observe),
    "moderation:unobserve": Event(wire.OfSession, wire.Done, MODERATOR, observing.unobserve),
    "auth:refresh": Event(wire.RefreshToken, wire.Refreshed, ALL, auth.refresh),
}
