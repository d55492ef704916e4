"""What is in an archive: everything of the person, in files that fit their own description, and nothing of
the other one.
"""

import csv
import hashlib
import io
import re
from typing import Any
from uuid import UUID

import jsonschema
import pytest

from store.privacy import owned
from tests.integration.exports.workshop import FORMULA, OWN, THEIRS, Life, Workshop, loaded
from tests.integration.postgres.scene import someone


@pytest.fixture
async def life(workshop: Workshop) -> Life:
    return await workshop.life()


async def test_the_manifest_names_every_file_as_it_is(workshop: Workshop, life: Life) -> None:
    archive = await workshop.made(life.id)
    manifest = loaded(archive, "manifest.json")
    assert (manifest["format"], manifest["person_id"]) == (1, life.id)
    assert {one["path"] for one in manifest["files"]} | {"manifest.json"} == set(archive.namelist())
    assert len(archive.namelist()) == len(set(archive.namelist()))
    for one in manifest["files"]:
        content = archive.read(one["path"])
        assert (len(content), hashlib.sha256(content).hexdigest()) == (one["size_bytes"], one["sha256"])
    assert archive.namelist()[0] == "README.txt"
    assert "VOS DONNÉES" in archive.read("README.txt").decode()


async def test_every_table_is_there_twice_and_as_described(workshop: Workshop, life: Life) -> None:
    archive = await workshop.made(life.id)
    schemas = loaded(archive, "schema.json")
    anything: set[str] = set()
    for table in owned.tables():
        if table.name == "messages":
            continue
        rows = loaded(archive, f"data/{table.name}.json")
        jsonschema.validate(rows, schemas[f"data/{table.name}.json"])
        told = schemas[f"data/{table.name}.json"]["items"]["properties"]
        anything |= {f"{table.name}.{name}" for name, one in told.items() if "type" not in one}
        text = archive.read(f"data/{table.name}.csv").decode()
        head, *lines = csv.reader(io.StringIO(text, newline=""))
        assert tuple(head) == table.shown
        assert len(lines) == len(rows)
    # What the database does not describe to the hub would fit any description.
    objects = await workshop.pool.fetch(
        "select attrelid::regclass::text as name, attname from pg_attribute where atttypid = 'jsonb'::regtype"
    )
    assert anything <= {f"{row['name']}.{row['attname']}" for row in objects}
    for path in archive.namelist():
        if path.startswith("transcripts/") and path.endswith(".json"):
            jsonschema.validate(loaded(archive, path), schemas["transcripts/*.json"])
    jsonschema.validate(loaded(archive, "manifest.json"), schemas["manifest.json"])
    jsonschema.validate(loaded(archive, "access-reads.json"), schemas["access-reads.json"])
    [person] = loaded(archive, "data/people.json")
    assert (person["id"], person["name"]) == (life.id, FORMULA)


async def test_a_cell_is_no_formula(workshop: Workshop, life: Life) -> None:
    archive = await workshop.made(life.id)
    [row] = csv.DictReader(io.StringIO(archive.read("data/people.csv").decode(), newline=""))
    assert row["name"] == f"'{FORMULA}"
    assert row["created_at_ms"].isdigit()


async def test_own_words_are_there_and_the_others_are_not(workshop: Workshop, life: Life) -> None:
    archive = await workshop.made(life.id)
    transcript = loaded(archive, f"transcripts/{life.session_id}.json")
    assert [one["seq"] for one in transcript["messages"]] == [1, 2, 3, 4, 5, 6]
    for one in transcript["messages"]:
        mine = one["participant_no"] == transcript["your_participant_no"]
        assert one["from"] == ("you" if mine else "the other person")
        assert one["text"] == (f"{OWN} {one['seq']}" if mine else None)
    text = archive.read(f"transcripts/{life.session_id}.txt").decode()
    assert text.count(OWN) == 3
    assert text.count("The other person: (their words)") == 3
    for path in archive.namelist():
        content = archive.read(path)
        assert THEIRS.encode() not in content, path
        assert b"Pia-Whose-Name-Is-Hers" not in content, path
        assert b"pia-whose-name" not in content, path
    assert life.other_id.encode() not in archive.read(f"transcripts/{life.session_id}.json")


