"""Reports: from the room and long after, once each, never told to whom they are about."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import redis

from rooms.ids import UserId
from sandbox.postgres import PostgresAddress
from sandbox.visitor import Json, Refused, Visitor
from store.postgres.pool import acting_as, connect
from tests.acceptance.conftest import UNLIMITED, running_stack
from tests.acceptance.scene import Scene, until
from tests.acceptance.wrong import NOBODY
from tests.stack import Stack

DAY_MS = 86_400_000
REASON = "this felt wrong"
LIMITED = {"REPORTS_PER_HOUR": "3"}


@pytest.fixture(scope="module")
def sparing(
    postgres_cluster: PostgresAddress,
    migrated_template: PostgresAddress,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """A stack on which a person files three reports an hour."""
    with running_stack(postgres_cluster, tmp_path_factory, UNLIMITED | LIMITED) as running:
        yield running


@pytest.fixture
async def limited(sparing: Stack) -> AsyncIterator[Scene]:
    playing = Scene(sparing)
    yield playing
    await playing.close()


WORDS = [
    "alder", "birch", "cedar", "dogwood", "elm", "fir", "ginkgo", "hazel", "ironwood", "juniper",
    "katsura", "larch", "maple", "nutmeg", "oak", "pine", "quince", "rowan", "spruce", "tamarack",
    "umbrella", "viburnum", "willow", "yew", "zelkova", "aspen", "beech", "chestnut", "ebony", "holly",
]  # fmt: skip
"""Thirty texts of which none looks like a number or like another."""


async def say(visitor: Visitor, session_id: str, count: int) -> list[str]:
    """Say some things; the ids of the messages."""
    sent = [
        await visitor.ask("chat:send", session_id=session_id, client_id=f"c{n}", text=word)
        for n, word in enumerate(WORDS[:count])
    ]
    assert [answer["status"] for answer in sent] == ["sent"] * count
    return [answer["id"] for answer in sent]


async def snapshots(scene: Scene, moderator: Visitor, session_id: str) -> list[Json]:
    """What a moderator can open of the reports of a session, the oldest first."""
    rows = await scene.sql(
        "select evidence_id, flag_id from reports where session_id = $1 order by created_at_ms", session_id
    )
    flags = {str(row["flag_id"]) for row in rows}
    listed = [
        item
        for flag_id in flags
        for item in (await moderator.get("/v1/moderation/evidence", flag_id=flag_id))["items"]
    ]
    assert {item["id"] for item in listed} == {str(row["evidence_id"]) for row in rows}
    opened = [await moderator.get(f"/v1/moderation/evidence/{row['evidence_id']}") for row in rows]
    return [one["snapshot"] for one in opened]


async def flags_of(scene: Scene, session_id: str) -> list[Any]:
    """The cases that reports made; what the rules found in the chat beside them is another matter."""
    query = "select * from flags where session_id = $1 and source = 'report' order by id"
    return await scene.sql(query, session_id)


async def test_a_message_is_reported_from_the_room(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    moderator = await scene.enter(await scene.person("moderator"))
    ids = await say(host, session_id, 30)
    since = host.mark
    body = {"session_id": session_id, "message_id": ids[14], "reason": REASON, "note": "please look"}
    filed = await guest.ask("safety:report", **body)
    assert set(filed) == {"ok", "report_id"}
    assert await guest.ask("safety:report", **body) == filed
    (snapshot,) = await snapshots(scene, moderator, session_id)
    assert [message["text"] for message in snapshot["messages"]] == WORDS[4:25]
    assert snapshot["messages"][10]["id"] == ids[14]
    assert (snapshot["reporter_id"], snapshot["user_id"]) == (guest.id, host.id)
    assert (snapshot["reason"], snapshot["note"]) == (REASON, "please look")
    (flag,) = await flags_of(scene, session_id)
    assert (flag["source"], flag["severity"], flag["status"]) == ("report", "medium", "open")
    assert (str(flag["user_id"]), str(flag["message_id"]), flag["seq"]) == (host.id, ids[14], 15)
    # Whom it is about hears and finds nothing of it.
    await guest.ask("chat:send", session_id=session_id, client_id="after", text="after")
    await host.hear("chat:message", lambda told: told["text"] == "after", since=since)
    assert {name for name, _ in host.heard[since:]} == {"chat:message"}
    assert await host.refusal("safety:report", **body) == "bad_request"


async def test_a_person_is_reported_after_the_session(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    moderator = await scene.enter(await scene.person("moderator"))
    said = await say(guest, session_id, 25)
    await guest.ask("session:end", session_id=session_id)
    await guest.state(session_id, "settled")
    await forgotten(scene, session_id)
    await host.ask("safety:report", session_id=session_id, reason=REASON)
    await host.ask(
        "safety:report", session_id=session_id, reason=REASON, message_id=said[0], user_id=guest.id
    )
    last, first = await snapshots(scene, moderator, session_id)
    assert [message["seq"] for message in last["messages"]] == list(range(6, 26))
    assert [message["seq"] for message in first["messages"]] == list(range(1, 12))
    assert last["user_id"] == first["user_id"] == guest.id
    assert last["messages"][-1]["text"] == WORDS[24]


async def forgotten(scene: Scene, session_id: str) -> None:
    """The live store forgets a session that is on record."""
    with redis.Redis.from_url(scene.stack.valkey.url) as store:
        tag = f"{{b{session_id[-2:]}}}:{session_id}"
        store.delete(f"room:{tag}", f"chat:{tag}", f"log:{tag}", f"seen:{tag}")


async def test_a_session_long_gone_is_reported_no_more(scene: Scene) -> None:
    guest, _, session_id = await scene.couple()
    await guest.ask("session:end", session_id=session_id)
    await guest.state(session_id, "settled")
    await forgotten(scene, session_id)
    later = "update sessions set ended_at_ms = ended_at_ms + $2::bigint where id = $1"
    await scene.sql(later, session_id, -31 * DAY_MS)
    assert await guest.refusal("safety:report", session_id=session_id, reason=REASON) == "expired"
    # What is on record has to add up again for whoever checks it later.
    await scene.sql(later, session_id, 31 * DAY_MS)


async def test_the_snapshot_opens_when_its_writer_was_erased(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    moderator = await scene.enter(await scene.person("moderator"))
    (message_id,) = await say(host, session_id, 1)
    await guest.ask("safety:report", session_id=session_id, message_id=message_id, reason=REASON)
    await scene.sql(
        "update subject_keys set wrapped = null, shredded_at_ms = 1 where subject_id = any($1)",
        [host.id, guest.id],
    )
    (snapshot,) = await snapshots(scene, moderator, session_id)
    assert snapshot["messages"][0]["text"] == WORDS[0]
    assert snapshot["reason"] == REASON


async def test_many_reports_at_once_are_one_case_and_one_report(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    lines = [guest, *[await scene.enter(guest, hub) for hub in (0, 1, 1)]]
    (message_id,) = await say(host, session_id, 1)
    body = {"session_id": session_id, "message_id": message_id, "reason": REASON}
    answers = await asyncio.gather(*(line.ask("safety:report", **body) for line in lines for _ in range(5)))
    assert len({answer["report_id"] for answer in answers}) == 1
    assert len(await scene.sql("select from reports where session_id = $1", session_id)) == 1
    assert len(await scene.sql("select from evidence where session_id = $1", session_id)) == 1
    (flag,) = await flags_of(scene, session_id)
    assert flag["reports"] == 1
    # And no more evidence keys than evidence, for all that was tried at once.
    keys = await scene.sql(
        "select from subject_keys k where not exists (select from evidence where id = k.subject_id)"
        " and not exists (select from people where id = k.subject_id) and shredded_at_ms is null"
        " and created_at_ms > (select created_at_ms from reports where session_id = $1) - 1000",
        session_id,
    )
    assert keys == []


async def test_both_people_and_several_messages_make_one_case_each(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    mine, theirs = await say(guest, session_id, 2), await say(host, session_id, 3)
    for message_id in theirs:
        await guest.ask("safety:report", session_id=session_id, message_id=message_id, reason=REASON)
    await guest.ask("safety:report", session_id=session_id, user_id=host.id, reason=REASON)
    await host.ask("safety:report", session_id=session_id, message_id=mine[1], reason=REASON)
    flags = await flags_of(scene, session_id)
    assert sorted((str(flag["user_id"]), flag["reports"]) for flag in flags) == sorted(
        [(host.id, 1), (guest.id, 1)]
    )
    rows = await scene.sql(
        "select reports.flag_id, evidence.flag_id as kept from reports"
        " join evidence on evidence.id = evidence_id where reports.session_id = $1",
        session_id,
    )
    assert len(rows) == 5
    assert all(row["flag_id"] == row["kept"] for row in rows)


async def test_what_is_not_theirs_is_not_there(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    stranger, _, foreign_id = await scene.couple()
    (own,) = await say(guest, session_id, 1)
    (foreign,) = await say(stranger, foreign_id, 1)

    async def refused(**body: object) -> str:
        return await guest.refusal("safety:report", reason=REASON, **body)

    assert await guest.refusal("safety:report", session_id=session_id, reason=" ") == "bad_request"
    assert await refused(session_id=foreign_id) == "not_found"
    assert await refused(session_id=NOBODY) == "not_found"
    assert await refused(session_id=session_id, message_id=foreign) == "not_found"
    assert await refused(session_id=session_id, message_id=NOBODY) == "not_found"
    assert await refused(session_id=session_id, user_id=stranger.id) == "not_found"
    assert await refused(session_id=session_id, user_id=NOBODY) == "not_found"
    assert await refused(session_id=session_id, message_id=own, user_id=host.id) == "not_found"
    assert await refused(session_id=session_id, message_id=own) == "bad_request"
    assert await refused(session_id=session_id, user_id=guest.id) == "bad_request"
    assert await scene.sql("select from reports where session_id = any($1)", [session_id, foreign_id]) == []


async def test_evidence_is_for_moderators_of_other_peoples_cases(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    moderator, admin = [await scene.enter(await scene.person(role)) for role in ("moderator", "admin")]
    await guest.ask("safety:report", session_id=session_id, reason=REASON)
    (row,) = await scene.sql("select * from reports where session_id = $1", session_id)
    path = f"/v1/moderation/evidence/{row['evidence_id']}"
    for visitor, given, code in (
        (guest, {}, "forbidden"), (host, {}, "forbidden"), (admin, {}, "bad_request"),
        (admin, {"reason": " "}, "bad_request"), (admin, {"reason": "x" * 501}, "bad_request"),
        (moderator, {"what": "x"}, "bad_request"),
    ):  # fmt: skip
        with pytest.raises(Refused) as refused:
            await visitor.get(path, **given)
        assert refused.value.code == code
    opened = await admin.get(path, reason="asked by the police")
    assert opened["snapshot"]["reason"] == REASON
    read = await scene.sql(
        "select actor_id from audit_entries where action = 'evidence_read' and session_id = $1", session_id
    )
    assert [str(entry["actor_id"]) for entry in read] == [admin.id]
    # Their own case: they took part themselves, before they were a moderator.
    await scene.sql("update reports set reporter_id = $2 where id = $1", row["id"], moderator.id)
    with pytest.raises(Refused) as refused:
        await moderator.get(path)
    assert refused.value.code == "forbidden"
    for bad in ("1", "x" * 36, NOBODY):
        with pytest.raises(Refused) as refused:
            await moderator.get(f"/v1/moderation/evidence/{bad}")
        assert refused.value.code == "not_found"
    with pytest.raises(Refused) as refused:
        await moderator.get("/v1/moderation/evidence", flag_id="'; drop table")
    assert refused.value.code == "bad_request"


async def test_a_person_sees_their_own_reports_and_nobody_elses(scene: Scene, stack: Stack) -> None:
    guest, host, session_id = await scene.couple()
    await guest.ask("safety:report", session_id=session_id, reason=REASON)
    pool = await connect(stack.database.hub_dsn, size=1)
    try:
        for who, expected in ((guest, 1), (host, 0)):
            async with acting_as(pool, UserId(who.id)) as connection:
                query = "select id from reports where session_id = $1"
                assert len(await connection.fetch(query, session_id)) == expected
    finally:
        await pool.close()


async def test_a_report_whose_process_died_gets_its_flag(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    filed = await guest.ask("safety:report", session_id=session_id, reason=REASON)
    # As it would be had the hub died before the flag was raised.
    await scene.sql("delete from flag_reporters where flag_id = $1", filed["report_id"])
    await scene.sql("delete from flags where id = $1", filed["report_id"])
    await scene.sql(
        "update reports set flag_id = null, created_at_ms = created_at_ms - 60000 where id = $1",
        filed["report_id"],
    )

    async def raised() -> bool:
        (report,) = await scene.sql("select flag_id from reports where id = $1", filed["report_id"])
        return report["flag_id"] is not None

    await until(raised, "the flag was never raised")
    (flag,) = await flags_of(scene, session_id)
    assert (str(flag["user_id"]), flag["reports"]) == (host.id, 1)


async def test_who_reported_is_told_once_it_is_decided(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    moderator = await scene.enter(await scene.person("moderator"), 1)
    filed = await guest.ask("safety:report", session_id=session_id, reason=REASON)
    (row,) = await scene.sql("select flag_id from reports where id = $1", filed["report_id"])
    since = host.mark
    await moderator.ask(
        "moderation:act", session_id=session_id, flag_id=str(row["flag_id"]), action="dismiss", note="seen"
    )
    told = await guest.hear("safety:notice", lambda body: body["code"] == "report_decided")
    assert told["session_id"] == session_id
    assert told["message"]
    (row,) = await scene.sql("select outcome from reports where id = $1", filed["report_id"])
    assert row["outcome"] == "dismissed"
    await guest.ask("chat:send", session_id=session_id, client_id="after", text="after")
    await host.hear("chat:message", since=since)
    assert host.count("safety:notice", since) == 0


async def test_a_person_files_so_many_an_hour_on_all_hubs_together(limited: Scene) -> None:
    guest, host, session_id = await limited.couple()
    lines = [guest, await limited.enter(guest, 1)]
    ids = await say(host, session_id, 12)
    answers = [
        await lines[n % 2].answer(
            "safety:report", {"session_id": session_id, "message_id": ids[n], "reason": REASON}
        )
        for n in range(12)
    ]
    assert [answer["ok"] for answer in answers] == [True] * 3 + [False] * 9
    for answer in answers[3:]:
        assert answer["error"]["code"] == "rate_limited"
        assert 0 < answer["error"]["retry_after_ms"] <= 1_200_000
    # What was filed is answered again, at no cost; the other person has an allowance of their own.
    again = await guest.ask("safety:report", session_id=session_id, message_id=ids[0], reason=REASON)
    assert again["report_id"] == answers[0]["report_id"]
    await host.ask("safety:report", session_id=session_id, reason=REASON)


async def test_an_admin_keeps_evidence_beyond_its_time(scene: Scene) -> None:
    guest, _, session_id = await scene.couple()
    moderator, admin = [await scene.enter(await scene.person(role)) for role in ("moderator", "admin")]
    await guest.ask("safety:report", session_id=session_id, reason=REASON)
    (row,) = await scene.sql("select * from reports where session_id = $1", session_id)
    path = f"/v1/admin/evidence/{row['evidence_id']}/hold"
    for visitor, body, status in (
        (moderator, {"reason": "no"}, 403), (guest, {"reason": "no"}, 403), (admin, {}, 400),
        (admin, {"reason": " "}, 400), (admin, {"reason": "x" * 501}, 400), (admin, {"why": "x"}, 400),
    ):  # fmt: skip
        assert (await change(visitor, "PUT", path, body))[0] == status
    for _ in range(2):
        status, held = await change(admin, "PUT", path, {"reason": "a court asks"})
        assert (status, held["legal_hold"]) == (200, True)
    # Its time is over and its case is closed, and it stays.
    await scene.sql("update evidence set keep_until_ms = 1 where id = $1", row["evidence_id"])
    await scene.sql("update flags set status = 'dismissed', resolved_at_ms = 1 where id = $1", row["flag_id"])
    other, _, another_id = await scene.couple()
    await other.ask("safety:report", session_id=another_id, reason=REASON)
    (beside,) = await scene.sql("select * from reports where session_id = $1", another_id)
    await scene.sql("update evidence set keep_until_ms = 1 where id = $1", beside["evidence_id"])
    await scene.sql(
        "update flags set status = 'dismissed', resolved_at_ms = 1 where id = $1", beside["flag_id"]
    )
    await gone(scene, beside["evidence_id"])
    assert (await moderator.get(f"/v1/moderation/evidence/{row['evidence_id']}"))["legal_hold"] is True
    for _ in range(2):
        status, free = await change(admin, "DELETE", path, {"reason": "the court is done"})
        if status == 404:
            # Between the two it came to its end.
            break
        assert (status, free["legal_hold"]) == (200, False)
    await gone(scene, row["evidence_id"])
    assert (await change(admin, "PUT", path, {"reason": "too late"}))[0] == 404
    noted = await scene.sql(
        "select action from audit_entries where session_id = $1 and actor_id = $2 order by n",
        session_id, admin.id,
    )  # fmt: skip
    assert [entry["action"] for entry in noted] == ["evidence_held", "evidence_hold_lifted"]


async def gone(scene: Scene, evidence_id: object) -> None:
    """Wait until a piece of evidence is gone and its key destroyed."""

    async def is_gone() -> bool:
        query = "select wrapped from subject_keys where subject_id = $1"
        (key,) = await scene.sql(query, evidence_id)
        left = await scene.sql("select from evidence where id = $1", evidence_id)
        return key["wrapped"] is None and not left

    await until(is_gone, "the evidence outlived its time")


async def change(visitor: Visitor, method: str, path: str, body: Json) -> tuple[int, Json]:
    headers = {"Authorization": f"Bearer {visitor.token}"}
    async with visitor._http.request(method, f"{visitor.hub}{path}", headers=headers, json=body) as response:
        answer: Json = await response.json()
        return response.status, answer
