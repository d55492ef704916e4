"""The archive over real HTTP: in parts or whole, once to the end, by its person alone."""

import asyncio
import hashlib
import itertools
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from hub.routes import downloads
from store.postgres import exports
from store.privacy.blobs import CHUNK_BYTES
from tests.integration.exports.counter import Counter
from tests.integration.exports.workshop import KEEP_MS


async def test_whole(counter: Counter) -> None:
    who = counter.desk.someone()
    made = await counter.ready(who)
    status, content, headers = await counter.part(who, made, None)
    assert status == 200
    assert hashlib.sha256(content).hexdigest() == made["sha256"] == headers["ETag"].strip('"')
    assert len(content) == made["size_bytes"] == int(headers["Content-Length"])
    assert headers["Content-Type"] == "application/zip"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Disposition"] == f'attachment; filename="allinya-export-{made["id"]}.zip"'
    over = await who.get(f"/v1/me/exports/{made['id']}")
    assert (over["state"], over["url"], over["downloaded_at_ms"]) == ("expired", None, counter.desk.now_ms)
    assert (await who.refusal("GET", made["url"]))[0] == "not_found"
    rows = await counter.desk.pool.fetch(
        "select action from audit_entries where subject_id = $1 order by n", who.id
    )
    assert [row["action"] for row in rows] == ["export_requested", "export_downloaded"]


async def test_in_parts_until_every_byte_was_had(counter: Counter) -> None:
    who = counter.desk.someone()
    made = await counter.long(who)
    size = made["size_bytes"]
    cuts = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 7, 2 * CHUNK_BYTES, size]
    content = b""
    for start, end in itertools.pairwise(cuts):
        status, part, headers = await counter.part(who, made, f"bytes={start}-{end - 1}")
        assert (status, len(part)) == (206, end - start)
        assert headers["Content-Range"] == f"bytes {start}-{end - 1}/{size}"
        content += part
        state = (await who.get(f"/v1/me/exports/{made['id']}"))["state"]
        assert state == ("ready" if end < size else "expired")
    assert hashlib.sha256(content).hexdigest() == made["sha256"]


async def test_the_same_part_again_and_again_ends_nothing(counter: Counter) -> None:
    who = counter.desk.someone()
    made = await counter.ready(who)
    size = made["size_bytes"]
    for _ in range(3):
        assert (await counter.part(who, made, f"bytes=1-{size - 1}"))[0] == 206
        assert (await counter.part(who, made, f"bytes=-{size - 1}"))[0] == 206
    assert (await who.get(f"/v1/me/exports/{made['id']}"))["state"] == "ready"
    assert (await counter.part(who, made, "bytes=0-0"))[1] == b"P"
    assert (await who.get(f"/v1/me/exports/{made['id']}"))["state"] == "expired"


async def test_head_tells_and_ends_nothing(counter: Counter) -> None:
    who = counter.desk.someone()
    made = await counter.ready(who)
    async with counter.desk.client.head(made["url"], headers=who.headers) as response:
        assert response.status == 200
        assert int(response.headers["Content-Length"]) == made["size_bytes"]
        assert response.headers["Accept-Ranges"] == "bytes"
        assert await response.read() == b""
    assert (await who.get(f"/v1/me/exports/{made['id']}"))["state"] == "ready"
    async with counter.desk.client.head(made["url"]) as response:
        assert response.status == 401


async def test_odd_ranges(counter: Counter) -> None:
    who = counter.desk.someone()
    made = await counter.ready(who)
    size = made["size_bytes"]
    for asked in (f"bytes={size}-", "bytes=99999999999999999999-", "bytes=-0"):
        status, content, headers = await counter.part(who, made, asked)
        assert (status, headers["Content-Range"]) == (416, f"bytes */{size}")
        assert b"bad_request" in content
    assert (await counter.part(who, made, "bytes=5-", **{"If-Range": f'"{made["sha256"]}"'}))[0] == 206
    assert (await who.get(f"/v1/me/exports/{made['id']}"))["state"] == "ready"
    # Another version is asked for, or too many parts: all of it, and with that it was had.
    status, content, _ = await counter.part(who, made, "bytes=5-", **{"If-Range": '"another"'})
    assert (status, len(content)) == (200, size)
    assert (await who.get(f"/v1/me/exports/{made['id']}"))["state"] == "expired"


async def test_many_ranges_make_no_large_answer(counter: Counter) -> None:
    who = counter.desk.someone()
    made = await counter.ready(who)
    status, content, _ = await counter.part(who, made, "bytes=" + ",".join(["0-"] * 500))
    assert (status, len(content)) == (200, made["size_bytes"])


async def test_too_many_downloads_are_refused_and_the_audit_does_not_grow(counter: Counter) -> None:
    who = counter.desk.someone()
    made = await counter.ready(who)
    codes = [(await counter.part(who, made, "bytes=0-0"))[0] for _ in range(130)]
    assert codes.count(206) == downloads.DOWNLOADS_PER_HOUR
    assert codes[-1] == 429
    audited = await counter.desk.pool.fetchval(
        "select count(*) from audit_entries where subject_id = $1 and action = 'export_downloaded'", who.id
    )
    assert audited == downloads.DOWNLOADS_PER_HOUR


