"""Live rooms in which something is wrong: distress, reports, evidence, and what it means for the money."""

import asyncio

import pytest

from sandbox.visitor import Refused
from tests.acceptance.live_rooms import FAST, bill, let_in, opened, settled
from tests.acceptance.scene import Scene, said, until
from tests.acceptance.test_reports import flags_of, snapshots
from tests.acceptance.test_safety import flag_of, send

DISTRESS = "some days I want to die"


async def test_distress_of_one_of_many_is_between_them_their_host_and_a_moderator(scene: Scene) -> None:
    host, troubled, other = await scene.host(1), await scene.guest(0), await scene.guest(1)
    mod = await scene.enter(await scene.person("moderator"))
    room_id = await opened(host)
    for guest in (troubled, other):
        await let_in(host, guest, room_id)
    sent = await send(troubled, room_id, DISTRESS)
    assert sent["status"] == "sent"
    helped = await troubled.hear("safety:notice")
    assert (helped["code"], helped["session_id"]) == ("distress_help", room_id)
    assert (await host.hear("safety:notice"))["code"] == "distress_alert"
    flag = await flag_of(scene, sent["id"])
    assert (flag["category"], flag["severity"], str(flag["user_id"])) == ("distress", "critical", troubled.id)
    for action in ("mute", "remove", "suspend"):
        body = {"session_id": room_id, "flag_id": str(flag["id"]), "action": action, "note": "x"}
        assert await mod.refusal("moderation:act", **body) == "conflict"
    # They stay, may go on writing, and nobody else was told.
    await send(troubled, room_id, "thank you")
    await other.hear("chat:message", lambda body: body["text"] == "thank you")
    assert other.count("safety:notice") == 0


async def test_a_guest_reports_another_and_the_evidence_is_a_moderators_alone(scene: Scene) -> None:
    host, reporter, rude = await scene.host(1), await scene.guest(0), await scene.guest(1)
    mod, late = await scene.enter(await scene.person("moderator")), await scene.guest(0)
    room_id = await opened(host)
    for guest in (reporter, rude):
        await let_in(host, guest, room_id)
    sent = await send(rude, room_id, "nobody wants you here")
    await reporter.hear("chat:message")
    unclear = {"session_id": room_id, "reason": "rude"}
    assert await reporter.refusal("safety:report", **unclear) == "bad_request"
    stranger = await scene.guest(1)
    assert await stranger.refusal("safety:report", **unclear, message_id=sent["id"]) == "not_found"
    await reporter.ask("safety:report", **unclear, message_id=sent["id"])
    (snapshot,) = await snapshots(scene, mod, room_id)
    assert (snapshot["user_id"], snapshot["reporter_id"]) == (rude.id, reporter.id)
    assert [message["text"] for message in snapshot["messages"]] == ["nobody wants you here"]
    (flag,) = await flags_of(scene, room_id)
    assert str(flag["user_id"]) == rude.id
    for who in (host, reporter, rude):
        with pytest.raises(Refused) as refused:
            await who.get("/v1/moderation/evidence", flag_id=str(flag["id"]))
        assert refused.value.code == "forbidden"
    act = {"session_id": room_id, "flag_id": str(flag["id"]), "action": "remove", "note": "seen"}
    await mod.ask("moderation:act", **act)
    assert (await rude.hear("safety:notice"))["code"] == "removed"
    assert await rude.refusal("room:join", session_id=room_id) == "not_live"
    # The room goes on, for who is there and for who comes.
    await let_in(host, late, room_id)
    await send(reporter, room_id, "we go on")
    await late.hear("chat:message")
    assert [message["text"] for message in said(late)] == ["we go on"]
    assert late.count("safety:notice") == 0
    await host.ask("session:end", session_id=room_id)
    await settled(scene, room_id)


async def test_a_host_who_is_put_out_costs_nobody_anything_and_gets_no_tip(scene: Scene) -> None:
    host, early, there = await scene.host(1), await scene.guest(0), await scene.guest(1)
    mod = await scene.enter(await scene.person("moderator"))
    room_id = await opened(host, price=FAST)
    for guest in (early, there):
        await let_in(host, guest, room_id)
    await asyncio.sleep(0.3)
    await early.ask("session:end", session_id=room_id)
    assert (await bill(early, room_id))["total_minor"] > 0
    act = {"session_id": room_id, "user_id": host.id, "action": "suspend", "note": "seen"}
    await mod.ask("moderation:act", **act)
    assert (await bill(there, room_id))["total_minor"] == 0
    await settled(scene, room_id)

    async def given_back() -> bool:
        shown = await early.get(f"/v1/sessions/{room_id}/receipt")
        return bool(shown["refunded_minor"] == shown["total_minor"])

    await until(given_back, "who had left before never got their money back")
    for guest in (early, there):
        with pytest.raises(Refused) as refused:
            await guest.post(f"/v1/sessions/{room_id}/tip", {"amount_minor": 500})
        assert refused.value.code == "conflict"


async def test_on_record_a_flat_price_is_what_it_was(scene: Scene) -> None:
    host, guest = await scene.host(1), await scene.guest(0)
    flat = {"kind": "flat", "amount_minor": 2_000, "currency": "usd"}
    room_id = await opened(host, price=flat)
    joined = await let_in(host, guest, room_id)
    await host.ask("session:end", session_id=room_id)
    await settled(scene, room_id)
    # Not two minutes together: nothing is due, and the hold is released.
    assert (await bill(guest, room_id))["total_minor"] == 0
    (shown,) = [one for one in (await guest.get("/v1/me/sessions"))["items"] if one["id"] == room_id]
    assert shown["price"] == joined["session"]["price"]

    async def forgotten() -> bool:
        intents = await scene.stripe("payment_intents", room_id)
        return [one["status"] for one in intents] == ["canceled"]

    await until(forgotten, "the hold was never released")
