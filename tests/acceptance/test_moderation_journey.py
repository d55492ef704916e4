"""One case, from the message that raised it to the appeal that closed it, among four people on two hubs.

The guest is on the first hub, the practitioner and the moderator on the second, so that whatever reaches
anybody has gone from one process to another.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from hub.words import WORDS
from sandbox.postgres import PostgresAddress
from sandbox.up import ROOT
from sandbox.visitor import Json, Refused, Visitor
from tests.acceptance.conftest import HASTY, UNLIMITED, running_stack
from tests.acceptance.scene import FAST_MINOR_PER_MINUTE, Scene, said, until
from tests.acceptance.test_kicks import kicking_rules
from tests.stack import Stack

AGORA = {name: value for name, value in HASTY.items() if name.startswith("AGORA_")}
OFF_PLATFORM = "paypal me 50 dollars instead, it is cheaper for both of us"
BLOCKED = "pay here: https://www.paypal.com@pay.example.com/session"
WITHHELD = ("held", "blocked")
REASON = "a case asks for it"
PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def with_agora(
    postgres_cluster: PostgresAddress,
    migrated_template: PostgresAddress,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """A stack with the contract's own times, and a vendor who carries the media."""
    with running_stack(postgres_cluster, tmp_path_factory, UNLIMITED | AGORA) as running:
        yield running


@pytest.fixture
def stack(with_agora: Stack) -> Stack:
    return with_agora


async def test_a_case_goes_its_whole_way(scene: Scene) -> None:
    guest, host, session_id = await scene.couple(rate_minor=FAST_MINOR_PER_MINUTE)
    media = [(await who.ask("media:refresh", session_id=session_id))["media"] for who in (guest, host)]
    ann = await scene.enter(await scene.person("moderator"), 1)
    ben = await scene.enter(await scene.person("moderator"), 0)
    for moderator in (ann, ben):
        await moderator.ask("moderation:watch")

    flag = await off_platform_is_withheld_and_flagged(guest, ann, session_id)
    flag = await claimed(ann, ben, flag)
    asked = await read_along(ann, guest, host, session_id)
    await the_end_is_the_practitioners_fault(scene, ann, guest, host, session_id, flag)
    await both_are_put_out_of_the_media_channel(scene, session_id, media)

    action_id = await suspended_on_both_hubs(scene, ann, host, session_id, asked)
    await overruled_by_another(scene, ann, ben, host, action_id)
    await who_read_is_told(guest, host, session_id)
    await the_record_holds(scene)


async def off_platform_is_withheld_and_flagged(guest: Visitor, ann: Visitor, session_id: str) -> Json:
    """Its sender is told in words, and a moderator on the other hub has the case."""
    sent = await guest.ask("chat:send", session_id=session_id, client_id="off", text=OFF_PLATFORM)
    assert sent["status"] in WITHHELD
    assert sent["seq"] is None
    words = WORDS["en"].because
    assert sent["because"] == {
        "code": "off_platform",
        "message": f"{words[sent['status']]} {words['off_platform']}",
    }
    told = await ann.hear("moderation:flag", lambda body: body["flag"]["message_id"] == sent["id"])
    flag: Json = told["flag"]
    assert (flag["category"], flag["severity"], flag["status"]) == ("off_platform", "high", "open")
    assert (flag["session_id"], flag["user_id"]) == (session_id, guest.id)
    return flag


async def claimed(ann: Visitor, ben: Visitor, flag: Json) -> Json:
    """Given to one, and the other sees who has it."""
    answer = await ann.ask("moderation:claim", flag_id=flag["id"], version=flag["version"])
    mine: Json = answer["flag"]
    seen = await ben.hear(
        "moderation:flag",
        lambda body: body["flag"]["id"] == flag["id"] and body["flag"]["status"] == "claimed",
    )
    assert seen["flag"]["claimed_by"] == mine["claimed_by"] == ann.id
    late = await ben.refusal("moderation:claim", flag_id=flag["id"], version=mine["version"])
    assert late == "conflict"
    return mine


async def read_along(ann: Visitor, guest: Visitor, host: Visitor, session_id: str) -> Json:
    """The moderator sees what was withheld; the room sees nothing of the moderator. Gives the host's flag."""
    marks = guest.mark, host.mark
    observed = await ann.ask("moderation:observe", session_id=session_id, reason=REASON)
    assert [(m["text"], m["status"]) for m in observed["messages"]] == [(OFF_PLATFORM, "held")]
    since = ann.mark
    blocked = await guest.ask("chat:send", session_id=session_id, client_id="link", text=BLOCKED)
    assert blocked["status"] == "blocked"
    shown = await ann.hear("chat:message", lambda body: body["id"] == blocked["id"], since=since)
    assert (shown["text"], shown["status"], shown["seq"]) == (BLOCKED, "blocked", None)
    answer = await host.ask("chat:send", session_id=session_id, client_id="yes", text="venmo me 40 then")
    assert answer["status"] == "held"
    asked = await ann.hear("moderation:flag", lambda body: body["flag"]["message_id"] == answer["id"])
    assert asked["flag"]["user_id"] == host.id
    after = await host.ask("chat:send", session_id=session_id, client_id="hm", text="shall we go on?")
    await guest.hear("chat:message", lambda body: body["id"] == after["id"])
    for person, mark in zip((guest, host), marks, strict=True):
        assert [message["id"] for message in said(person, mark)] == [after["id"]]
        assert {name for name, _ in person.heard[mark:]} <= {"chat:message", "meter:update"}
    joined = await guest.ask("room:join", session_id=session_id)
    assert {person["id"] for person in joined["participants"]} == {guest.id, host.id}
    assert [message["text"] for message in joined["messages"]] == ["shall we go on?"]
    flag: Json = asked["flag"]
    return flag


