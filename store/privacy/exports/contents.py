"""What goes into an archive, file by file, each read in pages of bounded size.

No transaction stays open from one page to the next: through a pooler that would hold a connection for
minutes, and everywhere it would keep the store from cleaning up. What is added meanwhile may be in it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from importlib import resources
from typing import Any, Final

import asyncpg
import msgspec
from msgspec import Struct
from msgspec.structs import replace

from rooms.ids import SessionId, UserId
from store.postgres import avatars, exports, people
from store.postgres.exports import Read, SaidRow, Seat
from store.postgres.pool import acting_as
from store.privacy import blobs, owned
from store.privacy.exports import cells, shapes, transcripts
from store.privacy.exports.names import member
from store.privacy.exports.packing import File
from store.privacy.exports.transcripts import Language
from store.privacy.exports.writing import Writing, whole
from store.privacy.keys import DataKey
from store.privacy.registry import Table

FORMAT: Final = 1
"""Of the archive as a whole; it rises when what a program has to expect changes."""
ROWS: Final = 5_000
"""Rows in memory at once."""
MESSAGES: Final = 500
SEATS: Final = 200
LARGE_MESSAGES: Final = 200_000
"""From so many on, a transcript may be larger than a ZIP file expects of a file by itself."""
IN_TRANSCRIPTS: Final = frozenset({"messages"})
"""Tables that an archive has in another form."""
TABLE_UNITS: Final = 50
README: Final = "README.txt"
SCHEMA: Final = "schema.json"
MANIFEST: Final = "manifest.json"
READS: Final = "access-reads.json"


class Source(Struct, frozen=True):
    """Whose data, and what opens what they wrote."""

    pool: asyncpg.Pool
    key: DataKey
    person_id: UserId
    younger: Callable[[str], int] = lambda _table: 0
    """What rows of a table have to be younger than, to be shown at all."""


class Manifest(Struct, frozen=True):
    """`manifest.json`: every other file as it is when unpacked."""

    format: int
    person_id: str
    made_at_ms: int
    files: list[File]


def tables() -> list[Table]:
    """The tables that have a file each."""
    return [table for table in owned.tables() if table.name not in IN_TRANSCRIPTS]


async def units(source: Source) -> int:
    """How much there is to do, in units of progress: a message counts once for each of its two files."""
    async with acting_as(source.pool, source.person_id) as connection:
        return 2 * (await exports.said_total(connection) + TABLE_UNITS * len(tables()))


async def write(source: Source, writing: Writing) -> None:
    """All files, the manifest last."""
    async with acting_as(source.pool, source.person_id) as connection:
        profile = await people.own_profile(connection)
    found = await exports.shapes(source.pool, [table.name for table in tables()])
    language: Language = "fr" if profile is not None and profile.language == "fr" else "en"
    await writing.file(README, whole(resources.files(__package__).joinpath("readme.txt").read_bytes()))
    for table in tables():
        await _table(source, writing, table)
    await writing.file(READS, _listed(_reads(source)))
    await _transcripts(source, writing, language)
    await _avatars(source, writing)
    await writing.file(SCHEMA, whole(shapes.document(tables(), found)))
    manifest = Manifest(FORMAT, source.person_id, writing.made_at_ms, writing.packing.files)
    await writing.file(MANIFEST, whole(_neat(msgspec.json.encode(manifest))))


# Tables.


async def _table(source: Source, writing: Writing, table: Table) -> None:
    large = await _is_large(source, table)
    await writing.file(member("data", table.name, "json"), _listed(_rows(source, table)), large=large)
    writing.advance(TABLE_UNITS)
    await writing.file(member("data", table.name, "csv"), _cells(source, table), large=large)
    writing.advance(TABLE_UNITS)


async def _is_large(source: Source, table: Table) -> bool:
    async with acting_as(source.pool, source.person_id) as connection:
        _, more = await owned.page(
            connection, table, after=None, limit=ROWS, shown_after_ms=source.younger(table.name)
        )
    return more is not None


async def _rows(source: Source, table: Table) -> AsyncIterator[list[Any]]:
    """The person's rows, a page at a time, as values that JSON has, with what they wrote opened."""
    after: owned.After | None = None
    while True:
        async with acting_as(source.pool, source.person_id) as connection:
            rows, after = await owned.page(
                connection, table, after=after, limit=ROWS, shown_after_ms=source.younger(table.name)
            )
        yield await asyncio.to_thread(_plain, source, table, rows)
        if after is None:
            return


