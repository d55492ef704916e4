"""Live rooms, by real clients over two hubs: talk, leave, be put out, and each guest's own bill."""

import asyncio
import json

import asyncpg
import pytest

from sandbox.visitor import Json, Refused, Visitor
from tests.acceptance.live_rooms import FAST, FREE, bill, knocked, let_in, opened, settled
from tests.acceptance.scene import Scene, length_ms, price_minor, said, seqs, until


async def test_a_free_room_from_the_list_to_its_transcript(scene: Scene) -> None:
    host, first, second = await scene.host(1), await scene.guest(0), await scene.guest(1)
    room_id = await opened(host)
    listed = await first.get("/v1/live-rooms")
    (shown,) = [room for room in listed["items"] if room["id"] == room_id]
    assert (shown["title"], shown["state"], shown["seats"], shown["taken"]) == (
        "Evening circle",
        "live",
        5,
        0,
    )
    assert shown["practitioner"]["id"] == host.id
    await scene.shown(first, host.id, "busy")
    joined = await let_in(host, first, room_id)
    assert [one["id"] for one in joined["participants"]] == [host.id, first.id]
    assert joined["session"]["kind"] == "live_room"
    assert joined["session"]["guest"] is None
    await first.ask("chat:send", session_id=room_id, client_id="1", text="before anybody else came")
    late = await let_in(host, second, room_id)
    assert late["messages"] == []
    await host.ask("chat:send", session_id=room_id, client_id="2", text="welcome, both of you")
    for visitor in (host, first, second):
        await visitor.hear("chat:message", lambda body: body["text"] == "welcome, both of you")
    assert [message["seq"] for message in said(second)] == [2]
    history = await second.ask("chat:history", session_id=room_id, after_seq=0, limit=10)
    assert seqs(history["messages"]) == [2]
    await host.ask("session:end", session_id=room_id)
    await settled(scene, room_id)
    whole = await first.get(f"/v1/sessions/{room_id}/transcript")
    part = await second.get(f"/v1/sessions/{room_id}/transcript")
    assert (seqs(whole["messages"]), seqs(part["messages"])) == ([1, 2], [2])
    assert whole["head"] == part["head"]
    assert (await bill(second, room_id))["total_minor"] == 0


async def test_each_guest_pays_for_their_own_time(scene: Scene) -> None:
    host = await scene.host(1)
    first, second = await scene.guest(0), await scene.guest(1)
    room_id = await opened(host, price=FAST)
    await let_in(host, first, room_id)
    await let_in(host, second, room_id)
    await first.hear("meter:update", lambda body: body["running"] and body["guest_id"] == first.id)
    await asyncio.sleep(0.4)
    ended = await first.ask("session:end", session_id=room_id)
    assert (ended["session"]["state"], ended["meter"]["guest_id"]) == ("live", first.id)
    # Who leaves is charged then; the room goes on, and its transcript is not closed yet.
    early = await bill(first, room_id)
    assert (early["end_reason"], early["transcript_head"]) == ("ended_by_guest", None)
    assert early["total_minor"] == price_minor(early) > 0
    assert await first.ask("session:end", session_id=room_id)
    await asyncio.sleep(0.3)
    await host.ask("session:end", session_id=room_id)
    await settled(scene, room_id)
    late = await bill(second, room_id)
    assert late["total_minor"] == price_minor(late)
    assert length_ms(late) > length_ms(early)
    assert {body["guest_id"] for name, body in first.heard if name == "meter:update"} == {first.id}
    captured = await scene.sql(
        "select participant_no, sum((outcome ->> 'amount_minor')::bigint)::bigint as minor from payment_ops "
        "where session_id = $1 and kind = 'capture' group by 1 order by 1", room_id,
    )  # fmt: skip
    assert [row["minor"] for row in captured] == [early["total_minor"], late["total_minor"]]
    assert (await first.get(f"/v1/sessions/{room_id}/receipt"))["transcript_head"] is not None


async def test_a_removed_guest_pays_and_the_others_stay(scene: Scene) -> None:
    host, first, second = await scene.host(1), await scene.guest(0), await scene.guest(1)
    room_id = await opened(host, price=FAST)
    await let_in(host, first, room_id)
    await let_in(host, second, room_id)
    await asyncio.sleep(0.3)
    await host.ask("room:mute", session_id=room_id, user_id=first.id)
    assert await first.refusal("chat:send", session_id=room_id, client_id="1", text="hello") == "muted"
    await host.ask("room:remove", session_id=room_id, user_id=first.id)
    await second.hear("room:presence", lambda body: body["user_id"] == first.id and not body["present"])
    assert await first.refusal("chat:send", session_id=room_id, client_id="2", text="hello") == "not_live"
    gone = await bill(first, room_id)
    assert gone["end_reason"] == "removed"
    assert gone["total_minor"] == price_minor(gone) > 0
    await second.ask("chat:send", session_id=room_id, client_id="3", text="still here")
    assert said(first) == []
    await host.ask("session:end", session_id=room_id)
    await settled(scene, room_id)


