"""Reports as a weapon: many from one person, many about one person, from people who were never there."""

import asyncio

from sandbox.visitor import Json, Visitor
from tests.acceptance.scene import Scene

REASON = "this felt wrong"
REPORTS_PER_HOUR = 10
"""The production number, which is in force here."""
BOMBERS = 8
WORDS = (
    "alder",
    "birch",
    "cedar",
    "elm",
    "fir",
    "hazel",
    "larch",
    "maple",
    "oak",
    "pine",
    "rowan",
    "willow",
    "yew",
)


async def say(who: Visitor, session_id: str, text: str) -> str:
    """Something harmless; the id of the message."""
    sent = await who.ask("chat:send", session_id=session_id, client_id=text, text=text)
    assert sent["status"] == "sent"
    message_id: str = sent["id"]
    return message_id


async def cases(scene: Scene, session_id: str) -> list[Json]:
    query = "select * from flags where session_id = $1 and source = 'report' order by id"
    return [dict(row) for row in await scene.sql(query, session_id)]


async def test_one_reporter_many_times_is_one_case_and_then_a_wait(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    ids = [await say(host, session_id, word) for word in WORDS]
    body = {"session_id": session_id, "reason": REASON}
    answers = [await guest.answer("safety:report", {**body, "message_id": id_}) for id_ in ids]
    assert [answer["ok"] for answer in answers] == [True] * REPORTS_PER_HOUR + [False] * 3
    assert {answer["error"]["code"] for answer in answers[REPORTS_PER_HOUR:]} == {"rate_limited"}
    assert all(answer["error"]["retry_after_ms"] > 0 for answer in answers[REPORTS_PER_HOUR:])
    # Over another line by another hub it is the same person, and what was filed is answered as before.
    twin = await scene.enter(guest, hub=1)
    assert await twin.refusal("safety:report", **body, message_id=ids[-1]) == "rate_limited"
    again = await twin.ask("safety:report", **body, message_id=ids[0])
    assert again["report_id"] == answers[0]["report_id"]
    (flag,) = await cases(scene, session_id)
    assert (flag["reports"], flag["severity"], str(flag["user_id"])) == (1, "medium", host.id)
    await nothing_befell(scene, host, session_id)
    await say(host, session_id, "hello?")


async def test_many_reporters_bring_a_moderator_and_nothing_else(scene: Scene) -> None:
    """Everyone had a session with the practitioner; all of them report. Only a person decides about it."""
    host = await scene.host(1)
    sessions = []
    for number in range(BOMBERS):
        guest = await scene.guest(number % 2)
        await scene.shown(guest, host.id, "online")
        session_id = await scene.live(guest, host)
        sessions.append((guest, session_id))
        await guest.ask("session:end", session_id=session_id)
    await asyncio.gather(
        *(guest.ask("safety:report", session_id=id_, reason=REASON) for guest, id_ in sessions)
    )
    for _, session_id in sessions:
        (flag,) = await cases(scene, session_id)
        assert (flag["reports"], flag["severity"], flag["status"]) == (1, "medium", "open")
        await nothing_befell(scene, host, session_id)
    watcher = await scene.guest()
    await scene.shown(watcher, host.id, "online")
    await scene.ringing(watcher, host)


async def test_whoever_reports_for_nothing_is_waited_for_longer(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    moderator = await scene.enter(await scene.person("moderator"), 1)
    for word in WORDS[:4]:
        message_id = await say(host, session_id, word)
        await guest.ask("safety:report", session_id=session_id, message_id=message_id, reason=REASON)
        flag = (await cases(scene, session_id))[-1]
        await moderator.ask(
            "moderation:act", session_id=session_id, flag_id=str(flag["id"]), action="dismiss", note="nothing"
        )
    last = await say(host, session_id, WORDS[4])
    await guest.ask("safety:report", session_id=session_id, message_id=last, reason=REASON)
    theirs = (await cases(scene, session_id))[-1]
    stranger, _, elsewhere = await scene.couple()
    await stranger.ask("safety:report", session_id=elsewhere, reason=REASON)
    (fresh,) = await cases(scene, elsewhere)
    waits = [flag["due_by_ms"] - flag["created_at_ms"] for flag in (theirs, fresh)]
    assert theirs["status"] == fresh["status"] == "open"
    assert waits[0] > waits[1]


async def test_nobody_is_reported_by_whom_they_never_met(scene: Scene) -> None:
    _, host, session_id = await scene.couple()
    for hub in (0, 1):
        stranger = await scene.guest(hub)
        body = {"session_id": session_id, "reason": REASON}
        assert await stranger.refusal("safety:report", **body) == "not_found"
        assert await stranger.refusal("safety:report", **body, user_id=host.id) == "not_found"
    assert await cases(scene, session_id) == []


async def nothing_befell(scene: Scene, person: Visitor, session_id: str) -> None:
    """No strike, no suspension, no decision; and they were told nothing."""
    for table in ("strikes", "suspensions", "moderation_actions"):
        assert await scene.sql(f"select from {table} where user_id = $1", person.id) == []
    assert person.count("safety:notice") == person.count("room:muted") == 0
    assert not person.ended.is_set()
