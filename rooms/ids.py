"""The kinds of identifier that rules, stores and wire share. All are text: lower-case UUIDs."""

from typing import Literal, NewType

SessionId = NewType("SessionId", str)
"""A session and its room: one life, one id (UUID v7)."""

UserId = NewType("UserId", str)
"""A person: the subject of the identity provider's access token."""

ConnectionId = NewType("ConnectionId", str)
"""One socket of one person, named by the hub that holds it (UUID v7)."""

HubId = NewType("HubId", str)
"""One incarnation of a hub process: a restart, or a fenced process that begins anew, gets a new one."""

Role = Literal["guest", "practitioner", "moderator", "admin"]
"""What a person may be, as `app_metadata.role` says."""
