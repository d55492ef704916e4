"""Looks for what is left of a person: in every column of every table, every key and value, every line of a
log.

It knows nothing of the hub's own code, and takes its word for nothing: tables and keys are those that are
there.
"""

import base64
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import redis.asyncio as redis

LOGS_OF = ("web", "worker")
"""The hub's own processes; the sandbox plays the vendors, who log what they like."""


def forms(word: str) -> dict[str, str]:
    """How a word may be written down, in lower case, by the name of the way."""
    plain, wide = word.encode(), word.encode("utf-16-le")
    found = {
        "plain": word, "hex": plain.hex(), "utf-16": wide.hex(), "utf-16 big": word.encode("utf-16-be").hex(),
        "without dashes": word.replace("-", ""),
    }  # fmt: skip
    for shift in range(3):
        # In base64 the same bytes look different by where they begin; the ends belong to what stands beside.
        whole = base64.b64encode(bytes(shift) + plain).decode()
        middle = whole[-(-8 * shift // 6) : len(whole.rstrip("=")) - 1]
        if len(middle) > 8:
            found[f"base64 at {shift}"] = middle
    return {way: text.lower() for way, text in found.items()}


class Search:
    """What is looked for: words of a person by what they are, such as `name` or `id`."""

    def __init__(self, words: dict[str, str]) -> None:
        self.words = {
            f"{what}, {way}": form for what, word in words.items() for way, form in forms(word).items()
        }

    def within(self, text: str) -> Sequence[str]:
        """Which of them stand in a text."""
        lower = text.lower()
        return [what for what, form in self.words.items() if form in lower]

    async def tables(self, dsn: str) -> list[str]:
        """`table.column: what` for each find, one a column."""
        found: list[str] = []
        owner = await asyncpg.connect(dsn)
        columns = await owner.fetch(
            "select table_name, column_name from information_schema.columns where table_schema = 'public'"
            " and table_name in (select tablename from pg_tables where schemaname = 'public')"
        )
        for row in columns:
            table, column = row["table_name"], row["column_name"]
            for what, form in self.words.items():
                # bytea as text is its hexadecimal digits; so are plain words looked for in those too.
                query = f'select count(*) from "{table}" where position($1 in lower("{column}"::text)) > 0'
                if await owner.fetchval(query, form):
                    found.append(f"{table}.{column}: {what}")
        await owner.close()
        return found

    async def keys(self, url: str) -> list[str]:
        """`key: what` for each find in a name or in a value, whatever its type is."""
        found: list[str] = []
        client = redis.Redis.from_url(url)
        async for key in client.scan_iter("*"):
            texts = [key.decode("latin-1"), *[_text(part) async for part in _values(client, key)]]
            found += [f"{key.decode('latin-1')}: {what}" for text in texts for what in self.within(text)]
        await client.aclose()
        return found

    def logs(self, directory: Path) -> list[str]:
        """`file:line what` for each find in the logs of hubs and workers."""
        found: list[str] = []
        logs = sorted(path for path in (directory / "log").glob("*.log") if path.name.startswith(LOGS_OF))
        assert len(logs) >= len(LOGS_OF)
        for path in logs:
            if path.stat().st_size:
                for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
                    told = re.sub(r"\s+", " ", line)[:160]
                    found += [f"{path.name}:{number} {what}: {told}" for what in self.within(line)]
        return found


def _text(value: object) -> str:
    """A value both as it is and as hexadecimal digits."""
    raw = value if isinstance(value, bytes) else str(value).encode()
    return f"{raw.decode('latin-1')} {raw.hex()}"


async def _values(client: Any, key: bytes) -> AsyncIterator[object]:
    kind = str((await client.type(key)).decode())
    if kind == "string":
        yield await client.get(key)
    elif kind == "hash":
        for pair in (await client.hgetall(key)).items():
            for part in pair:
                yield part
    elif kind == "stream":
        for _number, fields in await client.xrange(key):
            for pair in fields.items():
                for part in pair:
                    yield part
    else:
        for member in await _members(client, key, kind):
            yield member


async def _members(client: Any, key: bytes, kind: str) -> list[Any]:
    if kind == "set":
        return list(await client.smembers(key))
    if kind == "zset":
        return list(await client.zrange(key, 0, -1))
    if kind == "list":
        return list(await client.lrange(key, 0, -1))
    raise AssertionError(f"a key of kind {kind}, which nobody here can read")
