"""Pictures over real HTTP: put, seen, replaced, taken away; sealed where they lie."""

import asyncio
import io
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import asyncpg
import pytest
from PIL import Image

from store.postgres import avatars
from store.postgres.blobs import Blob
from store.privacy import blobs
from store.privacy.keys import SealBrokenError
from tests.integration.postgres.people_desk import T0, Desk, Someone, open_desk


@pytest.fixture
async def desk(pool: asyncpg.Pool, valkey: str) -> AsyncIterator[Desk]:
    async with open_desk(pool, valkey) as opened:
        yield opened


def jpeg(color: str = "navy", size: tuple[int, int] = (300, 200)) -> bytes:
    out = io.BytesIO()
    tags = Image.Exif()
    tags[0x010E] = "Paris, 48.8566 N"
    Image.new("RGB", size, color).save(out, "JPEG", exif=tags)
    return out.getvalue()


async def put(who: Someone, content: bytes, kind: str = "image/jpeg") -> Any:
    return await who.done("PUT", "/v1/me/avatar", data=content, headers={"Content-Type": kind})


async def test_a_picture_is_seen_by_whoever_is_signed_in(desk: Desk) -> None:
    who, other = desk.someone(), desk.someone()
    assert (await who.get("/v1/me"))["avatar_url"] is None
    url = (await put(who, jpeg()))["avatar_url"]
    assert url == f"/v1/people/{who.id}/avatar"
    for size, path in ((512, url), (512, f"{url}?size=512"), (128, f"{url}?size=128")):
        content = await other.done("GET", path)
        assert b"Paris" not in content
        with Image.open(io.BytesIO(content)) as shown:
            assert (shown.format, shown.size, dict(shown.getexif())) == ("WEBP", (size, size), {})
    async with desk.client.get(url) as response:
        assert response.status == 401


async def test_what_is_kept_already_is_not_sent_again(desk: Desk) -> None:
    who = desk.someone()
    url = (await put(who, jpeg()))["avatar_url"]
    async with desk.client.get(url, headers=who.headers) as response:
        tag = response.headers["ETag"]
        assert response.headers["Cache-Control"] == "private, no-cache"
        assert response.content_type == "image/webp"
    for given, status in ((tag, 304), (f'"x", {tag}', 304), ('"x"', 200)):
        async with desk.client.get(url, headers={**who.headers, "If-None-Match": given}) as response:
            assert response.status == status
    await put(who, jpeg("red"))
    async with desk.client.get(url, headers={**who.headers, "If-None-Match": tag}) as response:
        assert response.status == 200


async def test_a_picture_is_replaced_and_taken_away_without_a_trace(desk: Desk) -> None:
    who = desk.someone()
    for color in ("navy", "red"):
        await put(who, jpeg(color))
    await asyncio.gather(*(put(who, jpeg(color)) for color in ("green", "yellow", "pink")))
    assert await desk.pool.fetchval("select count(*) from blobs where subject_id = $1", who.id) == 2
    for _ in range(2):
        await who.done("DELETE", "/v1/me/avatar")
    assert (await who.get("/v1/me"))["avatar_url"] is None
    assert (await who.refusal("GET", f"/v1/people/{who.id}/avatar"))[0] == "not_found"
    assert await desk.pool.fetchval("select count(*) from blobs where subject_id = $1", who.id) == 0
    orphans = "select count(*) from blob_chunks where blob_id not in (select id from blobs)"
    assert await desk.pool.fetchval(orphans) == 0


@pytest.mark.parametrize("name", ["avatar", "file"])
async def test_a_form_is_taken_too(desk: Desk, name: str) -> None:
    form = aiohttp.FormData()
    form.add_field(name, jpeg(), filename="../../me.png.exe", content_type="image/jpeg")
    assert (await desk.someone().done("PUT", "/v1/me/avatar", data=form))["avatar_url"]


async def test_a_form_with_more_than_a_picture_is_refused(desk: Desk) -> None:
    form = aiohttp.FormData()
    form.add_field("a", jpeg(), filename="a.jpg")
    form.add_field("b", jpeg(), filename="b.jpg")
    who = desk.someone()
    assert await who.refusal("PUT", "/v1/me/avatar", data=form) == ("bad_request", ["image"])
    for kind in ("multipart/form-data", "multipart/form-data; boundary=x", "multipart/mixed; boundary=x"):
        refused = await who.refusal("PUT", "/v1/me/avatar", data=jpeg(), headers={"Content-Type": kind})
        assert refused == ("bad_request", ["image"])
    nested = b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\nx\r\n--y--\r\n--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert await who.refusal("PUT", "/v1/me/avatar", data=nested, headers=headers) == (
        "bad_request",
        ["image"],
    )


