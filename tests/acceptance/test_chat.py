"""What is said reaches everybody once, in the same order, whatever hub they are on."""

import asyncio
from collections.abc import Callable

import pytest

from sandbox.visitor import Json, Refused, Visitor
from tests.acceptance.scene import Scene, said, seqs

EACH = 200


async def test_everybody_sees_the_same_order(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    beside = await scene.enter(guest, hub=1)
    await beside.ask("room:join", session_id=session_id)

    async def talk(who: Visitor, name: str) -> list[int]:
        sent = await asyncio.gather(
            *(
                who.ask("chat:send", session_id=session_id, client_id=f"{name}{n}", text=f"{name} {n}")
                for n in range(EACH // 10)
            )
        )
        return [answer["seq"] for answer in sent]

    # Ten rounds, so that no more waits at one socket than a hub lets wait.
    places: list[int] = []
    for round_ in range(10):
        for sent in await asyncio.gather(talk(guest, f"g{round_}-"), talk(host, f"h{round_}-")):
            assert sent == sorted(sent)
            places += sent
    assert sorted(places) == list(range(1, 2 * EACH + 1))
    for who in (guest, host, beside):
        await who.hear("chat:message", lambda body: body["seq"] == 2 * EACH)
        assert seqs(said(who)) == list(range(1, 2 * EACH + 1))
    assert said(guest) == said(host) == said(beside)


async def test_a_repeated_client_id_is_one_message(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    body = {"session_id": session_id, "client_id": "same", "text": "once"}
    twin = await scene.enter(guest, hub=1)
    await twin.ask("room:join", session_id=session_id)
    answers = await asyncio.gather(*(who.ask("chat:send", **body) for who in (guest, twin, guest)))
    assert answers[0] == answers[1] == answers[2]
    theirs = await host.ask("chat:send", **body)
    assert (theirs["seq"], theirs["id"] == answers[0]["id"]) == (2, False)
    await guest.drop()
    back = await scene.enter(guest)
    await back.ask("room:join", session_id=session_id)
    assert await back.ask("chat:send", **body) == answers[0]
    await host.hear("chat:message", lambda message: message["seq"] == 2)
    assert seqs(said(host)) == [1, 2]


async def test_text_is_normalised_and_kept_whole(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    texts = ["e\u0301", "<img src=x onerror=alert(1)>", "界" * 2000, ' "quoted" \\ \n line', "\u202eabc"]
    for number, text in enumerate(texts):
        await guest.ask("chat:send", session_id=session_id, client_id=str(number), text=text)
    await host.hear("chat:message", lambda body: body["seq"] == len(texts))
    assert [message["text"] for message in said(host)] == ["é", *texts[1:]]
    for blank in ("   ", "\n\t"):
        code = await guest.refusal("chat:send", session_id=session_id, client_id="blank", text=blank)
        assert code == "bad_request"


async def test_who_may_speak_where(scene: Scene) -> None:
    guest, host = await scene.guest(), await scene.host()
    stranger = await scene.guest()
    session_id = await scene.waiting(guest, host)
    body = {"session_id": session_id, "client_id": "1", "text": "hello"}
    assert await guest.refusal("chat:send", **body) == "forbidden"
    assert await stranger.refusal("chat:send", **body) == "not_found"
    assert await stranger.refusal("room:join", session_id=session_id) == "not_found"
    await guest.ask("room:join", session_id=session_id)
    assert (await guest.ask("chat:send", **body))["seq"] == 1
    assert await host.refusal("chat:send", **body) == "forbidden"
    second = await scene.enter(guest)
    assert await second.refusal("chat:send", **{**body, "client_id": "2"}) == "forbidden"
    await guest.ask("room:leave", session_id=session_id)
    assert await guest.refusal("chat:send", **{**body, "client_id": "3"}) == "forbidden"
    await host.ask("room:join", session_id=session_id)
    await guest.ask("session:end", session_id=session_id)
    for event, more in (
        ("chat:send", {"client_id": "4", "text": "late"}),
        ("chat:typing", {}),
        ("chat:read", {"seq": 1}),
        ("room:join", {}),
        ("media:refresh", {}),
    ):
        assert await host.refusal(event, session_id=session_id, **more) == "not_live", event


async def test_history_in_pages(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    for number in range(1, 61):
        await guest.ask("chat:send", session_id=session_id, client_id=str(number), text=f"{number}")
    read: list[int] = []
    while True:
        page = await host.ask(
            "chat:history", session_id=session_id, after_seq=read[-1] if read else 0, limit=25
        )
        assert page["head_seq"] == 60
        if not page["messages"]:
            break
        assert len(page["messages"]) <= 25
        read += seqs(page["messages"])
    assert read == list(range(1, 61))
    again = await scene.enter(host, hub=0)
    joined = await again.ask("room:join", session_id=session_id)
    assert seqs(joined["messages"]) == list(range(11, 61))
    assert joined["head_seq"] == 60
    caught_up = await again.ask("room:join", session_id=session_id, after_seq=0)
    assert seqs(caught_up["messages"]) == list(range(1, 61))
    nothing = await again.ask("room:join", session_id=session_id, after_seq=60)
    assert nothing["messages"] == []


async def test_nothing_falls_between_joining_and_listening(scene: Scene) -> None:
    """Somebody joins again and again while another speaks: each time nothing is missing."""
    guest, host, session_id = await scene.couple()
    stop = asyncio.Event()

    async def talk() -> int:
        number = 0
        while not stop.is_set():
            number += 1
            await host.ask("chat:send", session_id=session_id, client_id=str(number), text="on and on")
        return number

    talking = asyncio.create_task(talk())
    try:
        for _ in range(8):
            late = await scene.enter(guest, hub=1)
            joined = await late.ask("room:join", session_id=session_id, after_seq=0)
            last = joined["messages"][-1]["seq"] if joined["messages"] else 0
            assert seqs(joined["messages"]) == list(range(1, last + 1))
            assert joined["head_seq"] == last
            await late.hear("chat:message", is_seq(last + 3))
            told = [seq for seq in seqs(said(late)) if seq > last]
            assert told == list(range(last + 1, last + 1 + len(told)))
            await late.leave()
    finally:
        stop.set()
        await talking


def is_seq(least: int) -> Callable[[Json], bool]:
    return lambda body: bool(body["seq"] >= least)


async def test_typing_and_reading_are_told_to_the_others_alone(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    beside = await scene.enter(guest, hub=1)
    await beside.ask("room:join", session_id=session_id)
    await host.ask("chat:send", session_id=session_id, client_id="1", text="read me")
    await guest.ask("chat:typing", session_id=session_id)
    await guest.ask("chat:read", session_id=session_id, seq=99)
    assert await host.hear("chat:typing") == {"session_id": session_id, "user_id": guest.id}
    read = {"session_id": session_id, "user_id": guest.id, "seq": 1}
    assert await host.hear("chat:read") == read
    await host.ask("chat:typing", session_id=session_id)
    for line in (guest, beside):
        await line.hear("chat:typing")
        assert [body["user_id"] for name, body in line.heard if name == "chat:typing"] == [host.id]
        assert line.count("chat:read") == 0


async def test_the_same_words_after_the_session_over_http(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    await guest.ask("chat:send", session_id=session_id, client_id="1", text="so far")
    running = await host.get(f"/v1/sessions/{session_id}/transcript")
    assert [message["text"] for message in running["messages"]] == ["so far"]
    await host.ask("chat:send", session_id=session_id, client_id="2", text="and no further")
    await guest.ask("session:end", session_id=session_id)
    history = await guest.ask("chat:history", session_id=session_id, after_seq=0, limit=10)
    await guest.state(session_id, "settled")
    whole = await host.get(f"/v1/sessions/{session_id}/transcript")
    assert whole["messages"][0] == running["messages"][0]
    assert [(m["seq"], m["text"]) for m in whole["messages"]] == [
        (m["seq"], m["text"]) for m in history["messages"]
    ]


@pytest.mark.parametrize("role", ["moderator", "admin"])
async def test_staff_are_no_party(scene: Scene, role: str) -> None:
    _guest, _host, session_id = await scene.couple()
    staff = await scene.enter(await scene.person(role))
    for event, more in (("room:join", {}), ("chat:send", {"client_id": "1", "text": "hello"})):
        with pytest.raises(Refused, match="forbidden"):
            await staff.ask(event, session_id=session_id, **more)