async def test_the_chain_can_be_followed_by_the_readme_alone(workshop: Workshop, life: Life) -> None:
    archive = await workshop.made(life.id)
    transcript = loaded(archive, f"transcripts/{life.session_id}.json")
    assert transcript["head"] == life.head.hex()
    assert followed(transcript) == transcript["head"]
    transcript["messages"][2]["at_ms"] += 1
    assert followed(transcript) != transcript["head"]


def followed(transcript: Any) -> str:
    """As the README says it, word by word."""
    session = UUID(transcript["session_id"]).bytes
    so_far = hashlib.sha256(b"allinya session transcript 1" + b"\0" + session).digest()
    for one in transcript["messages"]:
        seq = one["seq"].to_bytes(8, "big")
        if one["lost"]:
            so_far = hashlib.sha256(so_far + b"\x00" + seq).digest()
            continue
        parts = (
            so_far, b"\x01", seq, UUID(one["id"]).bytes, one["at_ms"].to_bytes(8, "big"),
            one["participant_no"].to_bytes(4, "big"), bytes.fromhex(one["body_sha256"]),
        )  # fmt: skip
        so_far = hashlib.sha256(b"".join(parts)).digest()
    return so_far.hex()


async def test_who_read_is_there_by_role_and_not_by_name(workshop: Workshop, life: Life) -> None:
    archive = await workshop.made(life.id)
    [read] = loaded(archive, "access-reads.json")
    assert (read["role"], read["action"]) == ("moderator", "moderator_observed")
    assert read["session_id"] == life.session_id
    assert set(read) == {"n", "at_ms", "role", "action", "session_id"}


async def test_the_picture_is_there(workshop: Workshop, life: Life) -> None:
    content = await workshop.picture(life.id)
    archive = await workshop.made(life.id)
    assert archive.read("avatar/512.webp") == content


async def test_what_was_removed_or_lost_keeps_its_place(workshop: Workshop) -> None:
    pool, life = workshop.pool, await workshop.life(lost=2)
    await pool.execute("update messages set body = null where session_id = $1 and seq = 1", life.session_id)
    archive = await workshop.made(life.id)
    transcript = loaded(archive, f"transcripts/{life.session_id}.json")
    first, lost, *_ = transcript["messages"]
    assert (first["removed"], first["text"], first["from"]) == (True, None, "you")
    assert {name: value for name, value in lost.items() if value} == {"seq": 2, "lost": True}
    assert followed(transcript) == transcript["head"] == life.head.hex()
    jsonschema.validate(transcript, loaded(archive, "schema.json")["transcripts/*.json"])
    text = archive.read(f"transcripts/{life.session_id}.txt").decode()
    assert "You: (removed)" in text
    assert "#2 (lost for a technical reason)\n" in text


async def test_names_of_files_are_made_of_ids_and_tables_alone(workshop: Workshop, life: Life) -> None:
    await workshop.pool.execute("update people set name = '../../../etc/passwd' where id = $1", life.id)
    await workshop.picture(life.id)
    archive = await workshop.made(life.id)
    shape = re.compile(
        r"README\.txt|[a-z]+(-[a-z]+)?\.json|(data|transcripts|avatar)/[a-z0-9_-]+\.(json|csv|txt|webp)"
    )
    assert all(shape.fullmatch(name) for name in archive.namelist())
    assert not any(one.is_dir() or one.external_attr >> 28 not in (0, 8) for one in archive.infolist())


async def test_it_is_in_the_persons_language(workshop: Workshop, life: Life) -> None:
    await workshop.pool.execute("update people set language = 'fr' where id = $1", life.id)
    text = (await workshop.made(life.id)).read(f"transcripts/{life.session_id}.txt").decode()
    assert text.startswith(f"Séance {life.session_id}\n")
    assert "L'autre personne: (ses mots)" in text


async def test_somebody_without_a_past_has_an_archive_too(workshop: Workshop) -> None:
    archive = await workshop.made(await someone(workshop.pool, "admin", "Ada"))
    assert loaded(archive, "data/practices.json") == loaded(archive, "access-reads.json") == []
    assert not [name for name in archive.namelist() if name.startswith("transcripts/")]
