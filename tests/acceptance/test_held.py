"""Held messages: decided by their time-out, or by the session's end, and told in order."""

import pytest

from hub.words import WORDS
from sandbox.visitor import Visitor
from tests.acceptance.moderated import act, moderator, notice
from tests.acceptance.scene import Scene, said, seqs, until
from tests.acceptance.test_safety import PARTS, REST, flag_of, send
from tests.stack import Stack

HELD = "I will kill you"
"""The rules hold it; if nobody looks, it is released."""


@pytest.fixture
def stack(hasty: Stack) -> Stack:
    return hasty


async def test_a_held_message_is_released_by_its_time_out_in_order_for_both(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    held = await send(guest, session_id, HELD, "held")
    assert (held["status"], held["seq"], held["because"]["code"]) == ("held", None, "violence")
    assert held["because"]["message"].startswith(WORDS["en"].because["held"])
    assert (await send(host, session_id, "still there?"))["seq"] == 1
    told = await host.hear("chat:message", lambda body: body["id"] == held["id"])
    assert (told["seq"], told["text"], told["client_id"]) == (2, HELD, "held")
    assert told["at_ms"] > held["at_ms"]
    notice = await guest.hear("safety:notice")
    assert notice == {
        "code": "message_released",
        "message": WORDS["en"].notices["message_released"],
        "session_id": session_id,
        "message_id": held["id"],
        "client_id": "held",
    }
    assert (await send(host, session_id, "I read you"))["seq"] == 3
    await guest.hear("chat:message", lambda body: body["seq"] == 3)
    assert said(guest) == said(host)
    assert seqs(said(host)) == [1, 2, 3]
    # Repeated, it has the answer that it had.
    assert await send(guest, session_id, HELD, "held") == held
    assert (await flag_of(scene, held["id"]))["verdict"] == "hold"
    await guest.ask("session:end", session_id=session_id)
    await guest.state(session_id, "settled")
    transcript = await host.get(f"/v1/sessions/{session_id}/transcript")
    assert [message["text"] for message in transcript["messages"]] == ["still there?", HELD, "I read you"]


async def test_what_is_blocked_is_never_delivered(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    for part in PARTS:
        assert (await send(guest, session_id, part))["status"] == "sent"
    blocked = await send(guest, session_id, REST, "last")
    words = WORDS["en"].because
    because = {"code": "contact", "message": f"{words['blocked']} {words['contact']}"}
    assert (blocked["status"], blocked["seq"], blocked["because"]) == ("blocked", None, because)
    assert (await flag_of(scene, blocked["id"]))["verdict"] == "block"
    held = await send(guest, session_id, HELD)
    # What was held until after it is released; what is blocked stays so.
    await host.hear("chat:message", lambda body: body["id"] == held["id"])
    assert blocked["id"] not in {message["id"] for message in said(host)}
    assert await send(guest, session_id, REST, "last") == blocked
    assert guest.count("safety:notice") == 1


async def test_the_end_of_a_session_rejects_what_is_held(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    await send(host, session_id, "before")
    held = await send(guest, session_id, HELD, "held")
    assert held["status"] == "held"
    await host.ask("session:end", session_id=session_id)
    notice = await guest.hear("safety:notice")
    assert (notice["code"], notice["message_id"]) == ("message_rejected", held["id"])
    await guest.state(session_id, "settled")
    assert await texts(host, session_id) == ["before"]
    assert (await flag_of(scene, held["id"]))["seq"] is None

    async def nothing_left() -> bool:
        left = await scene.sql("select count(*) from messages where session_id = $1", session_id)
        return bool(left[0]["count"] == 1)

    await until(nothing_left, "the record has more than was delivered")
    assert guest.count("safety:notice") == 1


async def texts(who: Visitor, session_id: str) -> list[str]:
    transcript = await who.get(f"/v1/sessions/{session_id}/transcript")
    return [message["text"] for message in transcript["messages"]]


async def test_the_sender_is_told_again_when_whoever_decided_may_have_died(scene: Scene) -> None:
    guest, _, session_id = await scene.couple()
    mod = await moderator(scene)
    held = await guest.ask("chat:send", session_id=session_id, client_id="1", text=HELD)
    told = await mod.hear("moderation:flag", lambda body: body["flag"]["message_id"] == held["id"])
    done = await act(mod, session_id, "reject", flag_id=told["flag"]["id"])
    await notice(guest, "message_rejected")
    since = guest.mark
    # As if its effects had been left unfinished after the store was changed.
    await scene.sql("insert into moderation_effects values ($1, 0)", done["action_id"])
    assert (await notice(guest, "message_rejected", since))["message_id"] == held["id"]
