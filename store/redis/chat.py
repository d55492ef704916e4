"""The transcript while a session is open: sealed messages in a stream per room, ordered by their `seq`.

Appends that are made in the same turn of the event loop share one round trip.
"""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import msgspec
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from rooms.chat import Status
from rooms.errors import Fenced, Muted, NotFound, NotInRoom, NotLive, RoomError, TooFast
from rooms.ids import HubId, SessionId, UserId
from rooms.safety.verdict import OnTimeout
from store.records import StoredMessage
from store.redis import keys
from store.redis.command import command
from store.redis.rooms import LOG_KEPT
from store.redis.script import Script, packed

_append = Script("chat_append")
_restore = Script("chat_restore")
_remove = Script("chat_remove")

_REFUSALS: dict[bytes, type[RoomError]] = {
    b"fenced": Fenced,
    b"missing": NotFound,
    b"closed": NotLive,
    b"absent": NotInRoom,
    b"muted": Muted,
}


class Utterance(NamedTuple):
    """A message on its way in: sealed for storage, and as the JSON fragment that will be told.

    `flag` is what was found in it, as `store.redis.raised` packs it. One that is `held` waits for `held_ms`
    and is then released or rejected; one that is `blocked` goes no further. `why` is answered with it.
    """

    session_id: SessionId
    sender: UserId
    participant_no: int
    client_id: str
    message_id: str
    sealed: bytes
    fragment: bytes
    flag: bytes = b""
    status: Status = "sent"
    why: str = ""
    held_ms: int = 0
    on_timeout: OnTimeout = "reject"


class Appended(NamedTuple):
    """Where a message stands in the transcript. `id` is the first one's when the client repeats itself.

    What was withheld has no place: its `seq` is 0.
    """

    seq: int
    at_ms: int
    id: str
    status: Status = "sent"
    why: str = ""


class Delivered(NamedTuple):
    """A message as the room is told of it, with what it takes to put it back should the store lose it."""

    rev: int
    seq: int
    at_ms: int
    id: str
    participant_no: int
    client_id: str
    sealed: bytes
    sender: UserId
    removed_sha256: bytes = b""
    """Of one that is removed, and whose body is gone: the digest that stands for it."""


