"""`/v1/me/exports/{id}/download`: the archive itself, whole or in parts, until every byte of it was had."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import asyncpg
import msgspec
from aiohttp import web

from hub.edge.auth import Principal
from hub.errors import Code, Refused, wire
from hub.hub import Hub
from hub.ranges import Span, Unsatisfiable, wanted
from hub.routes.answer import Route, not_found, query
from hub.routes.exports import ExportView, note, own_export
from store.postgres import blobs, exports
from store.postgres.blobs import Blob
from store.postgres.exports import Export
from store.privacy import blobs as sealed
from store.privacy.exports.making import MEDIA_TYPE
from store.privacy.keys import DataKey, SealBrokenError, ShreddedError

DOWNLOADS_PER_HOUR: Final = 120
"""Requests for bytes of an archive, each of which is audited. A client that fetches parts needs some."""
DOWNLOAD_S: Final = 3_600.0
"""How long one answer may take. Whoever is slower goes on where it ended, by a range."""


async def download(hub: Hub, who: Principal, request: web.Request) -> web.StreamResponse:
    """`GET /v1/me/exports/{id}/download`: the ZIP, whole or one range of it; HEAD tells of it."""
    query(request, ())
    found = await own_export(hub, who, request)
    standing = found.standing_at(hub.now_ms())
    if standing in ("queued", "running"):
        raise Refused(Code.CONFLICT, "The export is not ready yet.")
    archive = None if found.blob_id is None else await blobs.blob(hub.pool, found.blob_id)
    if standing != "ready" or archive is None or found.sha256 is None:
        raise not_found()
    etag = f'"{found.sha256.hex()}"'
    asked, if_range = request.headers.get("Range"), request.headers.get("If-Range")
    try:
        span = wanted(asked, if_range, etag=etag, size_bytes=archive.size_bytes)
    except Unsatisfiable:
        return _unsatisfiable(archive.size_bytes)
    response = _response(found, archive, span, etag)
    if request.method == "HEAD":
        return response
    try:
        key = await hub.keyring.load(archive.subject_id)
    except ShreddedError:
        raise not_found() from None
    await _note_download(hub, who, found.id)
    return await _send(hub, request, response, (found, archive, key, span))


async def _note_download(hub: Hub, who: Principal, export_id: str) -> None:
    """On record before the first byte."""
    wait_ms = await hub.filing.allowances.take(who.user_id, "download", per_hour=DOWNLOADS_PER_HOUR)
    if wait_ms:
        raise Refused(Code.RATE_LIMITED, "Too many downloads; try again later.", retry_after_ms=wait_ms)
    async with hub.pool.acquire() as connection, connection.transaction():
        await note(connection, who, "export_downloaded", export_id, hub.now_ms())


def _response(found: Export, archive: Blob, span: Span, etag: str) -> web.StreamResponse:
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="allinya-export-{found.id}.zip"',
        "ETag": etag,
    }
    if span.partial:
        headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{archive.size_bytes}"
    response = web.StreamResponse(status=206 if span.partial else 200, headers=headers)
    response.content_type = MEDIA_TYPE
    response.content_length = span.end - span.start
    return response


def _unsatisfiable(size_bytes: int) -> web.Response:
    refused = Refused(Code.BAD_REQUEST, "Range: none of these bytes are there.")
    return web.Response(
        status=416,
        body=msgspec.json.encode({"error": wire(refused)}),
        content_type="application/json",
        headers={"Content-Range": f"bytes */{size_bytes}", "Cache-Control": "no-store"},
    )


async def _send(
    hub: Hub,
    request: web.Request,
    response: web.StreamResponse,
    what: tuple[Export, Blob, DataKey, Span],
) -> web.StreamResponse:
    """Send the bytes, and write down which of them went out, however it ended."""
    found, archive, key, span = what
    at = span.start
    try:
        async with asyncio.timeout(DOWNLOAD_S):
            await response.prepare(request)
            async for part in _parts(hub.pool, archive, key, span):
                if at + len(part) < span.end:
                    await response.write(part)
                    at += len(part)
                else:
                    await _last(hub, request, response, (found, span, part))
    except (OSError, TimeoutError, SealBrokenError, asyncpg.PostgresError, asyncpg.InterfaceError):
        # They left, or it ended meanwhile: what was announced can't be sent, so the line is cut.
        if request.transport is not None:
            request.transport.abort()
        # What was written last may not have arrived.
        await asyncio.shield(
            _note_delivered(hub, found, span.start, at - sealed.CHUNK_BYTES, now_ms=hub.now_ms())
        )
    return response


async def _last(
    hub: Hub, request: web.Request, response: web.StreamResponse, what: tuple[Export, Span, bytes]
) -> None:
    """The last bytes. They are on record before they go, so that whoever has them all can't have them again;
    and that is taken back when they don't get away from us.
    """
    found, span, part = what
    at_ms, transport, gone = hub.now_ms(), request.transport, False
    noted = asyncio.ensure_future(_note_delivered(hub, found, span.start, span.end, now_ms=at_ms))
    try:
        await asyncio.shield(noted)
        if transport is None:
            raise ConnectionResetError
        # It counts only when the system has taken everything.
        transport.set_write_buffer_limits(high=0)
        await response.write_eof(part)
        if transport.is_closing():
            raise ConnectionResetError
        transport.set_write_buffer_limits()
        gone = True
    finally:
        if not gone:
            await asyncio.shield(_take_back(hub, found, (span.end - len(part), span.end), noted, at_ms))


async def _take_back(
    hub: Hub, found: Export, lost: tuple[int, int], noted: asyncio.Future[None], at_ms: int
) -> None:
    """Once it is noted, or was not: whoever was stopped in between has sent nothing either."""
    await asyncio.wait([noted])
    start, end = lost
    await exports.take_back(hub.pool, found.id, start, end, downloaded_at_ms=at_ms, now_ms=hub.now_ms())


async def _parts(pool: asyncpg.Pool, archive: Blob, key: DataKey, span: Span) -> AsyncIterator[bytes]:
    first, skip = divmod(span.start, sealed.CHUNK_BYTES)
    left = span.end - span.start
    async for piece in sealed.read(pool, key, archive, first=first):
        part = piece[skip : skip + left]
        skip, left = 0, left - len(part)
        yield part
        if left == 0:
            return


async def _note_delivered(hub: Hub, found: Export, start: int, end: int, *, now_ms: int) -> None:
    """Write down that these bytes are sent, and when, if they were the last."""
    if end > start:
        async with hub.pool.acquire() as connection, connection.transaction():
            await exports.delivered(connection, found.id, start, end)
            await exports.end_delivered(connection, found.id, now_ms=now_ms)


ROUTES = [Route("GET", "/v1/me/exports/{id}/download", ExportView, download, gives=MEDIA_TYPE)]
