"""People's pictures: put there by themselves, seen by whoever is signed in."""

import asyncio
from typing import Final

from aiohttp import BodyPartReader, web

from hub import wire
from hub.edge.auth import Principal
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.pictures import BYTES_MAX, FORMATS, MEDIA_TYPE
from hub.routes.answer import Route, bad_request, not_found, path_id, query
from hub.routes.people import own_profile, told
from hub.routes.replies import Me
from rooms.ids import UserId
from store.postgres import avatars
from store.privacy import blobs
from store.privacy.keys import SealBrokenError, ShreddedError

PIECE: Final = 64 * 1024
UPLOAD_S: Final = 60.0
"""How long a picture may take to arrive."""
TAKEN: Final = (*FORMATS.values(), "multipart/form-data")


async def put_avatar(hub: Hub, who: Principal, request: web.Request) -> Me:
    """`PUT /v1/me/avatar`: a JPEG, PNG or WebP of at most 5 MiB, as the body or as the one part of a form."""
    query(request, ())
    own = await own_profile(hub, who)
    # Before megabytes are taken in that nobody has time for.
    hub.drawing.require_room()
    try:
        async with asyncio.timeout(UPLOAD_S):
            content, declared = await _uploaded(request)
    except TimeoutError:
        raise Refused(Code.UNAVAILABLE, "The picture did not arrive in time; please try again.") from None
    drawn = await hub.drawing.squares(content, declared, avatars.SIZES)
    key = await hub.keyring.load(who.user_id)
    async with hub.pool.acquire() as connection, connection.transaction():
        if not await avatars.lock_person(connection, who.user_id):
            raise not_found()
        await avatars.drop_avatars(connection, who.user_id)
        made = {
            size: await blobs.write(
                connection, key, picture, kind="avatar", media_type=MEDIA_TYPE, now_ms=hub.now_ms()
            )
            for size, picture in drawn.items()
        }
        await avatars.keep_avatar(connection, who.user_id, made)
    return await told(hub, own)


async def delete_avatar(hub: Hub, who: Principal, request: web.Request) -> wire.Done:
    """`DELETE /v1/me/avatar`: no picture any more. Harmless the second time."""
    query(request, ())
    async with hub.pool.acquire() as connection, connection.transaction():
        await avatars.lock_person(connection, who.user_id)
        await avatars.drop_avatars(connection, who.user_id)
    return wire.Done()


async def show_avatar(hub: Hub, who: Principal, request: web.Request) -> web.Response:
    """`GET /v1/people/{id}/avatar`: somebody's picture, WebP, `?size=512` or `128`."""
    given = query(request, ("size",)).get("size", str(avatars.LARGE))
    if given not in map(str, avatars.SIZES):
        raise bad_request("size", "expected 512 or 128")
    found = await avatars.avatar(hub.pool, UserId(path_id(request, "id")), size=int(given))
    if found is None:
        raise not_found()
    # Whoever keeps it asks each time: a picture that was taken away is gone at once.
    headers = {"ETag": f'"{found.id}"', "Cache-Control": "private, no-cache"}
    if found.id in {tag.value for tag in request.if_none_match or ()}:
        return web.Response(status=304, headers=headers)
    try:
        key = await hub.keyring.load(found.subject_id)
        picture = b"".join([piece async for piece in blobs.read(hub.pool, key, found)])
    except (ShreddedError, SealBrokenError):
        raise not_found() from None
    return web.Response(body=picture, content_type=found.media_type, headers=headers)


async def _uploaded(request: web.Request) -> tuple[bytes, str | None]:
    """The file, and the picture's type that came with it, if one did. Raises Refused."""
    if (request.content_length or 0) > BYTES_MAX + PIECE:
        raise _too_large()
    if request.content_type.startswith("multipart/"):
        return await _part(request)
    content = bytearray()
    async for piece in request.content.iter_chunked(PIECE):
        _add(content, piece)
    return bytes(content), _picture_type(request.content_type)


async def _part(request: web.Request) -> tuple[bytes, str | None]:
    try:
        form = await request.multipart()
        part = await form.next()
        if not isinstance(part, BodyPartReader):
            raise bad_request("image", "expected one file")
        content = bytearray()
        while piece := await part.read_chunk(PIECE):
            _add(content, piece)
        if await form.next() is not None:
            raise bad_request("image", "expected one file")
    except (ValueError, AssertionError, web.HTTPException):
        raise bad_request("image", "the form can't be read") from None
    return bytes(content), _picture_type(part.headers.get("Content-Type", ""))


def _add(content: bytearray, piece: bytes) -> None:
    content += piece
    if len(content) > BYTES_MAX:
        raise _too_large()


def _picture_type(given: str) -> str | None:
    """A picture's media type, to be compared with the content; anything else says nothing."""
    kind = given.partition(";")[0].strip().lower()
    # The older name, which many programs still send.
    kind = "image/jpeg" if kind == "image/jpg" else kind
    return kind if kind.startswith("image/") else None


def _too_large() -> Refused:
    return Refused(
        Code.TOO_LARGE, "The picture is larger than 5 MiB.", fields={"image": "is larger than 5 MiB"}
    )


ROUTES = [
    Route("PUT", "/v1/me/avatar", Me, put_avatar, takes=TAKEN),
    Route("DELETE", "/v1/me/avatar", wire.Done, delete_avatar),
    Route("GET", "/v1/people/{id}/avatar", wire.Done, show_avatar, gives=MEDIA_TYPE),
]
