"""Every event a client may send: its body, its reply, where it is handled. Who may: `hub/access.py`."""

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from hub import access, wire, wire_evidence, wire_live_rooms, wire_moderation
from hub.edge.connection import Connection
from hub.edge.dispatch import Event
from hub.events import (
    analytics,
    auth,
    chat,
    directory,
    hosting,
    lobby,
    media,
    moderation,
    observing,
    recording,
    room,
    safety,
    session,
)
from hub.hub import Hub

Handle = Callable[[Hub, Connection, Any], Awaitable[Struct]]

_SERVED: dict[str, tuple[type[Struct], type[Struct], Handle]] = {
    "directory:watch": (wire.Nothing, wire.Watched, directory.watch),
    "directory:unwatch": (wire.Nothing, wire.Done, directory.unwatch),
    "practitioner:online": (wire.Nothing, wire.Availability, directory.online),
    "practitioner:offline": (wire.Nothing, wire.Availability, directory.offline),
    "session:request": (wire.RequestSession, wire.Requested, session.request),
    "session:accept": (wire.DeclineSession, wire.SessionReply, session.accept),
    "session:decline": (wire.DeclineSession, wire.SessionReply, session.decline),
    "session:cancel": (wire.OfSession, wire.SessionReply, session.cancel),
    "session:extend": (wire.ExtendSession, wire.Extended, session.extend),
    "session:end": (wire.OfSession, wire.Ended, session.end),
    "room:join": (wire.JoinRoom, wire.Joined, room.join),
    "room:leave": (wire.OfSession, wire.Done, room.leave),
    "room:knock": (wire_live_rooms.Knock, wire_live_rooms.Knocked, lobby.knock),
    "room:admit": (wire_live_rooms.OfKnock, wire_live_rooms.Lobby, lobby.admit),
    "room:deny": (wire_live_rooms.OfKnock, wire_live_rooms.Lobby, lobby.deny),
    "room:lobby": (wire_live_rooms.OfKnock, wire_live_rooms.Lobby, lobby.send_back),
    "chat:send": (wire.SendChat, wire.Sent, chat.send),
    "chat:history": (wire.ReadHistory, wire.History, chat.history),
    "chat:typing": (wire.OfSession, wire.Done, chat.typing),
    "chat:read": (wire.ReadMark, wire.Done, chat.read),
    "media:refresh": (wire.OfSession, wire.MediaReply, media.refresh),
    "media:signal": (wire.SignalPeer, wire.Done, media.signal),
    "recording:start": (wire.OfSession, wire.RecordingReply, recording.start),
    "recording:stop": (wire.OfSession, wire.RecordingReply, recording.stop),
    "analytics:event": (wire.CountEvent, wire.Done, analytics.event),
    "safety:report": (wire_evidence.Report, wire_evidence.Reported, safety.report),
    "safety:block": (wire_evidence.BlockPerson, wire.Done, safety.block),
    "room:mute": (wire_moderation.OfGuest, wire.Done, hosting.mute),
    "room:unmute": (wire_moderation.OfGuest, wire.Done, hosting.unmute),
    "room:remove": (wire_moderation.OfGuest, wire.Done, hosting.remove),
    "moderation:watch": (wire.Nothing, wire_moderation.FlagsWatched, moderation.watch),
    "moderation:claim": (wire_moderation.ClaimFlag, wire_moderation.Claimed, moderation.claim),
    "moderation:act": (wire_moderation.Act, wire_moderation.Acted, moderation.act),
    "moderation:observe": (wire_evidence.Observe, wire_evidence.Observed, observing.observe),
    "moderation:unobserve": (wire.OfSession, wire.Done, observing.unobserve),
    "auth:refresh": (wire.RefreshToken, wire.Refreshed, auth.refresh),
}

HANDLERS: dict[str, Event[Hub]] = {
    name: Event(body, reply, access.of_event(name).who, handle)
    for name, (body, reply, handle) in _SERVED.items()
}