async def the_end_is_the_practitioners_fault(
    scene: Scene, ann: Visitor, guest: Visitor, host: Visitor, session_id: str, flag: Json
) -> None:
    """The meter stops, the guest pays nothing, and both hear it in words."""
    done = await ann.ask(
        "moderation:act",
        session_id=session_id,
        flag_id=flag["id"],
        action="end",
        user_id=host.id,
        note="Asked the guest to pay elsewhere.",
    )
    assert (done["session"]["state"], done["session"]["end_reason"]) == ("ended", "practitioner_conduct")
    assert (done["flag"]["status"], done["flag"]["resolution"]) == ("resolved", "end")
    for who, code in ((guest, "ended_by_moderator"), (host, "ended_for_conduct")):
        assert (await who.state(session_id, "ended"))["end_reason"] == "practitioner_conduct"
        stopped = await who.hear("meter:update", lambda body: not body["running"] and body["billed_ms"] > 0)
        assert stopped["session_id"] == session_id
        told = await who.hear("safety:notice", lambda body, code=code: body["code"] == code)  # type: ignore[misc]
        assert told["message"] == WORDS["en"].notices[code]
        assert await who.refusal("room:join", session_id=session_id) in ("not_live", "conflict")
    await guest.state(session_id, "settled")
    receipt = await guest.get(f"/v1/sessions/{session_id}/receipt")
    assert (receipt["total_minor"], receipt["waived"]) == (0, "practitioner_conduct")
    assert receipt["billed_ms"] > 0

    async def released() -> bool:
        intents = await scene.stripe("payment_intents", session_id)
        return bool(intents) and {intent["status"] for intent in intents} == {"canceled"}

    await until(released, "the hold on the guest's card was never released")
    assert not any(charge["captured"] for charge in await scene.stripe("charges", session_id))


async def both_are_put_out_of_the_media_channel(scene: Scene, session_id: str, media: list[Json]) -> None:
    """On record with the decision, and carried out at the vendor."""
    wanted = {(one["channel"], one["uid"]) for one in media}
    rows = await scene.sql("select channel, uid from media_kicks where session_id = $1", session_id)
    assert {(row["channel"], row["uid"]) for row in rows} == wanted

    async def kicked() -> bool:
        return wanted <= {(rule["cname"], rule["uid"]) for rule in await kicking_rules(scene)}

    await until(kicked, "the vendor was never told")


async def suspended_on_both_hubs(
    scene: Scene, ann: Visitor, host: Visitor, session_id: str, flag: Json
) -> str:
    """Every line ends after it was told why, and none of the hubs lets the person back. Gives the action."""
    elsewhere = await scene.enter(host, 0)
    done = await ann.ask(
        "moderation:act",
        session_id=session_id,
        flag_id=flag["id"],
        action="suspend",
        note="Not for the first time.",
    )
    assert done["until_ms"] is None
    for line in (host, elsewhere):
        told = await line.hear("safety:notice", lambda body: body["code"] == "suspended")
        assert told["action_id"] == done["action_id"]
        assert told["message"] == WORDS["en"].notices["suspended"]
        async with asyncio.timeout(PATIENCE_S):
            await line.ended.wait()
    for hub in (0, 1):
        with pytest.raises(Refused) as refused:
            await scene.enter(host, hub)
        assert refused.value.code == "suspended"
    action_id: str = done["action_id"]
    return action_id


async def overruled_by_another(
    scene: Scene, ann: Visitor, ben: Visitor, host: Visitor, action_id: str
) -> None:
    """An appeal goes to somebody else; overruled, the person is back as if it had not been."""
    made = await host.post("/v1/me/appeals", {"action_id": action_id, "text": "It was about a gift card."})
    verdict = {"decision": "overruled", "note": "The session's end is enough."}
    path = f"/v1/moderation/appeals/{made['id']}/decide"
    with pytest.raises(Refused) as own:
        await ann.post(path, verdict)
    assert own.value.code == "forbidden"
    assert (await ben.post(path, verdict))["status"] == "overruled"
    lines = [await scene.enter(host, hub) for hub in (0, 1)]
    for line in lines:
        assert (await line.ask("practitioner:online"))["status"] == "online"
    assert (await lines[0].get("/v1/me/appeals"))["items"][0]["status"] == "overruled"


async def who_read_is_told(guest: Visitor, host: Visitor, session_id: str) -> None:
    """Each of the two finds that a moderator read along, by role and never by name."""
    for who in (guest, host):
        report = await who.get("/v1/me/access")
        reads = [read for read in report["reads"] if read["session_id"] == session_id]
        assert [(read["role"], read["action"]) for read in reads] == [("moderator", "moderator_observed")]
        assert all(read["at_ms"] > 0 and "actor_id" not in read for read in reads)
    actions = [(one["action"], one["reason"]) for one in (await host.get("/v1/me/access"))["actions"]]
    assert ("end", "conduct") in actions
    assert ("suspend", "conduct") in actions


async def the_record_holds(scene: Scene) -> None:
    """Every invariant of the money, and the chain of the audit."""
    checked = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "hub", "check"],
        env={**scene.stack.env, "PATH": os.environ["PATH"]},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