async def test_a_moderator_removes_one_guest_or_ends_it_for_the_hosts_conduct(scene: Scene) -> None:
    host, first, second = await scene.host(1), await scene.guest(0), await scene.guest(1)
    moderator, early = await scene.enter(await scene.person("moderator")), await scene.guest(0)
    room_id = await opened(host, price=FAST)
    for guest in (first, second, early):
        await let_in(host, guest, room_id)
    await asyncio.sleep(0.3)
    await early.ask("session:end", session_id=room_id)
    assert (await bill(early, room_id))["total_minor"] > 0
    about = {"session_id": room_id, "note": "seen by a moderator"}
    await moderator.ask("moderation:act", **about, action="remove", user_id=first.id)
    mine = await bill(first, room_id)
    assert mine["end_reason"] == "guest_conduct"
    assert mine["total_minor"] > 0
    observed = await moderator.ask("moderation:observe", session_id=room_id, reason="look")
    assert observed["session"]["state"] == "live"
    await moderator.ask("moderation:act", **about, action="end", user_id=host.id)
    await second.state(room_id, "ended")
    spared = await bill(second, room_id)
    assert (spared["total_minor"], spared["waived"]) == (0, "practitioner_conduct")
    assert spared["billed_ms"] > 0

    async def given_back() -> bool:
        kept = [
            row["kept"]
            for row in await scene.sql(
                "select collected_minor(session_id, no) - returned_minor(session_id, no) as kept "
                "from participants where session_id = $1 and no > 0 order by no", room_id,
            )
        ]  # fmt: skip
        return kept == [mine["total_minor"], 0, 0]

    await until(given_back, "whoever had left before the host was at fault never got their money back")


async def test_a_guest_whose_line_broke_finds_everything_again(scene: Scene) -> None:
    host, guest = await scene.host(1), await scene.guest(0)
    room_id = await opened(host)
    await let_in(host, guest, room_id)
    await host.ask("chat:send", session_id=room_id, client_id="1", text="one")
    await guest.hear("chat:message")
    await guest.drop()
    await host.hear("room:presence", lambda body: body["user_id"] == guest.id and not body["present"])
    await host.ask("chat:send", session_id=room_id, client_id="2", text="two")
    again = await scene.enter(guest, 1)
    joined = await again.ask("room:join", session_id=room_id, after_seq=1)
    assert [message["text"] for message in joined["messages"]] == ["two"]


async def test_nobody_is_in_two_rooms(scene: Scene) -> None:
    host, other, guest = await scene.host(1), await scene.host(0), await scene.guest(0)
    room_id, other_id = await opened(host), await opened(other)
    await knocked(guest, room_id)
    assert await guest.refusal("room:knock", session_id=other_id, request_id="x") == "conflict"
    asked = {"practitioner_id": other.id, "request_id": "y"}
    assert await guest.refusal("session:request", **asked) in ("conflict", "busy")
    await guest.ask("session:cancel", session_id=room_id)
    assert (await knocked(guest, other_id))["state"] == "waiting"
    with pytest.raises(Refused, match="conflict"):
        await host.post("/v1/live-rooms", {"title": "A second", "seats": 5, "price": FREE})


async def test_a_room_to_come_takes_its_hosts_time_when_they_come_in(scene: Scene) -> None:
    host, guest = await scene.host(1), await scene.guest(0)
    soon = {"title": "Later", "seats": 3, "price": FREE, "request_id": "r"}
    at_ms = (await scene.sql("select (extract(epoch from now()) * 1000)::bigint as ms"))[0]["ms"]
    room = await host.post("/v1/live-rooms", soon | {"starts_at_ms": at_ms + 600_000})
    assert (await host.post("/v1/live-rooms", soon | {"starts_at_ms": at_ms + 600_000}))["id"] == room["id"]
    assert (await knocked(guest, room["id"]))["state"] == "waiting"
    far = await host.post("/v1/live-rooms", soon | {"starts_at_ms": at_ms + 86_400_000, "request_id": "q"})
    assert await guest.refusal("room:knock", session_id=far["id"], request_id="z") in ("not_live", "conflict")
    await scene.shown(guest, host.id, "online")
    joined = await host.ask("room:join", session_id=room["id"])
    assert [one["id"] for one in joined["waiting"]] == [guest.id]
    await scene.shown(guest, host.id, "busy")
    await host.ask("session:end", session_id=room["id"])
    await guest.hear("session:state", lambda body: body["session"]["state"] in ("ended", "settled"))
    await scene.shown(guest, host.id, "online")


