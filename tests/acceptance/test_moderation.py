"""What moderators do, on two hubs: at once, for everybody, once, billed by table; and what appeals undo."""

import asyncio
from uuid import uuid4

import pytest

from sandbox.visitor import Json, Refused, Visitor
from tests.acceptance.moderated import act, case, heard, moderator, notice
from tests.acceptance.scene import FAST_MINOR_PER_MINUTE, Scene

HELD = "paypal me 50 dollars"


async def settled(scene: Scene, visitor: Visitor, session_id: str) -> Json:
    """The session's bill."""
    await visitor.state(session_id, "settled")
    return await visitor.get(f"/v1/sessions/{session_id}/receipt")


async def test_an_admin_ends_a_session_with_a_reason(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    admin = await scene.enter(await scene.person("admin"))
    assert await admin.refusal("moderation:act", session_id=session_id, action="end") == "bad_request"
    done = await admin.ask("moderation:act", session_id=session_id, action="end", note="They asked us to.")
    assert done["session"]["end_reason"] == "ended_by_moderator"
    for who in (guest, host):
        await notice(who, "ended_by_moderator")


async def test_a_warning_is_told_counts_and_closes_the_case(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    mod = await moderator(scene)
    flag = await case(scene, session_id, guest.id)
    done = await act(mod, session_id, "warn", flag_id=flag["id"])
    assert (done["flag"]["status"], done["flag"]["resolution"]) == ("resolved", "warn")
    assert done["flag"]["strikes"] == 1
    told = await notice(guest, "warned")
    assert (told["session_id"], told["action_id"]) == (session_id, done["action_id"])
    assert host.count("safety:notice") == 0
    await heard(mod, flag["id"], "resolved")
    again = await act(mod, session_id, "warn", flag_id=flag["id"])
    assert again["action_id"] == done["action_id"]
    assert done["session"]["state"] == "live"


async def test_a_mute_is_felt_at_once_and_ends_by_itself(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    mod = await moderator(scene)
    await act(mod, session_id, "mute", user_id=guest.id, duration_s=2)
    told = await guest.hear("room:muted", lambda body: body["muted"])
    assert (told["user_id"], told["session_id"]) == (guest.id, session_id)
    assert await host.hear("room:muted", lambda body: body["muted"]) == told
    assert (await notice(guest, "muted"))["until_ms"] == told["until_ms"]
    assert await guest.refusal("chat:send", session_id=session_id, client_id="1", text="hello") == "muted"
    assert (await host.ask("chat:send", session_id=session_id, client_id="1", text="hello"))["seq"] == 1
    await guest.hear("room:muted", lambda body: not body["muted"])
    assert (await guest.ask("chat:send", session_id=session_id, client_id="2", text="back"))["seq"] == 2


async def test_an_unmute_takes_it_back(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    mod = await moderator(scene)
    await act(mod, session_id, "mute", user_id=guest.id)
    assert await host.refusal("room:unmute", session_id=session_id, user_id=guest.id) == "conflict"
    await act(mod, session_id, "unmute", user_id=guest.id)
    await notice(guest, "unmuted")
    assert (await guest.ask("chat:send", session_id=session_id, client_id="1", text="hello"))["seq"] == 1


@pytest.mark.parametrize(
    ("action", "at_fault", "reason", "paid"),
    [
        ("end", None, "ended_by_moderator", True),
        ("end", "guest", "guest_conduct", True),
        ("end", "host", "practitioner_conduct", False),
        ("remove", "guest", "guest_conduct", True),
        ("remove", "host", "practitioner_conduct", False),
    ],
)
async def test_an_end_stops_the_meter_and_says_who_pays(
    scene: Scene, action: str, at_fault: str | None, reason: str, paid: bool
) -> None:
    guest, host, session_id = await scene.couple(rate_minor=FAST_MINOR_PER_MINUTE)
    mod = await moderator(scene)
    people = {"guest": guest, "host": host}
    await asyncio.sleep(0.3)
    blamed = {} if at_fault is None else {"user_id": people[at_fault].id}
    done = await act(mod, session_id, action, **blamed)
    assert (done["session"]["state"], done["session"]["end_reason"]) == ("ended", reason)
    for name, who in people.items():
        assert (await who.state(session_id, "ended"))["end_reason"] == reason
        meter = await who.hear("meter:update", lambda body: not body["running"] and body["billed_ms"] > 0)
        assert meter["session_id"] == session_id
        mine = {"end": "ended_for_conduct", "remove": "removed"}[action]
        await notice(who, mine if name == at_fault else "ended_by_moderator")
        assert await who.refusal("media:refresh", session_id=session_id) == "not_live"
        assert await who.refusal("room:join", session_id=session_id) in ("not_live", "conflict")
    receipt = await settled(scene, guest, session_id)
    assert (receipt["total_minor"] > 0) is paid
    assert receipt["billed_ms"] > 0
    assert len(await scene.sql("select from media_kicks where session_id = $1", session_id)) == 2


async def test_a_suspension_drops_every_line_and_lets_nobody_back(scene: Scene) -> None:
    guest, host, session_id = await scene.couple(rate_minor=FAST_MINOR_PER_MINUTE)
    second = await scene.enter(host, 0)
    mod = await moderator(scene)
    await asyncio.sleep(0.3)
    done = await act(mod, session_id, "suspend", user_id=host.id, duration_s=3600)
    assert done["session"]["end_reason"] == "practitioner_conduct"
    for line in (host, second):
        told = await notice(line, "suspended")
        assert told["until_ms"] == done["until_ms"]
        async with asyncio.timeout(20):
            await line.ended.wait()
    for hub in (0, 1):
        with pytest.raises(Refused) as refused:
            await scene.enter(host, hub)
        assert refused.value.code == "suspended"
        assert refused.value.error["until_ms"] == done["until_ms"]
    await scene.shown(guest, host.id, "offline")
    assert (await settled(scene, guest, session_id))["total_minor"] == 0
    assert (await host.get("/v1/me"))["id"] == host.id
    with pytest.raises(Refused) as forbidden:
        await host.post(f"/v1/sessions/{session_id}/tip", {"amount_minor": 100})
    assert forbidden.value.code == "forbidden"


async def test_a_confirmed_minor_pays_nothing_and_does_not_come_back(scene: Scene) -> None:
    guest, host, session_id = await scene.couple(rate_minor=FAST_MINOR_PER_MINUTE)
    mod = await moderator(scene)
    flag = await case(scene, session_id, guest.id, "minor")
    await asyncio.sleep(0.3)
    refused = await mod.answer(
        "moderation:act",
        {"session_id": session_id, "flag_id": flag["id"], "action": "suspend", "note": "x", "duration_s": 60},
    )
    assert refused["error"]["code"] == "bad_request"
    done = await act(mod, session_id, "suspend", flag_id=flag["id"])
    assert (done["until_ms"], done["session"]["end_reason"]) == (None, "minor")
    assert done["flag"]["strikes"] == 0
    await notice(guest, "suspended_minor")
    await notice(host, "ended_by_moderator")
    async with asyncio.timeout(20):
        await guest.ended.wait()
    assert (await settled(scene, host, session_id))["total_minor"] == 0
    assert len(await scene.sql("select from erasures where user_id = $1", guest.id)) == 1


async def test_nobody_in_distress_is_punished(scene: Scene) -> None:
    guest, _, session_id = await scene.couple()
    mod = await moderator(scene)
    flag = await case(scene, session_id, guest.id, "distress")
    for action in ("warn", "mute", "remove", "suspend", "reject"):
        assert await mod.refusal(
            "moderation:act", session_id=session_id, flag_id=flag["id"], action=action, note="x"
        ) == "conflict"  # fmt: skip
    assert await mod.refusal(
        "moderation:act", session_id=session_id, flag_id=flag["id"], action="end", user_id=guest.id, note="x"
    ) == "conflict"  # fmt: skip
    done = await act(mod, session_id, "dismiss", flag_id=flag["id"])
    assert (done["flag"]["resolution"], done["flag"]["strikes"]) == ("helped", 0)
    assert guest.count("safety:notice") == 0


async def test_what_makes_no_sense_is_refused(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    stranger, mod = await scene.guest(), await moderator(scene)
    flag = await case(scene, session_id, guest.id)
    base = {"session_id": session_id, "note": "x"}
    for code, body in [
        ("bad_request", {**base, "action": "warn", "user_id": guest.id, "duration_s": 5}),
        ("bad_request", {**base, "action": "warn", "user_id": guest.id, "note": " "}),
        ("not_found", {**base, "action": "warn", "user_id": stranger.id}),
        ("not_found", {**base, "action": "dismiss", "flag_id": str(uuid4())}),
        ("conflict", {**base, "action": "dismiss"}),
        ("conflict", {**base, "action": "warn"}),
        ("conflict", {**base, "action": "release", "flag_id": flag["id"]}),
        ("not_found", {**base, "action": "end", "session_id": str(uuid4())}),
    ]:
        answer = await mod.answer("moderation:act", body)
        assert not answer["ok"], body
        assert answer["error"]["code"] == code, (body, answer)
    await guest.ask("session:end", session_id=session_id)
    assert await mod.refusal("moderation:act", **base, action="end") == "not_live"
    # What happened does not become unpunishable by hanging up.
    assert (await act(mod, session_id, "warn", user_id=host.id))["action"] == "warn"


@pytest.mark.parametrize("action", ["release", "reject"])
async def test_a_held_message_waits_for_a_moderator(scene: Scene, action: str) -> None:
    guest, host, session_id = await scene.couple()
    mod = await moderator(scene)
    sent = await guest.ask("chat:send", session_id=session_id, client_id="h", text=HELD)
    assert (sent["status"], sent["seq"]) == ("held", None)
    told = await mod.hear("moderation:flag", lambda body: body["flag"]["message_id"] == sent["id"])
    assert told["flag"]["verdict"] == "hold"
    done = await act(mod, session_id, action, flag_id=told["flag"]["id"])
    assert done["flag"]["status"] == {"release": "dismissed", "reject": "resolved"}[action]
    assert await mod.refusal(
        "moderation:act",
        session_id=session_id,
        flag_id=told["flag"]["id"],
        action={"release": "reject", "reject": "release"}[action],
        note="x",
    ) == "conflict"  # fmt: skip
    await notice(guest, {"release": "message_released", "reject": "message_rejected"}[action])
    after = await host.ask("chat:send", session_id=session_id, client_id="a", text="hello")
    assert after["seq"] == {"release": 2, "reject": 1}[action]
    if action == "release":
        for who in (guest, host):
            message = await who.hear("chat:message", lambda body: body["id"] == sent["id"])
            assert (message["seq"], message["text"]) == (1, HELD)
    else:
        assert sent["id"] not in [body["id"] for name, body in host.heard if name == "chat:message"]


async def test_a_named_request_is_carried_out_once(scene: Scene) -> None:
    guest, _, session_id = await scene.couple()
    mod = await moderator(scene)
    first = await act(mod, session_id, "warn", user_id=guest.id, request_id="r1")
    again = await act(mod, session_id, "warn", user_id=guest.id, request_id="r1")
    assert first["action_id"] == again["action_id"]
    assert await mod.refusal(
        "moderation:act", session_id=session_id, action="mute", note="x", user_id=guest.id, request_id="r1"
    ) == "conflict"  # fmt: skip
    assert len(await scene.sql("select from strikes where user_id = $1", guest.id)) == 1


async def test_the_host_steers_their_own_room(scene: Scene) -> None:
    guest, host, session_id = await scene.couple(rate_minor=FAST_MINOR_PER_MINUTE)
    stranger = await scene.host(0)
    assert await stranger.refusal("room:mute", session_id=session_id, user_id=guest.id) == "not_found"
    assert await guest.refusal("room:mute", session_id=session_id, user_id=host.id) == "forbidden"
    await host.ask("room:mute", session_id=session_id, user_id=guest.id)
    assert await guest.refusal("chat:send", session_id=session_id, client_id="1", text="hello") == "muted"
    await host.ask("room:unmute", session_id=session_id, user_id=guest.id)
    assert (await guest.ask("chat:send", session_id=session_id, client_id="2", text="hello"))["seq"] == 1
    await asyncio.sleep(0.3)
    await host.ask("room:remove", session_id=session_id, user_id=guest.id)
    assert (await guest.state(session_id, "ended"))["end_reason"] == "ended_by_practitioner"
    assert (await settled(scene, guest, session_id))["total_minor"] > 0


# Appeals.


async def test_a_decision_is_looked_at_by_another_and_taken_back(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    ann, ben = await moderator(scene, 0), await moderator(scene, 1)
    done = await act(ann, session_id, "suspend", user_id=guest.id)
    async with asyncio.timeout(20):
        await guest.ended.wait()
    (mine,) = (await guest.get("/v1/me/actions"))["items"]
    assert (mine["id"], mine["action"], mine["undone"]) == (done["action_id"], "suspend", False)
    assert "actor_id" not in mine
    appeal = {"action_id": mine["id"], "text": "It was a joke between friends"}
    made = await guest.post("/v1/me/appeals", appeal)
    assert await guest.post("/v1/me/appeals", appeal) == made
    with pytest.raises(Refused) as twice:
        await guest.post("/v1/me/appeals", {**appeal, "text": "something else"})
    assert twice.value.code == "conflict"
    with pytest.raises(Refused) as foreign:
        await host.post("/v1/me/appeals", appeal)
    assert foreign.value.code == "not_found"

    path = f"/v1/moderation/appeals/{made['id']}/decide"
    verdict = {"decision": "overruled", "note": "It was one"}
    with pytest.raises(Refused) as own:
        await ann.post(path, verdict)
    assert own.value.code == "forbidden"
    assert made["id"] not in [one["id"] for one in (await ann.get("/v1/moderation/appeals"))["items"]]
    listed = (await ben.get("/v1/moderation/appeals", status="open"))["items"]
    (case_,) = [one for one in listed if one["id"] == made["id"]]
    assert (case_["text"], case_["action"]["note"]) == (appeal["text"], "because")
    decided = await ben.post(path, verdict)
    assert (decided["status"], decided["decided_by"]) == ("overruled", ben.id)
    assert await ben.post(path, verdict) == decided

    back = await scene.enter(guest, 1)
    assert (await back.get("/v1/me/appeals"))["items"][0]["status"] == "overruled"
    assert (await back.get("/v1/me/actions"))["items"][0]["undone"] is True
    person = await ben.get(f"/v1/moderation/people/{guest.id}")
    assert (person["strikes"], person["suspended"]) == (0, False)
    assert not person.keys() & {"email", "phone", "card"}
    opened = await scene.sql("select kind from cases where session_id = $1", session_id)
    assert [row["kind"] for row in opened] == ["decision_overruled"]


async def test_an_overruled_mute_is_lifted_where_it_stands(scene: Scene) -> None:
    guest, _, session_id = await scene.couple()
    ann, ben = await moderator(scene, 0), await moderator(scene, 1)
    done = await act(ann, session_id, "mute", user_id=guest.id)
    made = await guest.post("/v1/me/appeals", {"action_id": done["action_id"], "text": "Why?"})
    await ben.post(f"/v1/moderation/appeals/{made['id']}/decide", {"decision": "overruled", "note": "indeed"})
    await notice(guest, "appeal_overruled")
    assert (await guest.ask("chat:send", session_id=session_id, client_id="1", text="hello"))["seq"] == 1


async def test_an_upheld_decision_stands(scene: Scene) -> None:
    guest, _, session_id = await scene.couple()
    ann, ben = await moderator(scene, 0), await moderator(scene, 1)
    done = await act(ann, session_id, "warn", user_id=guest.id)
    made = await guest.post("/v1/me/appeals", {"action_id": done["action_id"], "text": "Why?"})
    path = f"/v1/moderation/appeals/{made['id']}/decide"
    await ben.post(path, {"decision": "upheld", "note": "so it is"})
    await notice(guest, "appeal_upheld")
    with pytest.raises(Refused) as refused:
        await ben.post(path, {"decision": "overruled", "note": "or not"})
    assert refused.value.code == "conflict"
    counted = await scene.sql("select removed_at_ms from strikes where user_id = $1", guest.id)
    assert [row["removed_at_ms"] for row in counted] == [None]