@pytest.mark.parametrize(
    ("content", "kind", "code"),
    [
        (b"", "image/jpeg", "bad_request"),
        (b"hello", "image/jpeg", "bad_request"),
        (jpeg(), "image/png", "bad_request"),
        (jpeg() + b"PK\x03\x04", "image/jpeg", "bad_request"),
        (jpeg()[:-40], "image/jpeg", "bad_request"),
        (b"<svg/>", "image/svg+xml", "bad_request"),
        (b"\xff\xd8\xff" + b"\0" * (5 * 1024 * 1024), "image/jpeg", "too_large"),
        (b"\xff\xd8\xff" + b"\0" * (7 * 1024 * 1024), "application/octet-stream", "too_large"),
    ],
    ids=["empty", "text", "mislabelled", "two files", "truncated", "svg", "just above", "far above"],
)
async def test_what_is_no_picture_is_refused_and_changes_nothing(
    desk: Desk, content: bytes, kind: str, code: str
) -> None:
    who = desk.someone()
    await put(who, jpeg())
    before = await who.done("GET", f"/v1/people/{who.id}/avatar")
    body = io.BytesIO(content)
    refused = await who.refusal("PUT", "/v1/me/avatar", data=body, headers={"Content-Type": kind})
    assert refused == (code, ["image"])
    assert await who.done("GET", f"/v1/people/{who.id}/avatar") == before


@pytest.mark.parametrize("size", ["64", "0", "x", "512.0", "", "128&size=512"])
async def test_there_are_two_sizes(desk: Desk, size: str) -> None:
    who = desk.someone()
    await put(who, jpeg())
    refused = await who.refusal("GET", f"/v1/people/{who.id}/avatar?size={size}")
    assert refused == ("bad_request", ["size"])


@pytest.mark.parametrize("person", ["x", "00000000-0000-7000-8000-000000000000", "..%2F..%2Fetc"])
async def test_nobody_has_no_picture(desk: Desk, person: str) -> None:
    assert (await desk.someone().refusal("GET", f"/v1/people/{person}/avatar"))[0] == "not_found"


async def test_it_lies_sealed_and_only_where_it_belongs(desk: Desk, owner: asyncpg.Pool) -> None:
    who, other = desk.someone(), desk.someone()
    await put(who, jpeg())
    await put(other, jpeg("red"))
    sealed = await desk.pool.fetch("select sealed from blob_chunks")
    assert all(b"WEBP" not in row["sealed"] for row in sealed)
    mine, theirs = [await avatars.avatar(desk.pool, one.id, size=512) for one in (who, other)]
    assert mine is not None
    assert theirs is not None
    await owner.execute(
        "update blob_chunks set sealed = (select sealed from blob_chunks where blob_id = $2)"
        " where blob_id = $1",
        mine.id,
        theirs.id,
    )
    assert (await who.refusal("GET", f"/v1/people/{who.id}/avatar"))[0] == "not_found"
    assert await other.done("GET", f"/v1/people/{other.id}/avatar")
    await desk.hub.keyring.shred(other.id)
    assert (await who.refusal("GET", f"/v1/people/{other.id}/avatar"))[0] == "not_found"


@pytest.mark.parametrize("size", [0, 1, blobs.CHUNK_BYTES, blobs.CHUNK_BYTES + 1, 3 * blobs.CHUNK_BYTES])
async def test_a_blob_of_any_size_comes_back_whole(desk: Desk, owner: asyncpg.Pool, size: int) -> None:
    who = desk.someone()
    await who.get("/v1/me")
    key = await desk.hub.keyring.load(who.id)
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    async with desk.pool.acquire() as connection, connection.transaction():
        made = await blobs.write(connection, key, content, kind="test", media_type="a/b", now_ms=T0)
    assert b"".join([piece async for piece in blobs.read(desk.pool, key, made)]) == content
    if made.chunks > 1:
        # Somebody who may write to the database cannot make it shorter either.
        short = Blob(made.id, made.subject_id, "test", "a/b", size, made.chunks - 1, T0)
        with pytest.raises(SealBrokenError):
            _ = [piece async for piece in blobs.read(desk.pool, key, short)]
        await owner.execute("delete from blob_chunks where blob_id = $1 and no = 1", made.id)
        with pytest.raises(SealBrokenError):
            _ = [piece async for piece in blobs.read(desk.pool, key, made)]


async def test_many_at_once_are_asked_to_come_later(desk: Desk) -> None:
    who = desk.someone()
    await who.get("/v1/me")
    large = jpeg(size=(3_000, 3_000))
    answers = await asyncio.gather(
        *(
            who.ask("PUT", "/v1/me/avatar", data=large, headers={"Content-Type": "image/jpeg"})
            for _ in range(40)
        )
    )
    codes = {answer["error"]["code"] for status, answer in answers if status != 200}
    assert codes <= {"rate_limited"}
    assert 200 in {status for status, _ in answers}