async def test_somebody_elses_is_not_there(counter: Counter) -> None:
    who, other = counter.desk.someone(), counter.desk.someone("admin")
    await other.get("/v1/me")
    made = await counter.ready(who)
    for path in (f"/v1/me/exports/{made['id']}", made["url"]):
        assert (await other.refusal("GET", path))[0] == "not_found"
        async with counter.desk.client.get(path) as response:
            assert response.status == 401
    for wrong in (
        "019aa0b4-3b1f-7d3e-8f00-0123456789ab",
        "..%2F..%2Fetc",
        "1",
        "%00",
        made["id"].upper() + "x",
    ):
        assert (await who.refusal("GET", f"/v1/me/exports/{wrong}/download"))[0] == "not_found"
    assert (await counter.part(who, made, None))[0] == 200


async def test_its_time_ends(counter: Counter) -> None:
    who = counter.desk.someone()
    made = await counter.ready(who)
    counter.desk.now_ms += KEEP_MS
    assert (await who.get(f"/v1/me/exports/{made['id']}"))["state"] == "expired"
    assert (await who.refusal("GET", made["url"]))[0] == "not_found"


async def test_it_is_not_there_before_it_is_ready(counter: Counter) -> None:
    who = counter.desk.someone()
    asked = await who.done("POST", "/v1/me/exports")
    assert (await who.refusal("GET", f"/v1/me/exports/{asked['id']}/download"))[0] == "conflict"


async def test_who_leaves_in_the_middle_has_not_had_it(counter: Counter) -> None:
    who = counter.desk.someone()
    made = await counter.long(who)
    response = await counter.desk.client.get(made["url"], headers=who.headers)
    await response.content.readexactly(10)
    response.close()
    # Nobody tells when the other side has noticed, and it need not: what was not sent can be had.
    content = b""
    status, content, _ = await counter.part(who, made, None)
    assert (status, hashlib.sha256(content).hexdigest()) == (200, made["sha256"])


async def test_the_last_bytes_that_did_not_get_away_can_be_had_again(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = counter.desk.someone()
    made = await counter.long(who)
    ends, seen = web.StreamResponse.write_eof, []

    async def lost(self: web.StreamResponse, data: bytes = b"") -> None:
        if self.content_type == "application/zip":
            query = "select state from exports where id = $1"
            seen.append(await counter.desk.pool.fetchval(query, made["id"]))
            raise ConnectionResetError
        await ends(self, data)

    monkeypatch.setattr(web.StreamResponse, "write_eof", lost)
    with pytest.raises(aiohttp.ClientError):
        await counter.part(who, made, None)
    monkeypatch.setattr(web.StreamResponse, "write_eof", ends)
    assert seen[0] == "expired"
    assert (await who.get(f"/v1/me/exports/{made['id']}"))["state"] == "ready"
    size = made["size_bytes"]
    assert (await counter.part(who, made, f"bytes={size - 1}-"))[0] == 206
    assert (await who.get(f"/v1/me/exports/{made['id']}"))["state"] == "ready"
    status, content, _ = await counter.part(who, made, None)
    assert (status, hashlib.sha256(content).hexdigest()) == (200, made["sha256"])
    assert (await who.refusal("GET", made["url"]))[0] == "not_found"


async def test_a_hub_that_ends_before_the_last_bytes_go_out_takes_nothing_from_anybody(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = counter.desk.someone()
    made = await counter.long(who)
    last, note = downloads._last, downloads._note_delivered
    handlers: list[asyncio.Task[Any]] = []
    take_back, taken_back = exports.take_back, asyncio.Event()

    async def known(*given: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.append(task)
        await last(*given)

    async def noted(*given: Any, **more: Any) -> None:
        await note(*given, **more)
        if handlers:
            handlers.pop().cancel()

    async def had(*given: Any, **more: Any) -> None:
        await take_back(*given, **more)
        taken_back.set()

    monkeypatch.setattr(downloads, "_last", known)
    monkeypatch.setattr(exports, "take_back", had)
    monkeypatch.setattr(downloads, "_note_delivered", noted)
    with pytest.raises(aiohttp.ClientError):
        await counter.part(who, made, None)
    monkeypatch.setattr(downloads, "_note_delivered", note)
    async with asyncio.timeout(10):
        await taken_back.wait()
    status, content, _ = await counter.part(who, made, None)
    assert (status, hashlib.sha256(content).hexdigest()) == (200, made["sha256"])


async def test_an_archive_that_is_damaged_is_cut_off(counter: Counter) -> None:
    who = counter.desk.someone()
    made = await counter.long(who)
    await counter.desk.pool.execute(
        "delete from blob_chunks where no = 1 and blob_id = (select blob_id from exports where id = $1)",
        made["id"],
    )
    with pytest.raises(aiohttp.ClientError):
        await counter.part(who, made, None)
    assert (await who.get(f"/v1/me/exports/{made['id']}"))["state"] == "ready"
