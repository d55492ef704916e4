"""People who are signed in, and reach for what is not theirs. On two real hubs, by the public contract alone.

The whole table of who may what is tried by tests/acceptance/test_access.py; here are the ways around it.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from sandbox.postgres import PostgresAddress
from sandbox.visitor import Json, Refused
from tests.acceptance.conftest import UNLIMITED, running_stack
from tests.acceptance.everybody import become
from tests.acceptance.scene import Scene, said
from tests.stack import Stack

WHY = "Somebody asked us to."


@pytest.fixture(scope="module")
def stack(
    postgres_cluster: PostgresAddress,
    migrated_template: PostgresAddress,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    with running_stack(postgres_cluster, tmp_path_factory, UNLIMITED) as running:
        yield running


@pytest.fixture
async def scene(stack: Stack) -> AsyncIterator[Scene]:
    playing = Scene(stack)
    yield playing
    await playing.close()


async def refused(asked: Any) -> str:
    """The code of an HTTP request that must be refused."""
    try:
        answer = await asked
    except Refused as error:
        return error.code
    raise AssertionError(f"it was answered: {answer}")


def into(session_id: str, to: str) -> dict[str, Json]:
    """Every event by which somebody could get into a session, or do something there."""
    return {
        "room:join": {"session_id": session_id},
        "room:leave": {"session_id": session_id},
        "chat:send": {"session_id": session_id, "client_id": "x", "text": "let me in"},
        "chat:history": {"session_id": session_id, "after_seq": 0, "limit": 200},
        "chat:typing": {"session_id": session_id},
        "chat:read": {"session_id": session_id, "seq": 1},
        "media:refresh": {"session_id": session_id},
        "media:signal": {"session_id": session_id, "to": to, "data": {}},
        "session:end": {"session_id": session_id},
        "safety:report": {"session_id": session_id, "reason": WHY},
    }


# Foreign session; room named as a victim's id.


async def test_a_foreign_session_is_not_there(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    sent = await guest.ask("chat:send", session_id=session_id, client_id="1", text="between us")
    other_guest, other_host, _ = await scene.couple()
    marks = [who.mark for who in (guest, host)]
    for stranger in (other_guest, other_host):
        for event, body in into(session_id, host.id).items():
            assert await stranger.refusal(event, **body) == "not_found", event
        report = {"session_id": session_id, "reason": WHY, "message_id": sent["id"]}
        assert await stranger.refusal("safety:report", **report) == "not_found"
        for part in ("", "/transcript", "/receipt"):
            assert await refused(stranger.get(f"/v1/sessions/{session_id}{part}")) == "not_found"
    # A message of somebody else's, named in a session of one's own.
    own = await other_guest.get("/v1/me/sessions")
    report = {"session_id": own["items"][0]["id"], "reason": WHY, "message_id": sent["id"]}
    assert await other_guest.refusal("safety:report", **report) == "not_found"
    assert (
        await refused(other_guest.post(f"/v1/sessions/{session_id}/tip", {"amount_minor": 100}))
        == "not_found"
    )
    for event, more in (("session:extend", {"minutes": 5}), ("session:cancel", {})):
        assert await other_guest.refusal(event, session_id=session_id, **more) == "not_found"
    for event in ("room:mute", "room:remove"):
        assert await other_host.refusal(event, session_id=session_id, user_id=guest.id) == "not_found"
    # The two notice nothing, and nobody hears what they say.
    since = [who.mark for who in (other_guest, other_host)]
    await host.ask("chat:send", session_id=session_id, client_id="2", text="only for you")
    await guest.hear("chat:message", lambda body: body["text"] == "only for you")
    assert {name for name, _ in guest.heard[marks[0] :]} <= {"chat:message", "meter:update"}
    assert {name for name, _ in host.heard[marks[1] :]} <= {"chat:message", "meter:update"}
    assert not said(other_guest, since[0])
    assert not said(other_host, since[1])


async def test_a_victims_id_is_no_room(scene: Scene) -> None:
    """What a hub sends to one person goes over a channel of theirs; its name lets nobody in."""
    guest, host, session_id = await scene.couple()
    stranger = await scene.guest(1)
    since = stranger.mark
    for victim in (guest, host):
        for event, body in into(victim.id, host.id).items():
            assert await stranger.refusal(event, **body) == "not_found", event
        for name in (f"person:{victim.id}", f"user:{victim.id}", f"room:{session_id}", victim.id.upper()):
            assert await stranger.refusal("room:join", session_id=name) == "bad_request"
    await guest.ask("chat:send", session_id=session_id, client_id="1", text="still between us")
    await host.ask("session:end", session_id=session_id)
    await guest.state(session_id, "settled")
    assert stranger.heard[since:] == []


# Join after end.


async def test_nobody_comes_back_into_a_session_that_is_over(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    again = await scene.enter(guest, 1)
    await guest.ask("session:end", session_id=session_id)
    await host.state(session_id, "settled")
    for line in (guest, again, host):
        marks = (guest.mark, host.mark)
        assert await line.refusal("room:join", session_id=session_id) == "not_live"
        for event in ("chat:send", "chat:typing", "media:refresh", "media:signal"):
            body = into(session_id, guest.id if line is host else host.id)[event]
            assert await line.refusal(event, **body) == "not_live", event
        assert not said(guest, marks[0])
        assert not said(host, marks[1])
    assert await host.refusal("session:accept", session_id=session_id) == "conflict"
    assert await guest.refusal("session:extend", session_id=session_id, minutes=5) in ("not_live", "conflict")
    bill = await guest.get(f"/v1/sessions/{session_id}/receipt")
    await guest.ask("session:end", session_id=session_id)
    assert await guest.get(f"/v1/sessions/{session_id}/receipt") == bill


# A moderator sends; reviews their own case.


async def test_a_moderator_who_reads_along_says_nothing(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    moderator = await scene.enter(await scene.person("moderator"), 1)
    marks = (guest.mark, host.mark)
    await moderator.ask("moderation:observe", session_id=session_id, reason=WHY)
    for event, body in into(session_id, host.id).items():
        assert await moderator.refusal(event, **body) == "forbidden", event
    assert await refused(moderator.get(f"/v1/sessions/{session_id}/transcript")) == "not_found"
    await guest.ask("chat:send", session_id=session_id, client_id="1", text="alone")
    await host.hear("chat:message", since=marks[1])
    assert {name for name, _ in guest.heard[marks[0] :]} <= {"chat:message", "meter:update"}
    assert {name for name, _ in host.heard[marks[1] :]} <= {"chat:message", "meter:update"}


async def test_nobody_judges_themselves(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    fair = await scene.enter(await scene.person("moderator"))
    filed = await guest.ask("safety:report", session_id=session_id, reason=WHY, user_id=host.id)
    (row,) = await scene.sql("select flag_id, evidence_id from reports where id = $1", filed["report_id"])
    flag_id, evidence_id = str(row["flag_id"]), str(row["evidence_id"])
    done = await fair.ask("moderation:act", session_id=session_id, action="warn", note=WHY, user_id=host.id)
    appeal = await host.post("/v1/me/appeals", {"action_id": done["action_id"], "text": "Why?"})
    before = await scene.sql("select * from flags where id = $1", flag_id)
    reporter, reported = await become(scene, guest, "moderator"), await become(scene, host, "moderator")
    decision = {"decision": "overruled", "note": WHY}
    act = {"session_id": session_id, "note": WHY, "action": "dismiss"}
    for own in (reporter, reported):
        assert await own.refusal("moderation:claim", flag_id=flag_id, version=1) == "forbidden"
        assert await own.refusal("moderation:act", **act, flag_id=flag_id) == "forbidden"
        # Nor by the room alone, without naming the case.
        assert await own.refusal("moderation:act", **{**act, "action": "end"}) == "forbidden"
        assert await own.refusal("room:mute", session_id=session_id, user_id=guest.id) == "forbidden"
        assert await own.refusal("moderation:observe", session_id=session_id, reason=WHY) == "forbidden"
        for path in (
            f"flags/{flag_id}",
            f"flags/{flag_id}/messages",
            f"people/{own.id}",
            f"evidence/{evidence_id}",
        ):
            assert await refused(own.get(f"/v1/moderation/{path}")) == "forbidden", path
        assert (
            await refused(own.post(f"/v1/moderation/appeals/{appeal['id']}/decide", decision)) == "forbidden"
        )
    assert await refused(fair.post(f"/v1/moderation/appeals/{appeal['id']}/decide", decision)) == "forbidden"
    # Another case, named with this session, is no way around it.
    _, other_host, other_id = await scene.couple()
    other = await other_host.ask("safety:report", session_id=other_id, reason=WHY)
    (row,) = await scene.sql("select flag_id from reports where id = $1", other["report_id"])
    assert await fair.refusal("moderation:act", **act, flag_id=str(row["flag_id"])) == "not_found"
    assert await scene.sql("select * from flags where id = $1", flag_id) == before


# History cursor swap.


async def test_a_cursor_of_somebody_elses_opens_nothing(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    for text in ("one", "two", "three"):
        await host.ask("chat:send", session_id=session_id, client_id=text, text=text)
    other_guest, other_host, other_id = await scene.couple()
    await other_guest.ask("chat:send", session_id=other_id, client_id="1", text="mine")
    # A place in one transcript, used in another: the other one's own words, or nothing.
    for after_seq in (0, 1, 3, 2**53):
        told = await other_guest.ask("chat:history", session_id=other_id, after_seq=after_seq, limit=200)
        assert [one["text"] for one in told["messages"]] == (["mine"] if after_seq == 0 else [])
        joined = await other_guest.ask("room:join", session_id=other_id, after_seq=after_seq)
        assert {one["text"] for one in joined["messages"]} <= {"mine"}
    assert (
        await other_guest.refusal("chat:history", session_id=session_id, after_seq=0, limit=1) == "not_found"
    )
    # The cursor of a list is an id: those of others are places in one's own list at most.
    (blocked,) = await scene.people("practitioner")
    await guest.ask("safety:block", user_id=blocked["id"])
    foreign = [session_id, guest.id, host.id, blocked["id"]]
    for path, who, own in (
        ("/v1/me/sessions", other_guest, {other_id}),
        ("/v1/me/sessions", other_host, {other_id}),
        ("/v1/me/blocks", other_guest, set()),
        ("/v1/me/appeals", other_guest, set()),
        ("/v1/me/actions", other_guest, set()),
    ):
        for cursor in foreign:
            page = await who.get(path, cursor=cursor, limit="100")
            assert {one["id"] for one in page["items"]} <= own
    for cursor in foreign:
        earned = await other_host.get("/v1/me/earnings", cursor=cursor)
        assert {one["session_id"] for one in earned["sessions"]} <= {other_id}
    for cursor in ("0", "../x", "' or 1=1 --", session_id + "x"):
        assert await refused(other_guest.get("/v1/me/sessions", cursor=cursor)) == "bad_request"


# Media for another channel.


async def test_nobody_gets_into_another_media_channel(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    other_guest, other_host, other_id = await scene.couple()
    channel = (await guest.ask("media:refresh", session_id=session_id))["media"]
    mine = (await other_guest.ask("media:refresh", session_id=other_id))["media"]
    assert mine["channel"] != channel["channel"]
    for more in ({"channel": channel["channel"]}, {"uid": channel["uid"]}, {"user_id": guest.id}):
        for event in ("media:refresh", "room:join"):
            assert await other_guest.refusal(event, session_id=other_id, **more) == "bad_request"
    assert await other_guest.refusal("media:refresh", session_id=channel["channel"]) == "bad_request"
    assert await other_guest.refusal("media:refresh", session_id=session_id) == "not_found"
    for to in (guest.id, host.id):
        assert await other_guest.refusal("media:signal", session_id=other_id, to=to, data={}) == "not_found"
    await other_guest.ask("room:leave", session_id=other_id)
    assert await other_guest.refusal("media:refresh", session_id=other_id) == "forbidden"
    assert guest.count("media:signal") == host.count("media:signal") == other_host.count("media:signal") == 0


# Blocked rejoins.


@pytest.mark.parametrize("by_guest", [True, False])
async def test_who_was_blocked_does_not_come_back(scene: Scene, by_guest: bool) -> None:
    guest, host, session_id = await scene.couple()
    blocker, blocked = (guest, host) if by_guest else (host, guest)
    await blocker.ask("safety:block", user_id=blocked.id)
    await blocked.state(session_id, "settled")
    for line in (blocked, await scene.enter(blocked, 0), await scene.enter(blocked, 1)):
        assert await line.refusal("room:join", session_id=session_id) in ("blocked", "not_live")
        assert await line.refusal("chat:send", session_id=session_id, client_id="b", text="hey") == "not_live"
        assert await line.refusal("media:refresh", session_id=session_id) == "not_live"
    # To take back one's own block undoes nobody else's.
    async with scene.http.delete(
        f"{scene.stack.hub_urls[0]}/v1/me/blocks/{blocker.id}",
        headers={"Authorization": f"Bearer {blocked.token}"},
    ) as response:
        assert response.status == 200
    await host.ask("practitioner:online")
    asked = {"practitioner_id": host.id, "request_id": "again"}
    assert await guest.refusal("session:request", **asked) == "blocked"
    assert not said(blocker)


async def test_who_was_blocked_before_the_room_opened_does_not_enter(scene: Scene) -> None:
    guest, host = await scene.guest(0), await scene.host(1)
    session_id = await scene.waiting(guest, host)
    await host.ask("safety:block", user_id=guest.id)
    for line in (guest, await scene.enter(guest, 1)):
        assert await line.refusal("room:join", session_id=session_id) in ("blocked", "not_live")
    assert (await guest.get(f"/v1/sessions/{session_id}"))["live_at_ms"] is None


# Client price, negative duration.


async def test_nobody_names_a_price(scene: Scene) -> None:
    guest, host = await scene.guest(0), await scene.host(1, rate_minor=300)
    asked = {"practitioner_id": host.id, "request_id": "r"}
    for more in (
        {"price": {"amount_minor": 1}}, {"amount_minor": 1}, {"rate_minor_per_minute": 0}, {"free_s": 9_999},
        {"currency": "jpy"}, {"seats": 2}, {"kind": "free"}, {"cap_minor": -1}, {"cap_minor": 0},
        {"cap_minor": True}, {"cap_minor": 1.5}, {"cap_minor": "1000"}, {"cap_minor": 10**9},
    ):  # fmt: skip
        assert await guest.refusal("session:request", **asked, **more) == "bad_request", more
    session_id = await scene.live(guest, host)
    price = (await guest.get(f"/v1/sessions/{session_id}"))["price"]
    assert (price["kind"], price["amount_minor"], price["free_s"]) == ("per_minute", 300, 0)
    for minutes in (-5, 0, 1.5, True, "5", 10**6, None):
        body = {"session_id": session_id, "minutes": minutes}
        assert await guest.refusal("session:extend", **body) == "bad_request"
    for more in ({"cap_minor": 1}, {"amount_minor": 0}, {"free_s": 600}):
        body = {"session_id": session_id, "minutes": 5, **more}
        assert await guest.refusal("session:extend", **body) == "bad_request"
    for event in ("session:end", "room:join"):
        for more in ({"ended_at_ms": 0}, {"billed_ms": 0}, {"duration_s": -60}):
            assert await guest.refusal(event, session_id=session_id, **more) == "bad_request"
    assert (await guest.get(f"/v1/sessions/{session_id}"))["price"] == price
    await guest.ask("session:end", session_id=session_id)
    await guest.state(session_id, "settled")
    for amount in (-100, True, 1.5, "100", 10**12, None):
        tip = guest.post(f"/v1/sessions/{session_id}/tip", {"amount_minor": amount})
        assert await refused(tip) == "bad_request", amount
    receipt = await guest.get(f"/v1/sessions/{session_id}/receipt")
    assert receipt["total_minor"] >= 0
    assert all(one["to_ms"] >= one["from_ms"] for one in receipt["intervals"])


async def test_staff_name_no_price_and_no_negative_time_either(scene: Scene) -> None:
    guest, _, session_id = await scene.couple()
    moderator = await scene.enter(await scene.person("moderator"))
    admin = await scene.enter(await scene.person("admin"))
    act = {"session_id": session_id, "action": "mute", "note": WHY, "user_id": guest.id}
    for duration_s in (-60, 0, 1.5, True, "60", 10**12):
        assert await moderator.refusal("moderation:act", **act, duration_s=duration_s) == "bad_request"
    assert await moderator.refusal("moderation:act", **act, amount_minor=0) == "bad_request"
    refund = {"session_id": session_id, "reason": WHY}
    for amount in (-1, 0, True, 1.5, "1", 10**12):
        assert (
            await refused(admin.post("/v1/admin/refunds", {**refund, "amount_minor": amount}))
            == "bad_request"
        )
    # More than was charged is no refund either, whoever approves it.
    assert await refused(admin.post("/v1/admin/refunds", {**refund, "amount_minor": 100})) == "conflict"
    assert await scene.sql("select * from refunds where session_id = $1", session_id) == []
    assert await scene.sql("select * from moderation_actions where session_id = $1", session_id) == []