WRONG: dict[str, Json] = {
    "no seat": {"seats": 0},
    "too many seats": {"seats": 10_001},
    "a foreign currency": {"price": {"kind": "flat", "amount_minor": 2_000, "currency": "eur"}},
    "a negative price": {"price": {"kind": "flat", "amount_minor": -1, "currency": "usd"}},
    "a flat price of nothing": {"price": {"kind": "flat", "amount_minor": 0, "currency": "usd"}},
    "a free room with a price": {"price": {"kind": "free", "amount_minor": 5}},
    "no such kind": {"price": {"kind": "auction", "amount_minor": 5}},
    "long ago": {"starts_at_ms": 1_000},
    "next year": {"starts_at_ms": 2**52},
    "no title": {"title": " "},
    "a number to call": {"title": "Call me +33 6 12 34 56 78"},
    "no such history": {"history": "some"},
    "a field of one's own": {"rate": 3},
}


async def test_what_is_no_room_is_refused(scene: Scene) -> None:
    host = await scene.host(1)
    right = {"title": "Evening circle", "seats": 5, "price": FREE}
    for what, wrong in WRONG.items():
        with pytest.raises(Refused) as refused:
            await host.post("/v1/live-rooms", right | wrong)
        assert refused.value.code == "bad_request", what
    guest = await scene.guest(0)
    with pytest.raises(Refused) as refused:
        await guest.post("/v1/live-rooms", right)
    assert refused.value.code == "forbidden"
    assert (await host.post("/v1/live-rooms", right | {"seats": 10_000}))["seats"] == 10_000


async def test_who_runs_out_of_paid_time_is_put_out_and_may_leave_a_tip(scene: Scene) -> None:
    host, first, second = await scene.host(1), await scene.guest(0), await scene.guest(1)
    # A hundred dollars a minute: the least that can be held is gone in a moment.
    room_id = await opened(host, price=FAST | {"amount_minor": 1_000_000})
    await let_in(host, second, room_id)
    await knocked(first, room_id, cap_minor=10_000)
    await host.hear("lobby:changed", lambda body: first.id in [one["id"] for one in body["waiting"]])
    await host.ask("room:admit", session_id=room_id, user_id=first.id)
    await first.ask("room:join", session_id=room_id)
    put_out = await host.hear(
        "room:presence", lambda body: body["user_id"] == first.id and not body["present"]
    )
    assert put_out["reason"] == "meter"
    gone = await bill(first, room_id)
    assert (gone["end_reason"], gone["total_minor"]) == ("funding_over", 10_000)
    assert (await first.post(f"/v1/sessions/{room_id}/tip", {"amount_minor": 500}))["amount_minor"] == 500
    await second.ask("chat:send", session_id=room_id, client_id="1", text="still here")
    await host.ask("session:end", session_id=room_id)
    await settled(scene, room_id)


async def test_an_audience_is_not_told_of_each_other(scene: Scene) -> None:
    host, first, second = await scene.host(1), await scene.guest(0), await scene.guest(1)
    room_id = await opened(host, seats=51)
    joined = [await let_in(host, guest, room_id) for guest in (first, second)]
    assert [one["id"] for one in joined[1]["participants"]] == [host.id, second.id]
    await first.ask("chat:typing", session_id=room_id)
    await first.ask("chat:read", session_id=room_id, seq=0)
    await host.ask("room:mute", session_id=room_id, user_id=first.id)
    await first.hear("room:muted", lambda body: body["muted"])
    for event in ("chat:typing", "chat:read", "room:muted"):
        assert (await host.hear(event))["user_id"] == first.id
    await host.ask("room:unmute", session_id=room_id, user_id=first.id)
    await host.ask("chat:typing", session_id=room_id)
    assert (await second.hear("chat:typing"))["user_id"] == host.id
    assert first.id not in str(second.heard)
    await second.ask("chat:send", session_id=room_id, client_id="1", text="I speak")
    await first.hear("chat:message")
    await host.ask("session:end", session_id=room_id)
    await settled(scene, room_id)
    # On record it is the same: who spoke is seen, who listened is not.
    whole = await first.get(f"/v1/sessions/{room_id}/transcript")
    assert [(one["from"]["id"], one["text"]) for one in whole["messages"]] == [(second.id, "I speak")]
    assert await seen(scene, second, room_id) == {host.id, second.id}
    assert await seen(scene, first, room_id) == {host.id, first.id, second.id}
    assert await seen(scene, host, room_id) == {host.id, first.id, second.id}


async def seen(scene: Scene, visitor: Visitor, room_id: str) -> set[str]:
    """Whose parts and names the database shows to somebody, of this room."""
    connection = await asyncpg.connect(scene.stack.database.owner_dsn)
    try:
        async with connection.transaction():
            await connection.execute(
                "select set_config('role', 'authenticated', true),"
                " set_config('request.jwt.claims', $1, true)",
                json.dumps({"sub": visitor.id, "role": "authenticated"}),
            )
            rows = await connection.fetch(
                "select user_id::text as id from participants join people on people.id = user_id "
                "where session_id = $1", room_id,
            )  # fmt: skip
            return {row["id"] for row in rows}
    finally:
        await connection.close()
