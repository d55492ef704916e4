"""Who holds whom: the lock that keeps a person in one session at a time, and a practitioner's online sockets.

The lock's value is the session's id. It is reserved for a short while, confirmed once the room exists, and
counts as free when its session is missing or over.
"""

from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from rooms.directory import Standing
from rooms.errors import Offline
from rooms.ids import ConnectionId, HubId, SessionId, UserId
from store.redis import keys
from store.redis.command import command
from store.redis.script import Script

_reserve = Script("person_reserve")
_confirm = Script("person_confirm")
_release = Script("person_release")
_online = Script("person_online")

RESERVED_MS = 30_000
"""How long a reservation stands that nobody confirms."""
REQUEST_KEPT_S = 86_400
"""How long a request_id is remembered."""


@dataclass(frozen=True, slots=True)
class Held:
    """The person is in another session, as far as their lock says. `confirmed`: its room was opened."""

    session_id: SessionId
    confirmed: bool


class People:
    """The locks and the online sockets."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def reserve(
        self, user_id: UserId, session_id: SessionId, *, must_be_online: bool, over: SessionId | None = None
    ) -> Held | None:
        """Reserve the person for a session. Gives who holds them instead, if somebody does.

        `over` names a session found to be over, whose lock may be taken. Raises Offline.
        """
        answer = await _reserve.run(
            self._redis,
            [keys.person(user_id), keys.online(user_id)],
            [session_id, RESERVED_MS, "1" if must_be_online else "0", over or ""],
        )
        if answer[0] == b"held":
            return Held(SessionId(answer[1].decode()), confirmed=answer[2] == b"1")
        if answer[0] == b"offline":
            raise Offline
        return None

    async def confirm(self, user_id: UserId, session_id: SessionId) -> bool:
        """The room exists: the person is in it until it is over. Their hubs are told."""
        channel = keys.person(user_id)
        return bool(await _confirm.run(self._redis, [channel], [session_id, channel]))

    async def release(self, user_id: UserId, session_id: SessionId) -> Standing:
        """The session no longer holds the person. Gives how they stand now."""
        answer = await _release.run(self._redis, [keys.person(user_id), keys.online(user_id)], [session_id])
        return _standing(user_id, answer)

    async def held_by(self, user_id: UserId) -> SessionId | None:
        """The session that holds the person, if any; it may be over."""
        lock = await command(self._redis, "HGET", keys.person(user_id), "lock")
        return SessionId(lock.decode()) if lock else None

    async def standing(self, user_id: UserId) -> Standing:
        """Whether the person is online, and held by which session."""
        return await self._set(user_id, "read", "", "")

    async def go_online(self, user_id: UserId, connection: ConnectionId, hub: HubId) -> Standing:
        """The practitioner takes requests through this socket."""
        # The hub's own list first: should the hub die in between, a sweep cleans up what it names.
        await command(self._redis, "SADD", keys.hub_people(hub), user_id)
        return await self._set(user_id, "on", connection, hub)

    async def go_offline(self, user_id: UserId) -> Standing:
        """The practitioner takes no more requests, on any socket."""
        return await self._set(user_id, "all", "", "")

    async def lose_connection(self, user_id: UserId, connection: ConnectionId) -> Standing:
        """One of the practitioner's sockets is gone."""
        return await self._set(user_id, "off", connection, "")

    async def lose_hub(self, user_id: UserId, hub: HubId) -> Standing:
        """All the practitioner's sockets of a lost hub are gone."""
        return await self._set(user_id, "hub", hub, "")

    async def online_hubs(self, user_id: UserId) -> set[HubId]:
        """The hubs through which the practitioner is online."""
        hubs = await command(self._redis, "HVALS", keys.online(user_id))
        return {HubId(hub.decode()) for hub in hubs}

    async def publish(self, user_id: UserId, message: bytes) -> None:
        """Tell every hub on which the person has a socket something about them."""
        await command(self._redis, "SPUBLISH", keys.person(user_id), message)

    async def _set(self, user_id: UserId, how: str, first: str, second: str) -> Standing:
        answer = await _online.run(
            self._redis, [keys.person(user_id), keys.online(user_id)], [how, first, second]
        )
        return _standing(user_id, answer)

    async def first_request(self, user_id: UserId, request_id: str, session_id: SessionId) -> SessionId:
        """Bind a request_id to a session, once. Gives the session it is bound to."""
        key = keys.request(user_id, request_id)
        # By the client's own method: a bare SET's answer is read as yes or no, and the id would be lost.
        bound = await self._redis.set(key, session_id, nx=True, get=True, ex=REQUEST_KEPT_S)
        return SessionId(bound.decode()) if isinstance(bound, bytes) else session_id

    async def forget_request(self, user_id: UserId, request_id: str) -> None:
        """The request had no effect; the same request_id may try again."""
        await self._redis.delete(keys.request(user_id, request_id))


def _standing(user_id: UserId, answer: list[Any]) -> Standing:
    return Standing(
        user_id=user_id,
        n=int(answer[0]),
        sockets=int(answer[1]),
        session_id=SessionId(answer[2].decode()) if answer[2] else None,
        confirmed=answer[3] == b"1",
    )
