"""Every key and channel. A room lies in one of 256 buckets; all its keys share the bucket's hash tag.

Nothing else in the project spells a key.
"""

from rooms.ids import HubId, SessionId, UserId

BUCKETS = tuple(f"{number:02x}" for number in range(256))

HUBS = "hubs:{hubs}"
"""Sorted set: hub incarnation -> last heartbeat, ms."""
SWEPT = "swept:{hubs}"
"""Set: incarnations whose meters were closed; they may write no more."""
EPOCH = "epoch:{hubs}"
"""The epoch of this store's data; missing or changed means that data was lost."""
DIRECTORY = "directory:{directory}"
"""Hash: practitioner -> msgpack (n, status). Also the channel that tells changes."""
MODERATION = "moderation:{moderation}"
"""The channel on which hubs are told of cases that are new or changed."""
AUDIT_HEAD = "audit:head"
"""JSON: the newest signed head of the audit chain."""

TOMBSTONES = "tombstones:{hubs}"
"""Hash: keyed mark of somebody who was erased -> when and why. It has no end: a backup may be restored
late.
"""

POLICY = "policy:{hubs}"
"""Channel: a version of the privacy policy was published."""


def bucket(session_id: SessionId) -> str:
    """The bucket of a room. The last digits of a UUID v7 are random, so rooms spread evenly."""
    return session_id[-2:]


def room(session_id: SessionId) -> str:
    """Hash: blob, version, rev, seq, open, voices, said_ms, pace:<user>. Also the room's channel."""
    return f"room:{{b{bucket(session_id)}}}:{session_id}"


def log(session_id: SessionId) -> str:
    """Stream by rev: what was told in the room, chat apart."""
    return f"log:{{b{bucket(session_id)}}}:{session_id}"


def chat(session_id: SessionId) -> str:
    """Stream by seq: the sealed messages."""
    return f"chat:{{b{bucket(session_id)}}}:{session_id}"


def seen(session_id: SessionId) -> str:
    """Hash: sender:client_id -> msgpack (seq, at_ms, id), and (status, why) unless it was simply sent."""
    return f"seen:{{b{bucket(session_id)}}}:{session_id}"


def removed(session_id: SessionId) -> str:
    """Set: the places of delivered messages that are not shown any more."""
    return f"removed:{{b{bucket(session_id)}}}:{session_id}"


def held(session_id: SessionId) -> str:
    """Hash: message -> msgpack (sender, client_id, no, sealed, at_ms, due_ms, what then, why)."""
    return f"held:{{b{bucket(session_id)}}}:{session_id}"


def held_due(bucket: str) -> str:
    """Sorted set: session/message -> when somebody must have decided about a held message, ms."""
    return f"held_due:{{b{bucket}}}"


def raised(bucket: str) -> str:
    """Stream: flags on their way to Postgres. Also the channel that wakes those who move them."""
    return f"raised:{{b{bucket}}}"


def due(bucket: str) -> str:
    """Sorted set: session -> its next deadline, ms."""
    return f"due:{{b{bucket}}}"


def index(bucket: str) -> str:
    """Sorted set: rooms that are not on record yet -> when they began, s."""
    return f"rooms:{{b{bucket}}}"


def settlements(bucket: str) -> str:
    """Stream: (session, guest) pairs whose record is to be committed. Also the channel that wakes workers."""
    return f"settle:{{b{bucket}}}"


def fence(bucket: str, hub: HubId) -> str:
    """Exists once the hub was swept: the bucket refuses its writes."""
    return f"fence:{{b{bucket}}}:{hub}"


def hub_rooms(bucket: str, hub: HubId) -> str:
    """Set: rooms of the bucket in which a socket of this hub is or was."""
    return f"hub:{{b{bucket}}}:{hub}"


def beat(hub: HubId) -> str:
    """Hash: connection -> when it was last heard, ms, for sockets in rooms."""
    return f"beat:{{hubs}}:{hub}"


def hub_people(hub: HubId) -> str:
    """Set: practitioners who are online through this hub."""
    return f"online:{{hubs}}:{hub}"


ALL_HUB_PEOPLE = hub_people(HubId("*"))
"""The same of every hub, as a pattern."""


def person(user_id: UserId) -> str:
    """Hash: lock (session), until_ms (of a reservation), n. Also the person's channel."""
    return f"person:{{u:{user_id}}}"


def online(user_id: UserId) -> str:
    """Hash: connection -> hub, for sockets through which a practitioner is online."""
    return f"online:{{u:{user_id}}}"


def revoked(user_id: UserId) -> str:
    """Hash: sign-in, or * for every one -> since when, and which one is excepted."""
    return f"revoked:{{u:{user_id}}}"


def calmed(session_id: SessionId, user_id: UserId) -> str:
    """Exists for a while after somebody in distress was told where help is."""
    return f"calmed:{{u:{user_id}}}:{session_id}"


def offered(user_id: UserId, offer_id: str) -> str:
    """Exists for a while after a person who waited was told that it is their turn."""
    return f"offered:{{u:{user_id}}}:{offer_id}"


def suspended(user_id: UserId) -> str:
    """Until when the person may not connect, ms, or 0 for no end; there only as long as that lasts."""
    return f"suspended:{{u:{user_id}}}"


def request(user_id: UserId, request_id: str) -> str:
    """The session that a guest's request_id made."""
    return f"request:{{u:{user_id}}}:{request_id}"


def allowance(user_id: UserId, what: str) -> str:
    """When the person's next free slot is, ms, for what they may do only now and then."""
    return f"allowance:{{u:{user_id}}}:{what}"
