"""Messages that are held back until somebody decides: sealed, a hash a room, with one deadline each."""

from typing import Any, Literal, NamedTuple

import msgpack
from redis.asyncio import Redis

from rooms.ids import SessionId, UserId
from rooms.safety.verdict import OnTimeout
from store.redis import keys
from store.redis.command import command
from store.redis.script import Script

_release = Script("held_release")
_reject = Script("held_reject")


class HeldMessage(NamedTuple):
    """A message that waits. `due_ms` is when it is released or rejected by itself; `why` the category."""

    session_id: SessionId
    message_id: str
    sender: UserId
    client_id: str
    participant_no: int
    sealed: bytes
    at_ms: int
    due_ms: int
    on_timeout: OnTimeout
    why: str


class Placed(NamedTuple):
    """The place that a released message took."""

    seq: int
    at_ms: int


class Held:
    """The held messages of open rooms. `notice` is what observers are told, ready for the room's channel."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def get(self, session_id: SessionId, message_id: str) -> HeldMessage | None:
        """One held message; None when somebody has decided, or it was never held."""
        found = await command(self._redis, "HGET", keys.held(session_id), message_id)
        return None if found is None else _held(session_id, message_id.encode(), found)

    async def of(self, session_id: SessionId) -> list[HeldMessage]:
        """All that are held in a room, in the order in which they were written."""
        found = await command(self._redis, "HGETALL", keys.held(session_id))
        held = [_held(session_id, message_id, packed) for message_id, packed in found.items()]
        return sorted(held, key=lambda message: (message.at_ms, message.message_id))

    async def due(self, now_ms: int, limit: int = 100) -> list[tuple[SessionId, str]]:
        """Session and message of those whose time is over, in any bucket, the oldest of each first."""
        pipe = self._redis.pipeline(transaction=False)
        for bucket in keys.BUCKETS:
            pipe.zrange(keys.held_due(bucket), "-inf", now_ms, byscore=True, offset=0, num=limit)
        members = [member.decode() for found in await pipe.execute() for member in found]
        pairs = (member.partition("/") for member in members)
        return [(SessionId(session_id), message_id) for session_id, _, message_id in pairs]

    async def release(
        self, session_id: SessionId, message_id: str, fragment: bytes, *, notice: bytes
    ) -> Placed | Literal["gone", "closed", "muted"]:
        """Deliver it. Its place; `gone` when somebody has decided already; `closed` when the room is; `muted`
        when its sender may not write now.
        """
        answer = await _release.run(
            self._redis,
            [
                keys.room(session_id),
                keys.chat(session_id),
                keys.held(session_id),
                keys.held_due(keys.bucket(session_id)),
            ],
            [message_id, session_id, keys.room(session_id), fragment, notice],
        )
        if answer[0] == b"ok":
            return Placed(int(answer[1]), int(answer[2]))
        refused: Literal["gone", "closed", "muted"] = answer[0].decode()
        return refused

    async def reject(self, session_id: SessionId, message_id: str, *, notice: bytes) -> bool:
        """It is not delivered. False when somebody has decided already."""
        answer = await _reject.run(
            self._redis,
            [keys.held(session_id), keys.held_due(keys.bucket(session_id))],
            [message_id, session_id, keys.room(session_id), notice],
        )
        return bool(answer)


def _held(session_id: SessionId, message_id: bytes, packed: bytes) -> HeldMessage:
    fields: list[Any] = msgpack.unpackb(packed, raw=True)
    sender, client_id, no, sealed, at_ms, due_ms, on_timeout, why = fields
    return HeldMessage(
        session_id,
        message_id.decode(),
        UserId(sender.decode()),
        client_id.decode(),
        int(no),
        sealed,
        int(at_ms),
        int(due_ms),
        on_timeout.decode(),
        why.decode(),
    )
