"""The moderators' queue, on two hubs: who is told of a case, who has it, and who reads of whom."""

import asyncio

import pytest

from sandbox.visitor import Refused
from tests.acceptance.moderated import FLAGGED, act, case, heard, moderator
from tests.acceptance.scene import Scene, until


async def test_a_flagged_message_reaches_moderators_on_every_hub(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    here, there = await moderator(scene, 0), await moderator(scene, 1)
    sent = await guest.ask("chat:send", session_id=session_id, client_id="c1", text=FLAGGED)
    flags = [
        (await one.hear("moderation:flag", lambda body: body["flag"]["session_id"] == session_id))["flag"]
        for one in (here, there)
    ]
    assert flags[0] == flags[1]
    assert flags[0].keys() >= {
        "id", "version", "session_id", "message_id", "user_id", "category", "severity", "rule", "status",
        "created_at_ms",
    }  # fmt: skip
    assert (flags[0]["user_id"], flags[0]["message_id"]) == (guest.id, sent["id"])
    await asyncio.sleep(1.5)  # Two more looks at the record, which must tell nothing twice.
    told = [body["flag"] for name, body in there.heard if name == "moderation:flag"]
    assert [flag["session_id"] for flag in told].count(session_id) == 1
    watched = await there.ask("moderation:watch")
    assert flags[0]["id"] in [flag["id"] for flag in watched["flags"]]
    assert host.count("moderation:flag") == guest.count("moderation:flag") == 0


async def test_claiming_is_seen_by_all_and_given_to_one(scene: Scene) -> None:
    guest, _, session_id = await scene.couple()
    ann, ben = await moderator(scene, 0), await moderator(scene, 1)
    flag = await case(scene, session_id, guest.id)
    await heard(ann, flag["id"], "open")
    answers = await asyncio.gather(
        *(one.answer("moderation:claim", {"flag_id": flag["id"], "version": 1}) for one in (ann, ben))
    )
    assert sorted(answer["ok"] for answer in answers) == [False, True]
    (refused,) = (answer["error"] for answer in answers if not answer["ok"])
    assert refused["code"] == "conflict"
    assert refused["fields"]
    claimed = await heard(ben, flag["id"], "claimed")
    assert claimed["claimed_by"] in (ann.id, ben.id)
    loser = ben if claimed["claimed_by"] == ann.id else ann
    assert await loser.refusal(
        "moderation:act", session_id=session_id, flag_id=flag["id"], action="dismiss", note="x"
    ) == "conflict"  # fmt: skip


async def test_a_claim_that_is_left_alone_goes_back(scene: Scene) -> None:
    guest, _, session_id = await scene.couple()
    mod = await moderator(scene)
    flag = await case(scene, session_id, guest.id)
    await mod.ask("moderation:claim", flag_id=flag["id"], version=1)
    await scene.sql("update flags set claimed_until_ms = 1 where id = $1", flag["id"])
    mark = mod.mark
    assert (await heard(mod, flag["id"], "open", since=mark))["version"] == 3


async def test_only_moderators_do_any_of_this(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    admin = await scene.enter(await scene.person("admin"))
    for who in (guest, host, admin):
        assert await who.refusal("moderation:watch") == "forbidden"
        assert await who.refusal("moderation:claim", flag_id=session_id, version=1) == "forbidden"
        assert (
            await who.refusal("moderation:act", session_id=session_id, action="warn", note="x") == "forbidden"
        )
    for who in (guest, host):
        assert (
            await who.refusal("moderation:act", session_id=session_id, action="end", note="x") == "forbidden"
        )


async def test_who_reads_about_whom_is_on_record(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    mod = await moderator(scene)
    await host.ask("chat:send", session_id=session_id, client_id="1", text="hello there")
    flag = await case(scene, session_id, guest.id)
    done = await act(mod, session_id, "warn", flag_id=flag["id"])
    detail = await mod.get(f"/v1/moderation/flags/{flag['id']}")
    assert [one["id"] for one in detail["actions"]] == [done["action_id"]]
    said = await mod.get(f"/v1/moderation/flags/{flag['id']}/messages")
    assert [(one["seq"], one["text"]) for one in said["items"]] == [(1, "hello there")]
    await mod.get(f"/v1/moderation/people/{guest.id}")
    own = await mod.get("/v1/moderation/actions")
    assert [one["id"] for one in own["items"]] == [done["action_id"]]
    history = await mod.get("/v1/moderation/flags", status="resolved", category="harassment")
    assert flag["id"] in [one["id"] for one in history["items"]]
    audited = await scene.sql("select action from audit_entries where actor_id = $1 order by n", mod.id)
    assert [row["action"] for row in audited] == ["acted_warn", "flag_read", "transcript_read", "person_read"]
    for who in (guest, host):
        with pytest.raises(Refused) as refused:
            await who.get(f"/v1/moderation/flags/{flag['id']}")
        assert refused.value.code == "forbidden"


async def test_nothing_of_ones_own_case_is_shown(scene: Scene) -> None:
    """Somebody became a moderator after a session that a case is about."""
    guest, host, session_id = await scene.couple()
    mod, other = await moderator(scene, 0), await moderator(scene, 1)
    done = await act(other, session_id, "warn", user_id=host.id)
    made = await host.post("/v1/me/appeals", {"action_id": done["action_id"], "text": "Why?"})
    await guest.ask("session:end", session_id=session_id)
    await guest.state(session_id, "settled")
    # On record they were the guest of that session.
    await scene.sql(
        "update participants set user_id = $2 where session_id = $1 and no = 1", session_id, mod.id
    )
    flag = await case(scene, session_id, host.id)
    await heard(other, flag["id"], "open")
    assert flag["id"] not in [body["flag"]["id"] for name, body in mod.heard if name == "moderation:flag"]
    assert flag["id"] not in [one["id"] for one in (await mod.ask("moderation:watch"))["flags"]]
    acting = {"session_id": session_id, "note": "x"}
    assert await mod.refusal("moderation:claim", flag_id=flag["id"], version=1) == "forbidden"
    for more in ({"flag_id": flag["id"], "action": "dismiss"}, {"user_id": host.id, "action": "warn"}):
        assert await mod.refusal("moderation:act", **acting, **more) == "forbidden"
    for path in (f"/v1/moderation/flags/{flag['id']}", f"/v1/moderation/flags/{flag['id']}/messages"):
        with pytest.raises(Refused) as refused:
            await mod.get(path)
        assert refused.value.code == "forbidden"
    with pytest.raises(Refused) as refused:
        await mod.post(
            f"/v1/moderation/appeals/{made['id']}/decide", {"decision": "overruled", "note": "a friend"}
        )
    assert refused.value.code == "forbidden"
    assert made["id"] not in [one["id"] for one in (await mod.get("/v1/moderation/appeals"))["items"]]


async def test_the_queue_is_counted_for_operators(scene: Scene) -> None:
    guest, _, session_id = await scene.couple()
    await case(scene, session_id, guest.id)

    async def counted() -> bool:
        async with scene.http.get(f"{scene.stack.hub_urls[0]}/metrics") as response:
            lines = (await response.text()).splitlines()
        figures = dict(line.split(" ", 1) for line in lines if not line.startswith("#"))
        return float(figures["hub_flags_waiting"]) >= 1 and float(figures["hub_flags_oldest_seconds"]) > 0

    await until(counted, "the queue was never counted")
