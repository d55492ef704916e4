"""Flags on their way to Postgres: a stream a bucket, filled by the script that takes the message itself, so
that nothing is delivered whose flag could be lost. An entry leaves only after its flag is committed.
"""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from rooms.ids import SessionId
from rooms.safety.raised import Raised
from store.redis import keys
from store.redis.command import command

GROUP = "flags"
TAKEN_OVER_AFTER_MS = 5_000
"""Whoever holds an entry for this long without committing is taken for dead."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Raised).decode


class Entry(NamedTuple):
    """One flag; `bucket` and `token` name it in its stream."""

    bucket: str
    token: str
    raised: Raised


class Flagged(NamedTuple):
    """A flag as its stream had it: packed, with the time and place (0: none) of its message."""

    session_id: SessionId
    flag: bytes
    at_ms: int
    seq: int


def packed(raised: Raised) -> bytes:
    """A flag as the script takes it along; its `at_ms` and `seq` are the script's to say."""
    return _encode(raised)


class RaisedQueue:
    """The streams of all buckets, read as one member of their consumer group."""

    def __init__(self, redis: Redis, *, consumer: str) -> None:
        self._redis = redis
        self._consumer = consumer

    async def add_again(self, flagged: Flagged) -> None:
        """Raise a flag that the store may have forgotten with its message. Once too often does no harm."""
        key = keys.raised(keys.bucket(flagged.session_id))
        pipe = self._redis.pipeline(transaction=False)
        pipe.xadd(key, {"f": flagged.flag, "t": flagged.at_ms, "q": flagged.seq})
        pipe.execute_command("SPUBLISH", key, "")
        await pipe.execute()

    async def filled(self) -> list[str]:
        """Buckets in which anything waits, also what somebody else has taken on."""
        pipe = self._redis.pipeline(transaction=False)
        for bucket in keys.BUCKETS:
            pipe.xlen(keys.raised(bucket))
        return [bucket for bucket, length in zip(keys.BUCKETS, await pipe.execute(), strict=True) if length]

    async def take(self, buckets: Iterable[str], limit: int = 50) -> list[Entry]:
        """What is new in these buckets, and then what was left there by those who died."""
        found: list[Entry] = []
        for bucket in buckets:
            found += await self._in_group(bucket, partial(self._new, bucket, limit))
            if len(found) >= limit:
                break
        return found

    async def take_over(self, buckets: Iterable[str], limit: int = 50) -> list[Entry]:
        """What somebody took on in these buckets and did not finish."""
        found: list[Entry] = []
        for bucket in buckets:
            found += await self._in_group(bucket, partial(self._left, bucket, limit))
        return found

    async def done(self, entry: Entry) -> None:
        """The flag is committed: take its entry out."""
        key = keys.raised(entry.bucket)
        pipe = self._redis.pipeline(transaction=False)
        pipe.xack(key, GROUP, entry.token)
        pipe.xdel(key, entry.token)
        await pipe.execute()

    async def _in_group(self, bucket: str, read: Callable[[], Awaitable[list[Entry]]]) -> list[Entry]:
        try:
            return await read()
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
        # The first flag of this bucket, or the store lost its groups along with its data.
        await self._make_group(bucket)
        return await read()

    async def _make_group(self, bucket: str) -> None:
        try:
            await command(self._redis, "XGROUP", "CREATE", keys.raised(bucket), GROUP, "0", "MKSTREAM")
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    async def _new(self, bucket: str, limit: int) -> list[Entry]:
        asked = ("GROUP", GROUP, self._consumer, "COUNT", limit, "STREAMS", keys.raised(bucket), ">")
        answer = await command(self._redis, "XREADGROUP", *asked)
        return _entries(bucket, [entry for _, entries in answer or [] for entry in entries])

    async def _left(self, bucket: str, limit: int) -> list[Entry]:
        asked = (keys.raised(bucket), GROUP, self._consumer, TAKEN_OVER_AFTER_MS, "0-0", "COUNT", limit)
        return _entries(bucket, (await command(self._redis, "XAUTOCLAIM", *asked))[1])


def _entries(bucket: str, found: list[Any]) -> list[Entry]:
    return [Entry(bucket, token.decode(), _raised(fields)) for token, fields in found if fields]


def _raised(fields: dict[bytes, bytes]) -> Raised:
    return replace(_decode(fields[b"f"]), at_ms=int(fields[b"t"]), seq=int(fields[b"q"]) or None)
