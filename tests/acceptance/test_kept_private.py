"""What must not be kept, shown or learnt about decisions and reports: cards, reports that came to nothing,
words that were taken out, what moderators noted about a session of one's own.
"""

import pytest

from rooms import chain
from rooms.chain import Link
from rooms.ids import SessionId
from sandbox.visitor import Json, Refused, Visitor
from store.privacy.bindings import audit_text_aad, evidence_hold_aad
from store.privacy.texts import opened
from tests.acceptance.moderated import FLAGGED, act, moderator
from tests.acceptance.scene import Scene, until
from tests.acceptance.test_reports import change

CARD = "4242 4242 4242 4242"
MASKED = "•••• •••• •••• 4242"


async def flagged(scene: Scene, guest: Visitor, mod: Visitor, session_id: str) -> Json:
    """The case of a message that was delivered and is looked at."""
    sent = await guest.ask("chat:send", session_id=session_id, client_id="1", text=FLAGGED)
    told = await mod.hear("moderation:flag", lambda body: body["flag"]["message_id"] == sent["id"])
    flag: Json = told["flag"]
    return flag


async def refused(visitor: Visitor, path: str) -> str:
    with pytest.raises(Refused) as no:
        await visitor.get(path)
    return no.value.code


async def test_numbers_of_cards_are_masked_wherever_somebody_says_why(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    mod, admin = await moderator(scene), await scene.enter(await scene.person("admin"))
    filed = await guest.ask("safety:report", session_id=session_id, reason=f"he took {CARD}", note=CARD)
    await mod.ask("moderation:observe", session_id=session_id, reason=f"asked for {CARD}")
    (row,) = await scene.sql("select evidence_id from reports where id = $1", filed["report_id"])
    path = f"/v1/moderation/evidence/{row['evidence_id']}"
    snapshot = (await mod.get(path))["snapshot"]
    assert (snapshot["reason"], snapshot["note"]) == (f"he took {MASKED}", MASKED)
    hold = f"/v1/admin/evidence/{row['evidence_id']}/hold"
    assert (await change(admin, "PUT", hold, {"reason": f"about {CARD}"}))[0] == 200
    await admin.get(f"/v1/moderation/people/{host.id}", reason=f"paid with {CARD}")
    (kept,) = await scene.sql("select hold_reason from evidence where id = $1", row["evidence_id"])
    texts = await scene.sql(
        "select n, name, text, sealed_for from audit_texts join audit_entries using (n)"
        " where actor_id = any($1::text[]) order by n",
        [mod.id, admin.id],
    )
    async with scene.keyring() as keyring:
        evidence_id = str(row["evidence_id"])
        held = await opened(keyring, evidence_id, evidence_hold_aad(evidence_id), kept["hold_reason"])
        assert held == f"about {MASKED}"
        assert [
            await opened(keyring, str(one["sealed_for"]), audit_text_aad(one["n"], one["name"]), one["text"])
            for one in texts
        ] == [f"{why} {MASKED}" for why in ("asked for", "about", "paid with")]


async def test_a_report_that_came_to_nothing_is_not_told_to_whom_it_was_about(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    mod = await moderator(scene)
    filed = await guest.ask("safety:report", session_id=session_id, reason="he was rude")
    (row,) = await scene.sql("select flag_id from reports where id = $1", filed["report_id"])
    await act(mod, session_id, "dismiss", flag_id=str(row["flag_id"]))
    assert (await host.get("/v1/me/access"))["actions"] == []
    warned = await act(mod, session_id, "warn", user_id=host.id)
    assert [one["id"] for one in (await host.get("/v1/me/access"))["actions"]] == [warned["action_id"]]


async def test_what_is_rejected_after_the_end_is_gone_from_the_record(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    mod = await moderator(scene)
    flag = await flagged(scene, guest, mod, session_id)
    await guest.ask("chat:send", session_id=session_id, client_id="2", text="goodbye")
    await host.ask("session:end", session_id=session_id)
    await host.state(session_id, "settled")

    async def on_record() -> bool:
        rows = await scene.sql("select digest from messages where session_id = $1", session_id)
        return len(rows) == 2 and all(row["digest"] is not None for row in rows)

    await until(on_record, "the transcript never got on record")
    await act(mod, session_id, "reject", flag_id=flag["id"])
    told = await host.get(f"/v1/sessions/{session_id}/transcript")
    assert [one["text"] for one in told["messages"]] == [None, "goodbye"]
    links = [
        Link(one["seq"], one["id"], one["at_ms"], one["participant_no"], bytes.fromhex(one["body_sha256"]))
        for one in told["messages"]
    ]
    assert chain.digests(SessionId(session_id), links)[-1].hex() == told["head"]
    kept = await mod.get("/v1/moderation/evidence", flag_id=flag["id"])
    assert (await mod.get(f"/v1/moderation/evidence/{kept['items'][0]['id']}"))["text"] == FLAGGED


async def test_what_hints_at_a_minor_is_kept_although_it_was_delivered(scene: Scene) -> None:
    guest, _, session_id = await scene.couple()
    mod = await moderator(scene)
    flag = await flagged(scene, guest, mod, session_id)
    (kept,) = (await mod.get("/v1/moderation/evidence", flag_id=flag["id"]))["items"]
    assert (await mod.get(f"/v1/moderation/evidence/{kept['id']}"))["text"] == FLAGGED


async def test_a_suspended_moderator_reads_their_own_and_nothing_of_others(scene: Scene) -> None:
    guest, _, session_id = await scene.couple()
    mod, other = await moderator(scene, 0), await moderator(scene, 1)
    flag = await flagged(scene, guest, mod, session_id)
    paths = [
        "/v1/moderation/flags",
        f"/v1/moderation/flags/{flag['id']}/messages",
        f"/v1/moderation/people/{guest.id}",
        f"/v1/moderation/evidence?flag_id={flag['id']}",
    ]
    for path in paths:
        await mod.get(path)
    # They took part in another session, and are suspended for that.
    _, second, theirs = await scene.couple()
    await second.ask("session:end", session_id=theirs)
    await second.state(theirs, "settled")
    await scene.sql("update participants set user_id = $2 where session_id = $1 and no = 1", theirs, mod.id)
    await act(other, theirs, "suspend", user_id=mod.id)
    for path in paths:
        assert await refused(mod, path) == "forbidden"
    for path in ("/v1/me", "/v1/me/actions", "/v1/me/access", f"/v1/sessions/{theirs}"):
        await mod.get(path)


async def test_what_was_decided_about_a_session_of_ones_own_is_hidden(scene: Scene) -> None:
    """Somebody became a moderator after a session that was decided about."""
    guest, host, session_id = await scene.couple()
    mod, other = await moderator(scene, 0), await moderator(scene, 1)
    done = await act(other, session_id, "suspend", user_id=host.id)
    await guest.state(session_id, "settled")
    seen = await mod.get(f"/v1/moderation/people/{host.id}")
    assert [one["id"] for one in seen["actions"]] == [done["action_id"]]
    assert [one["action_id"] for one in seen["suspensions"]] == [done["action_id"]]
    await scene.sql(
        "update participants set user_id = $2 where session_id = $1 and no = 1", session_id, mod.id
    )
    seen = await mod.get(f"/v1/moderation/people/{host.id}")
    assert (seen["actions"], seen["suspensions"], seen["suspended"]) == ([], [], True)


async def test_until_when_somebody_observed_and_who_read_appeals_is_on_record(scene: Scene) -> None:
    _, host, session_id = await scene.couple()
    mod, other = await moderator(scene, 0), await moderator(scene, 1)
    await mod.ask("moderation:observe", session_id=session_id, reason="reported")
    await mod.ask("moderation:unobserve", session_id=session_id)
    done = await act(other, session_id, "warn", user_id=host.id)
    await host.post("/v1/me/appeals", {"action_id": done["action_id"], "text": "Why?"})
    await mod.get("/v1/moderation/appeals")
    query = "select action from audit_entries where actor_id = $1 order by n"

    async def all_there() -> bool:
        found = [row["action"] for row in await scene.sql(query, mod.id)]
        return sorted(found) == ["appeals_listed", "moderator_observed", "observation_ended"]

    await until(all_there, "something was not put on record")
