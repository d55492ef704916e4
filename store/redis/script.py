"""Scripts in files beside this one, run by digest, and sent again when the server has forgotten them."""

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, cast

import msgpack
from redis.asyncio import Redis
from redis.exceptions import NoScriptError

Argument = str | bytes | int


def packed(value: object) -> bytes:
    """A value as scripts unpack it: their msgpack is older than the type for binary strings."""
    return bytes(msgpack.packb(value, use_bin_type=False))


class Script:
    """One Lua file: `KEYS` and `ARGV` as its header says."""

    def __init__(self, name: str) -> None:
        self.text = (files("store.redis") / "lua" / f"{name}.lua").read_text()
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, redis: "Redis", keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """Run it. Raises the client's errors when the server is away or refuses."""
        try:
            return await cast(Any, redis.evalsha(self.sha, len(keys), *keys, *arguments))
        except NoScriptError:
            return await cast(Any, redis.eval(self.text, len(keys), *keys, *arguments))
