"""Somebody takes their data along, from real hubs and workers, whichever of them they meet or lose."""

import hashlib
import io
import json
import signal
import zipfile
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from sandbox.postgres import PostgresAddress
from sandbox.visitor import Json, Refused, Visitor
from tests.acceptance.conftest import UNLIMITED, running_stack
from tests.acceptance.scene import Scene, until
from tests.stack import Stack

OWN, THEIRS = "nobody had asked me that before", "this is for you and not for an archive"


async def download(scene: Scene, who: Visitor, url: str, hub: int, **headers: str) -> tuple[int, bytes, Any]:
    """Over whichever hub."""
    given = {"Authorization": f"Bearer {who.token}", **headers}
    async with scene.http.get(f"{scene.stack.hub_urls[hub]}{url}", headers=given) as response:
        return response.status, await response.read(), response.headers


async def ready(who: Visitor, export_id: str) -> Json:
    return await who.hear(
        "export:progress", lambda body: body["export_id"] == export_id and body["state"] == "ready"
    )


async def state(who: Visitor, export_id: str) -> str:
    return str((await who.get(f"/v1/me/exports/{export_id}"))["state"])


async def test_from_the_request_to_the_last_byte(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    elsewhere = await scene.enter(guest, 1, language="fr")
    await guest.ask("chat:send", session_id=session_id, client_id="1", text=OWN)
    await host.ask("chat:send", session_id=session_id, client_id="1", text=THEIRS)
    await guest.ask("session:end", session_id=session_id)
    await guest.state(session_id, "settled")
    asked = await guest.post("/v1/me/exports")
    assert asked["state"] in ("queued", "running", "ready")
    told, told_in_french = await ready(guest, asked["id"]), await ready(elsewhere, asked["id"])
    assert told["progress"] == 1.0
    assert told["message"].startswith("The archive of your data is ready")
    assert told_in_french["message"].startswith("L'archive de vos données est prête")
    made = await elsewhere.get(f"/v1/me/exports/{asked['id']}")
    half = made["size_bytes"] // 2
    status, first, _ = await download(scene, guest, made["url"], 1, Range=f"bytes=0-{half - 1}")
    assert (status, len(first), await state(guest, asked["id"])) == (206, half, "ready")
    status, rest, _ = await download(
        scene, guest, made["url"], 0, **{"Range": f"bytes={half}-", "If-Range": f'"{made["sha256"]}"'}
    )
    assert (status, await state(elsewhere, asked["id"])) == (206, "expired")
    assert hashlib.sha256(first + rest).hexdigest() == made["sha256"]
    check(zipfile.ZipFile(io.BytesIO(first + rest)), guest, session_id)
    assert (await download(scene, guest, made["url"], 1))[0] == 404
    with pytest.raises(Refused) as no:
        await guest.post("/v1/me/exports")
    assert (no.value.code, no.value.error["status"]) == ("rate_limited", 429)
    assert no.value.error["retry_after_ms"] > 6 * 86_400_000
    assert host.count("export:progress") == 0


def check(archive: zipfile.ZipFile, guest: Visitor, session_id: str) -> None:
    assert archive.testzip() is None
    for one in json.loads(archive.read("manifest.json"))["files"]:
        content = archive.read(one["path"])
        assert (len(content), hashlib.sha256(content).hexdigest()) == (one["size_bytes"], one["sha256"])
    said = json.loads(archive.read(f"transcripts/{session_id}.json"))
    assert said["complete"]
    assert [(one["from"], one["text"]) for one in said["messages"]] == [
        ("you", OWN),
        ("the other person", None),
    ]
    [person] = json.loads(archive.read("data/people.json"))
    assert (person["id"], person["name"]) == (guest.id, guest.name)
    [session] = json.loads(archive.read("data/sessions.json"))
    assert session["id"] == session_id
    assert not [path for path in archive.namelist() if THEIRS.encode() in archive.read(path)]


async def test_it_is_nobody_elses_and_what_was_done_is_on_record(scene: Scene) -> None:
    guest, stranger = await scene.guest(), await scene.enter(await scene.person("admin"))
    asked = await guest.post("/v1/me/exports")
    await ready(guest, asked["id"])
    url = f"/v1/me/exports/{asked['id']}/download"
    for path in (url, f"/v1/me/exports/{asked['id']}"):
        for hub in (0, 1):
            assert (await download(scene, stranger, path, hub))[0] == 404
    assert (await download(scene, guest, url, 1))[0] == 200
    entries = await scene.sql(
        "select actor_id, action, detail from audit_entries where subject_id = $1 order by n", guest.id
    )
    assert [(row["actor_id"], row["action"]) for row in entries] == [
        (guest.id, "export_requested"),
        (guest.id, "export_downloaded"),
    ]
    assert all(json.loads(row["detail"]) == {"export_id": asked["id"]} for row in entries)

    await scene.sql(
        "update exports set downloaded_at_ms = downloaded_at_ms - 60000 where id = $1", asked["id"]
    )

    async def removed() -> bool:
        rows = await scene.sql("select from blobs where subject_id = $1 and kind = 'export'", guest.id)
        return not rows

    await until(removed, "the archive was never removed")


async def test_at_rest_nothing_of_it_can_be_read(scene: Scene) -> None:
    guest = await scene.guest()
    asked = await guest.post("/v1/me/exports")
    await ready(guest, asked["id"])
    rows = await scene.sql(
        "select sealed from blob_chunks join exports using (blob_id) where exports.id = $1", asked["id"]
    )
    assert rows
    # Not even that it is an archive.
    assert not [row for row in rows if b"PK\x03\x04" in row["sealed"] or b"people" in row["sealed"]]


# Workers that die.


@pytest.fixture(scope="module")
def impatient(
    postgres_cluster: PostgresAddress,
    migrated_template: PostgresAddress,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """Whoever is silent for two seconds has lost what it was at."""
    with running_stack(postgres_cluster, tmp_path_factory, UNLIMITED | {"EXPORT_LEASE_S": "2"}) as running:
        yield running


@pytest.fixture
async def hurried(impatient: Stack) -> AsyncIterator[Scene]:
    playing = Scene(impatient)
    yield playing
    await playing.close()


async def talkative(scene: Scene, count: int) -> Visitor:
    """Somebody in whose session very much was said."""
    guest, _, session_id = await scene.couple()
    await guest.ask("session:end", session_id=session_id)
    await guest.state(session_id, "settled")
    await scene.sql(
        "insert into messages (session_id, seq, id, participant_no, at_ms, client_id, body, body_sha256)"
        " select $1, n, gen_random_uuid(), 0, n, '', null, sha256(n::text::bytea)"
        " from generate_series(1, $2) n",
        session_id, count,
    )  # fmt: skip
    await scene.sql("update sessions set message_count = $2 where id = $1", session_id, count)
    return guest


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_worker_that_dies_in_the_middle_is_followed_by_another(
    hurried: Scene, number: signal.Signals
) -> None:
    stack, guest = hurried.stack, await talkative(hurried, 40_000)
    asked = await guest.post("/v1/me/exports")
    await guest.hear(
        "export:progress", lambda body: body["export_id"] == asked["id"] and 0.2 < body["progress"] < 0.9
    )
    worker = stack.workers[-1]
    stack.kill(worker, number)
    stack.start_worker()

    async def made_after_all() -> bool:
        return await state(guest, asked["id"]) == "ready"

    await until(made_after_all, "nobody took it up", within_s=60)
    [row] = await hurried.sql("select attempts from exports where id = $1", asked["id"])
    assert row["attempts"] >= 2
    blobs = await hurried.sql("select from blobs where subject_id = $1 and kind = 'export'", guest.id)
    assert len(blobs) == 1
    made = await guest.get(f"/v1/me/exports/{asked['id']}")
    status, content, _ = await download(hurried, guest, made["url"], 1)
    assert (status, hashlib.sha256(content).hexdigest()) == (200, made["sha256"])
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None


async def test_asked_for_while_nobody_works_it_is_made_later(hurried: Scene) -> None:
    stack, guest = hurried.stack, await hurried.guest()
    stack.kill(stack.workers[-1], signal.SIGTERM)
    asked = await guest.post("/v1/me/exports")
    assert await state(guest, asked["id"]) == "queued"
    stack.start_worker()
    await ready(guest, asked["id"])
