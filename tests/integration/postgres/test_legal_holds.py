"""Legal holds: a copy of one moment that outlives age and erasure, that few may read, and that ends."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from billing.settlement import held, settle
from config.retention import periods
from hub.moderation.audit_walk import AuditWalk
from hub.workers.legal_holds import ASK_AGAIN_MS, LegalHolds
from hub.workers.retention import Retention
from rooms import chain
from store.postgres import audit, settlements, transcript
from store.privacy import erasing, legal_holds
from store.privacy.bindings import message_aad
from store.privacy.keys import ShreddedError
from store.privacy.legal_holds import DAY_MS, REVIEW_MS
from store.privacy.pseudonym import pseudonym
from store.privacy.registry import load
from store.privacy.signing import HeadKey
from store.records import StoredMessage
from tests.integration.postgres.people_desk import T0, Desk, Someone, open_desk
from tests.integration.postgres.scene import ENVIRONMENT, Scene, ended_scene

HOLDS = "/v1/admin/legal-holds"
WHY = "The court of Aldgate asked for it, letter 7."
SAID = ("we meet at nine", "bring the papers")


@pytest.fixture
async def desk(pool: asyncpg.Pool, valkey: str) -> AsyncIterator[Desk]:
    async with open_desk(pool, valkey) as opened:
        yield opened


@pytest.fixture
async def admin(desk: Desk) -> Someone:
    who = desk.someone("admin")
    await who.get("/v1/me")
    return who


async def recorded(desk: Desk) -> Scene:
    """A settled session in which guest and practitioner said something."""
    pool, scene = desk.pool, await ended_scene(desk.pool)
    said = []
    for seq, words in enumerate(SAID, start=1):
        no = seq % 2
        key = await desk.hub.keyring.load(scene.guest_id if no else scene.practitioner_id)
        name = str(uuid4())
        sealed = key.seal(message_aad(name), words.encode())
        said.append(StoredMessage(seq, name, no, T0 + seq, f"c{seq}", sealed))
    async with pool.acquire() as connection:
        holds = await settlements.holds(connection, scene.id, 1)
        bill = settle(scene.room, scene.guest, held=tuple(map(held, holds)), destination="acct_1")
        await settlements.commit(connection, scene.room, bill, said, environment=ENVIRONMENT, now_ms=T0)
    return scene


async def place(admin: Someone, **about: Any) -> Any:
    return await admin.done("PUT", HOLDS, {"reason": WHY, **about})


async def copied(admin: Someone, hold: Any) -> dict[str, list[dict[str, Any]]]:
    """All that a hold has, by table."""
    found: dict[str, list[dict[str, Any]]] = {}
    for no in range(hold["pieces"]):
        piece = await admin.get(f"{HOLDS}/{hold['id']}?reason=asked&piece={no}")
        found.setdefault(piece["table"], []).extend(piece["rows"])
    return found


async def said(desk: Desk, scene: Scene) -> list[str | None]:
    """What a guest of the session reads in its transcript."""
    guest = Someone(desk, scene.guest_id, "guest")
    return [one.get("text") for one in (await guest.get(f"/v1/sessions/{scene.id}/transcript"))["messages"]]


async def erase(desk: Desk, scene: Scene) -> None:
    """What the erasure does to the record and to the key of the guest."""
    ring = desk.hub.keyring
    await audit.erase_texts(desk.pool, scene.guest_id, now_ms=desk.now_ms)
    await erasing.erase(desk.pool, scene.guest_id, pseudonym(await ring.load(scene.guest_id)))
    await ring.shred(scene.guest_id)


async def test_it_holds_what_there_was_and_nothing_later(desk: Desk, admin: Someone) -> None:
    scene = await recorded(desk)
    hold = await place(admin, session_id=scene.id)
    assert (hold["reason"], hold["session_id"], hold["disclosed"]) == (WHY, scene.id, True)
    assert hold["review_by_ms"] == T0 + REVIEW_MS
    assert hold["ends_at_ms"] == T0 + 3_650 * DAY_MS
    found = await copied(admin, hold)
    assert [row["body"] for row in found["messages"]] == list(SAID)
    assert sum(map(len, found.values())) == hold["rows"]
    assert {"sessions", "participants", "intervals", "settlements", "ledger_entries"} <= found.keys()
    await desk.pool.execute(
        "insert into reports (id, reporter_id, session_id, user_id, evidence_id, created_at_ms)"
        " values ($1, $2, $3, $4, $1, $5)", str(uuid4()), scene.guest_id, scene.id, scene.practitioner_id, T0,
    )  # fmt: skip
    assert await copied(admin, hold) == found
    assert "reports" not in found


async def test_of_a_person_it_holds_their_own(desk: Desk, admin: Someone) -> None:
    scene = await recorded(desk)
    hold = await place(admin, user_id=scene.guest_id, days=30)
    found = await copied(admin, hold)
    assert [row["body"] for row in found["messages"]] == [SAID[0]]
    assert [row["name"] for row in found["people"]] == ["Gus"]
    assert {row["id"] for row in found["people"]} == {scene.guest_id}
    # Nothing in it lies in the clear.
    rows = await desk.pool.fetch("select sealed from legal_hold_pieces where hold_id = $1", hold["id"])
    assert not any(words.encode() in row["sealed"] for row in rows for words in (*SAID, "Gus"))


async def test_age_and_erasure_take_the_originals_and_not_the_copy(desk: Desk, admin: Someone) -> None:
    scene = await recorded(desk)
    hold = await place(admin, session_id=scene.id)
    before = await copied(admin, hold)
    await erase(desk, scene)
    assert (
        await desk.pool.fetchval("select count(*) from participants where user_id = $1", scene.guest_id) == 0
    )
    with pytest.raises(ShreddedError):
        await desk.hub.keyring.load(scene.guest_id)
    desk.now_ms += 761 * DAY_MS
    assert await Retention(desk.pool, periods(), now_ms=lambda: desk.now_ms).run_once() > 0
    bodies = await desk.pool.fetch("select body from messages where session_id = $1", scene.id)
    assert [row["body"] for row in bodies] == [None, None]
    assert await copied(admin, hold) == before
    assert "we meet at nine" in str(before)


async def test_who_is_erased_is_named_by_no_hold(desk: Desk, admin: Someone) -> None:
    scene = await recorded(desk)
    hold = await place(admin, user_id=scene.guest_id)
    instead = pseudonym(await desk.hub.keyring.load(scene.guest_id))
    await erase(desk, scene)
    row = await desk.pool.fetchrow("select * from legal_holds where id = $1", hold["id"])
    assert row is not None
    assert row["subject_id"] == instead
    assert [one["name"] for one in (await copied(admin, hold))["people"]] == ["Gus"]


async def test_the_person_sees_it_and_who_read_it(desk: Desk, admin: Someone) -> None:
    scene = await recorded(desk)
    guest = Someone(desk, scene.guest_id, "guest")
    hold = await place(admin, user_id=scene.guest_id)
    await admin.get(f"{HOLDS}/{hold['id']}?reason=asked")
    report = await guest.get("/v1/me/access")
    assert [one["id"] for one in report["tables"]["legal_holds"]] == [hold["id"]]
    assert "reason" not in report["tables"]["legal_holds"][0]
    reads = [(one["action"], one["role"], one["session_id"]) for one in report["reads"]]
    assert reads == [("legal_hold_read", "admin", None)]
    stranger = desk.someone()
    await stranger.get("/v1/me")
    assert (await stranger.get("/v1/me/access"))["tables"]["legal_holds"] == []


async def test_unless_an_authority_forbids_it(desk: Desk, admin: Someone) -> None:
    scene = await recorded(desk)
    guest = Someone(desk, scene.guest_id, "guest")
    secret = "They might warn somebody."
    holds = [
        await place(admin, undisclosed_because=secret, **about)
        for about in ({"user_id": scene.guest_id}, {"session_id": scene.id})
    ]
    for hold in holds:
        assert (hold["disclosed"], hold["undisclosed_because"]) == (False, secret)
        await admin.get(f"{HOLDS}/{hold['id']}?reason=asked")
    report = await guest.get("/v1/me/access")
    assert report["tables"]["legal_holds"] == []
    assert report["reads"] == []
    assert not any(hold["id"] in str(report) for hold in holds)
    # It is on record all the same.
    entries = await desk.pool.fetch(
        "select subject_id, session_id from audit_entries where convert_from(detail, 'UTF8') like $1",
        f"%{holds[0]['id']}%",
    )
    assert [tuple(one) for one in entries] == [(None, None)] * 2


async def test_placed_twice_it_is_one(desk: Desk, admin: Someone) -> None:
    scene, name = await recorded(desk), str(uuid4())
    first = await place(admin, session_id=scene.id, request_id=name)
    assert first["id"] == name
    assert await place(admin, session_id=scene.id, request_id=name) == first
    other = await recorded(desk)
    assert (await admin.refusal("PUT", HOLDS, {"reason": WHY, "session_id": other.id, "request_id": name}))[
        0
    ] == ("conflict")
    listed = (await admin.get(f"{HOLDS}?reason=asked"))["items"]
    assert [one["id"] for one in listed].count(name) == 1
    assert WHY in {one["reason"] for one in listed}


async def test_what_is_too_much_for_one_hold_is_refused_and_leaves_no_copy(
    desk: Desk, admin: Someone, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, name = await recorded(desk), str(uuid4())
    asked = {"reason": WHY, "session_id": scene.id, "request_id": name}
    with monkeypatch.context() as smaller:
        smaller.setattr(legal_holds, "PIECES_MAX", 2)
        assert (await admin.refusal("PUT", HOLDS, asked))[0] == "too_large"
    for table, column in (
        ("legal_holds", "id"),
        ("legal_hold_pieces", "hold_id"),
        ("subject_keys", "subject_id"),
    ):
        assert await desk.pool.fetchval(f"select count(*) from {table} where {column} = $1", name) == 0
    assert (await place(admin, session_id=scene.id, request_id=name))["pieces"] > 2


async def test_released_nobody_can_read_it_in_any_copy(desk: Desk, admin: Someone) -> None:
    scene = await recorded(desk)
    hold = await place(admin, session_id=scene.id)
    row = await desk.pool.fetchrow("select sealed from legal_hold_pieces where hold_id = $1", hold["id"])
    assert row is not None
    before = await said(desk, scene)
    over = await admin.done("DELETE", f"{HOLDS}/{hold['id']}", {"reason": "The court has closed it."})
    assert over["released_at_ms"] == T0
    assert over["released_by"] == admin.id
    assert await admin.done("DELETE", f"{HOLDS}/{hold['id']}", {"reason": "Again."}) == over
    assert (await admin.refusal("GET", f"{HOLDS}/{hold['id']}?reason=asked"))[0] == "not_found"
    with pytest.raises(ShreddedError):
        await desk.hub.keyring.find(hold["id"])
    # What it was copied from is as it was.
    assert await said(desk, scene) == before == list(SAID)
    listed = {one["id"]: one for one in (await admin.get(f"{HOLDS}?reason=asked"))["items"]}
    assert listed[hold["id"]] == over
    assert over["reason"] != WHY


async def test_it_is_looked_at_every_year_and_ends_at_its_time(desk: Desk, admin: Someone) -> None:
    scene = await recorded(desk)
    hold = await place(admin, session_id=scene.id, days=800)
    duty = LegalHolds(desk.pool, now_ms=lambda: desk.now_ms)
    desk.now_ms = T0 + REVIEW_MS - 1
    assert await open_cases(desk, hold) == 0
    await duty.run_once()
    assert await open_cases(desk, hold) == 0
    desk.now_ms += 1
    await duty.run_once()
    await duty.run_once()
    assert await open_cases(desk, hold) == 1
    await desk.pool.execute("update cases set closed_at_ms = 1 where subject = $1", hold["id"])
    desk.now_ms += ASK_AGAIN_MS
    await duty.run_once()
    assert await open_cases(desk, hold) == 1
    kept = await admin.done("POST", f"{HOLDS}/{hold['id']}/review", {"reason": "It goes on."})
    assert kept["review_by_ms"] == desk.now_ms + REVIEW_MS
    desk.now_ms = T0 + 800 * DAY_MS
    await duty.run_once()
    assert (await admin.refusal("GET", f"{HOLDS}/{hold['id']}?reason=asked"))[0] == "not_found"
    ended = await desk.pool.fetchrow("select * from legal_holds where id = $1", hold["id"])
    assert ended is not None
    assert (ended["released_at_ms"], ended["released_by"], ended["reason"]) == (desk.now_ms, None, None)


async def open_cases(desk: Desk, hold: Any) -> int:
    found: int = await desk.pool.fetchval(
        "select count(*) from cases"
        " where kind = 'legal_hold_review' and subject = $1 and closed_at_ms is null",
        hold["id"],
    )
    return found


@pytest.mark.parametrize("role", ["guest", "practitioner", "moderator"])
async def test_it_is_for_admins_alone(desk: Desk, admin: Someone, role: Any) -> None:
    scene = await recorded(desk)
    hold = await place(admin, session_id=scene.id)
    who = desk.someone(role)
    await who.get("/v1/me")
    for method, path, body in (
        ("PUT", HOLDS, {"reason": WHY, "session_id": scene.id}),
        ("GET", f"{HOLDS}?reason=asked", None),
        ("GET", f"{HOLDS}/{hold['id']}?reason=asked", None),
        ("DELETE", f"{HOLDS}/{hold['id']}", {"reason": WHY}),
    ):  # fmt: skip
        assert (await who.refusal(method, path, body))[0] == "forbidden"


async def test_nobody_holds_or_reads_what_is_their_own(desk: Desk, admin: Someone) -> None:
    scene = await recorded(desk)
    hold = await place(admin, session_id=scene.id)
    party = Someone(desk, scene.practitioner_id, "admin")
    for method, path, body in (
        ("PUT", HOLDS, {"reason": WHY, "session_id": scene.id}),
        ("PUT", HOLDS, {"reason": WHY, "user_id": scene.practitioner_id}),
        ("GET", f"{HOLDS}/{hold['id']}?reason=asked", None),
        ("DELETE", f"{HOLDS}/{hold['id']}", {"reason": WHY}),
    ):  # fmt: skip
        assert (await party.refusal(method, path, body))[0] == "forbidden"
    listed = (await party.get(f"{HOLDS}?reason=asked"))["items"]
    assert hold["id"] not in {one["id"] for one in listed}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "bad_request"), ({"reason": " "}, "bad_request"), ({"reason": WHY}, "bad_request"),
        ({"reason": WHY, "session_id": str(uuid4())}, "not_found"),
        ({"reason": WHY, "user_id": str(uuid4())}, "not_found"),
        ({"reason": WHY, "session_id": "x"}, "bad_request"),
        ({"reason": WHY, "session_id": str(uuid4()), "days": 3_651}, "bad_request"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_refused(admin: Someone, body: Any, code: str) -> None:
    assert (await admin.refusal("PUT", HOLDS, body))[0] == code


async def test_everything_that_is_somebodys_is_held(pool: asyncpg.Pool) -> None:
    """But for keys and files, and what staff did, which stays anyway; and each statement is allowed."""
    registry = load()
    of_person = {one.table.name for one in legal_holds.held(registry, of_session=False)}
    for name, table in registry.tables.items():
        left_out = name in legal_holds.LEFT_OUT or table.retention == "audit"
        assert (name in of_person) == (table.personal and not left_out), name
    for of_session in (False, True):
        for one in legal_holds.held(registry, of_session=of_session):
            await pool.execute(f"explain (generic_plan) {one.sql}")


async def test_words_that_are_too_old_are_shown_to_nobody(desk: Desk) -> None:
    """Hidden at once, removed a month later; the chain verifies throughout."""
    scene = await recorded(desk)
    head = await desk.pool.fetchval("select transcript_head from sessions where id = $1", scene.id)
    retention = Retention(desk.pool, periods(), now_ms=lambda: desk.now_ms)
    desk.now_ms = T0 + 730 * DAY_MS
    assert await said(desk, scene) == list(SAID)
    desk.now_ms += len(SAID)
    assert await said(desk, scene) == [None, None]
    guest = Someone(desk, scene.guest_id, "guest")
    assert (await guest.get("/v1/me/access"))["tables"]["messages"] == []
    await retention.run_once()
    bodies = "select count(body) from messages where session_id = $1"
    assert await desk.pool.fetchval(bodies, scene.id) == 2
    desk.now_ms += 30 * DAY_MS
    await retention.run_once()
    assert await desk.pool.fetchval(bodies, scene.id) == 0
    kept = await transcript.kept(desk.pool, scene.id)
    assert chain.verify(scene.id, transcript.links(kept), head)
    ring = desk.hub.keyring
    assert await AuditWalk(desk.pool, HeadKey(ring.root), ring).run() == []


async def test_after_ten_years_the_books_name_nobody(desk: Desk) -> None:
    scene = await recorded(desk)
    retention = Retention(desk.pool, periods(), now_ms=lambda: desk.now_ms)
    books = "select md5(string_agg(t::text, ',' order by t::text)) from {} t"
    tables = ("settlements", "ledger_transactions", "ledger_entries", "intervals")
    desk.now_ms = T0 + 3_650 * DAY_MS - 1
    before = {table: await desk.pool.fetchval(books.format(table)) for table in tables}
    await retention.run_once()
    seats = "select user_id from participants where session_id = $1 order by no"
    rows = await desk.pool.fetch(seats, scene.id)
    assert [row["user_id"] for row in rows] == [scene.practitioner_id, scene.guest_id]
    guest = Someone(desk, scene.guest_id, "guest")
    assert len((await guest.get("/v1/me/sessions"))["items"]) == 1
    desk.now_ms += 1
    assert (await guest.get("/v1/me/sessions"))["items"] == []
    assert (await guest.refusal("GET", f"/v1/sessions/{scene.id}/receipt"))[0] == "not_found"
    await retention.run_once()
    rows = await desk.pool.fetch(seats, scene.id)
    assert not {row["user_id"] for row in rows} & {scene.practitioner_id, scene.guest_id}
    assert {table: await desk.pool.fetchval(books.format(table)) for table in tables} == before
    assert await retention.run_once() == 0