def _plain(source: Source, table: Table, rows: list[dict[str, Any]]) -> list[Any]:
    return [owned.readable(source.key, table, row) for row in rows]


async def _cells(source: Source, table: Table) -> AsyncIterator[bytes]:
    head = True
    async for rows in _rows(source, table):
        yield await asyncio.to_thread(cells.lines, rows, table.shown, head=head)
        head = False


# Who read.


async def _reads(source: Source) -> AsyncIterator[list[Read]]:
    before: int | None = None
    while True:
        async with acting_as(source.pool, source.person_id) as connection:
            found = await exports.reads(connection, before=before, limit=ROWS)
        yield found
        if len(found) < ROWS:
            return
        before = found[-1].n


async def _listed(pages: AsyncIterator[list[Any]]) -> AsyncIterator[bytes]:
    """A JSON array, one element a line."""
    before = b"[\n"
    async for page in pages:
        if page:
            yield before + b",\n".join(map(msgspec.json.encode, page))
            before = b",\n"
    yield b"\n]\n" if before == b",\n" else b"[]\n"


# Transcripts.


async def _transcripts(source: Source, writing: Writing, language: Language) -> None:
    after: SessionId | None = None
    while True:
        async with acting_as(source.pool, source.person_id) as connection:
            seats = await exports.seats(connection, after=after, limit=SEATS)
        for seat in seats:
            await _transcript(source, writing, seat, language)
        if len(seats) < SEATS:
            return
        after = seats[-1].session_id


async def _transcript(source: Source, writing: Writing, seat: Seat, language: Language) -> None:
    large = seat.message_count >= LARGE_MESSAGES
    for extension, content in (("json", _as_json), ("txt", partial(_as_text, language=language))):
        path = member("transcripts", seat.session_id, extension)
        await writing.file(path, content(source, writing, seat), large=large)


async def _as_json(source: Source, writing: Writing, seat: Seat) -> AsyncIterator[bytes]:
    yield transcripts.before(seat)
    first = True
    async for messages in _said(source, writing, seat):
        yield await asyncio.to_thread(transcripts.piece, messages, first=first)
        first = False
    yield transcripts.AFTER


async def _as_text(
    source: Source, writing: Writing, seat: Seat, *, language: Language
) -> AsyncIterator[bytes]:
    yield transcripts.title(seat.session_id, language)
    async for messages in _said(source, writing, seat):
        yield await asyncio.to_thread(transcripts.readable, messages, language)


async def _said(source: Source, writing: Writing, seat: Seat) -> AsyncIterator[list[transcripts.Said]]:
    after_seq = 0
    while True:
        async with acting_as(source.pool, source.person_id) as connection:
            rows = await exports.said(
                connection, seat.session_id, after_seq=after_seq, limit=MESSAGES, no=seat.no
            )
        if rows:
            told = [_aged(row, source.younger("messages")) for row in rows]
            yield await asyncio.to_thread(transcripts.said, told, seat, source.key.open)
            writing.advance(len(rows))
            after_seq = rows[-1].seq
        if len(rows) < MESSAGES:
            return


def _aged(row: SaidRow, younger_ms: int) -> SaidRow:
    """A message whose words are too old has none any more, whether or not they were removed yet."""
    return row if row.lost or (row.at_ms or 0) > younger_ms else replace(row, body=None, gone=True)


# Pictures.


async def _avatars(source: Source, writing: Writing) -> None:
    for size in avatars.SIZES:
        found = await avatars.avatar(source.pool, source.person_id, size=size)
        if found is not None:
            pieces = blobs.read(source.pool, source.key, found)
            await writing.file(member("avatar", str(size), found.media_type.rpartition("/")[2]), pieces)


def _neat(encoded: bytes) -> bytes:
    return msgspec.json.format(encoded, indent=2) + b"\n"