class Chat:
    """Appends to and reads from the transcripts of open rooms."""

    def __init__(self, redis: Redis, *, interval_ms: int, burst: int) -> None:
        self._redis = redis
        self._pace = (interval_ms, burst)
        self._waiting: list[tuple[list[Any], asyncio.Future[Any]]] = []
        self._senders: set[asyncio.Task[None]] = set()

    async def append(self, said: Utterance, hub: HubId) -> Appended:
        """Put the message at the end of its room's transcript, or withhold it, as it says itself.

        Raises NotFound, NotLive, NotInRoom, Muted, TooFast or Fenced, or the client's error when the store
        is away: then the message may or may not stand, and repeating its client_id tells.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if not self._waiting:
            # The first of this turn sends for all that follow in it.
            sender = asyncio.get_running_loop().create_task(self._send())
            self._senders.add(sender)
            sender.add_done_callback(self._senders.discard)
        self._waiting.append((self._arguments(said, hub), future))
        return _appended(await future)

    def _arguments(self, said: Utterance, hub: HubId) -> list[Any]:
        touched = _keys(said, hub)
        return [
            len(touched),
            *touched,
            said.sender,
            said.client_id,
            said.message_id,
            said.participant_no,
            said.sealed,
            touched[0],
            said.fragment,
            *self._pace,
            said.flag,
            said.status,
            said.why,
            said.session_id,
            said.held_ms,
            said.on_timeout,
        ]

    async def _send(self) -> None:
        batch, self._waiting = self._waiting, []
        pipe = self._redis.pipeline(transaction=False)
        for arguments, _ in batch:
            pipe.evalsha(_append.sha, *arguments)
        try:
            answers = await pipe.execute(raise_on_error=False)
            if any(isinstance(answer, NoScriptError) for answer in answers):
                await self._redis.script_load(_append.text)
                answers = [
                    await command(self._redis, "EVALSHA", _append.sha, *arguments)
                    if isinstance(answer, NoScriptError)
                    else answer
                    for answer, (arguments, _) in zip(answers, batch, strict=True)
                ]
        except (RedisError, OSError) as error:
            answers = [error] * len(batch)
        for answer, (_, future) in zip(answers, batch, strict=True):
            if future.done():
                continue
            if isinstance(answer, BaseException):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    async def read(self, session_id: SessionId, after_seq: int, limit: int) -> list[StoredMessage]:
        """Up to `limit` messages after a `seq`, in order."""
        return await self._shown(session_id, "XRANGE", f"{after_seq + 1}-0", "+", limit)

    async def last(self, session_id: SessionId, limit: int) -> list[StoredMessage]:
        """The latest `limit` messages, in order."""
        return (await self._shown(session_id, "XREVRANGE", "+", "-", limit))[::-1]

    async def _shown(
        self, session_id: SessionId, verb: str, first: str, last: str, limit: int
    ) -> list[StoredMessage]:
        pipe = self._redis.pipeline(transaction=False)
        pipe.execute_command(verb, keys.chat(session_id), first, last, "COUNT", limit)
        pipe.smembers(keys.removed(session_id))
        entries, removed = await pipe.execute()
        return [_stored(entry, fields, removed) for entry, fields in entries]

    async def remove(self, session_id: SessionId, seq: int, told: msgspec.Struct) -> bool:
        """Show a message no more; `told` is what the room hears. False when it is not there, or removed."""
        room = session_id
        touched = [keys.room(room), keys.chat(room), keys.removed(room), keys.log(room)]
        body = msgspec.json.encode(told)
        return bool(await _remove.run(self._redis, touched, [seq, touched[0], body, LOG_KEPT]))

    async def transcript(self, session_id: SessionId) -> list[StoredMessage]:
        """The whole transcript, read in pages."""
        messages: list[StoredMessage] = []
        while page := await self.read(session_id, messages[-1].seq if messages else 0, 500):
            messages += page
        return messages

    async def replay(self, session_id: SessionId, after_seq: int, limit: int = 2_000) -> list[Delivered]:
        """Messages after a `seq` as they were delivered, for a hub that was deaf. Lost ones have no id."""
        entries = await command(
            self._redis, "XRANGE", keys.chat(session_id), f"{after_seq + 1}-0", "+", "COUNT", limit
        )
        return [_delivered(entry, fields) for entry, fields in entries]

    async def restore(
        self, session_id: SessionId, tail: Sequence[Delivered], *, rev: int, head_seq: int
    ) -> int:
        """Put back delivered messages that the store lost, up to the highest `rev` and `seq` that were seen.

        What nobody has any more keeps its place and is marked as lost. Gives how many were put back.
        """
        room = session_id
        restored = await _restore.run(
            self._redis,
            [keys.room(room), keys.chat(room), keys.seen(room), keys.removed(room)],
            [rev, packed([list(message) for message in tail]), head_seq],
        )
        return int(restored)


def _keys(said: Utterance, hub: HubId) -> list[str]:
    """Those of the script. The last three only where they are used: most messages touch none of them."""
    room = said.session_id
    bucket = keys.bucket(room)
    touched = [keys.room(room), keys.chat(room), keys.seen(room), keys.fence(bucket, hub)]
    if said.flag or said.status == "held":
        touched.append(keys.raised(bucket))
    if said.status == "held":
        touched += [keys.held(room), keys.held_due(bucket)]
    return touched


def _appended(answer: list[Any]) -> Appended:
    verdict = answer[0]
    if verdict == b"slow":
        raise TooFast(int(answer[1]))
    if verdict in _REFUSALS:
        raise _REFUSALS[verdict]
    status: Status = answer[4].decode()
    return Appended(int(answer[1]), int(answer[2]), answer[3].decode(), status, answer[5].decode())


def _stored(entry: bytes, fields: dict[bytes, bytes], removed: Collection[bytes] = ()) -> StoredMessage:
    lost = b"lost" in fields
    seq = entry.split(b"-")[0]
    return StoredMessage(
        seq=int(seq),
        id="" if lost else fields[b"i"].decode(),
        participant_no=-1 if lost else int(fields[b"p"]),
        at_ms=int(fields[b"t"]),
        client_id="" if lost else fields[b"c"].decode(),
        body=b"" if lost else fields[b"b"],
        removed=seq in removed,
        body_sha256=fields.get(b"h", b""),
    )


def _delivered(entry: bytes, fields: dict[bytes, bytes]) -> Delivered:
    stored = _stored(entry, fields)
    return Delivered(
        int(fields[b"r"]),
        stored.seq,
        stored.at_ms,
        stored.id,
        stored.participant_no,
        stored.client_id,
        stored.body,
        UserId(fields.get(b"u", b"").decode()),
        stored.body_sha256,
    )
