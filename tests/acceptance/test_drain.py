"""A deploy that nobody notices: a hub goes in the middle of a session, and its people go on elsewhere."""

import asyncio
import signal

from tests.acceptance.scene import FAST_MINOR_PER_MINUTE, Scene, length_ms, said, seqs, until


async def test_a_session_moves_to_another_hub_without_a_gap(scene: Scene) -> None:
    leaving = await asyncio.to_thread(scene.stack.start_web)
    third = scene.stack.hub_urls.index(next(url for url, web in scene.stack.webs.items() if web is leaving))
    guest, host = await scene.guest(third), await scene.host(1, rate_minor=FAST_MINOR_PER_MINUTE)
    session_id = await scene.live(guest, host)
    await guest.ask("chat:send", session_id=session_id, client_id="1", text="before")
    since = host.mark
    leaving.kill(signal.SIGTERM)
    draining = await guest.hear("hub:draining")
    assert 0 < draining["reconnect_within_ms"] <= int(scene.stack.env["DRAIN_S"]) * 1000
    # The old line still works while the new one is opened.
    await host.ask("chat:send", session_id=session_id, client_id="1", text="during")
    await guest.hear("chat:message", lambda body: body["seq"] == 2)
    moved = await scene.enter(guest, hub=0)
    joined = await moved.ask("room:join", session_id=session_id, after_seq=2)
    assert (joined["session"]["state"], joined["messages"]) == ("live", [])
    await guest.leave()
    assert await asyncio.to_thread(leaving.process.wait, 30) == 0

    await host.ask("chat:send", session_id=session_id, client_id="2", text="after")
    await moved.hear("chat:message", lambda body: body["seq"] == 3)
    assert seqs(said(guest)) == [1, 2]
    assert seqs(said(moved)) == [3]
    assert host.count("room:presence", since) == host.count("session:state", since) == 0

    ended = await moved.ask("session:end", session_id=session_id)
    await moved.state(session_id, "settled")
    receipt = await moved.get(f"/v1/sessions/{session_id}/receipt")
    (interval,) = receipt["intervals"]
    assert interval == {
        "from_ms": ended["session"]["live_at_ms"],
        "to_ms": ended["session"]["ended_at_ms"],
    }
    assert receipt["billed_ms"] == length_ms(receipt)
    rows = await scene.sql("select count(*) from settlements where session_id = $1", session_id)
    assert rows[0]["count"] == 1


async def test_a_draining_hub_takes_nobody_new_and_a_practitioner_moves_too(scene: Scene) -> None:
    leaving = await asyncio.to_thread(scene.stack.start_web)
    address = next(url for url, web in scene.stack.webs.items() if web is leaving)
    host = await scene.host(scene.stack.hub_urls.index(address))
    leaving.kill(signal.SIGTERM)
    await host.hear("hub:draining")
    async with scene.http.get(f"{address}/readyz") as response:
        assert response.status == 503
    moved = await scene.enter(host, hub=0)
    await moved.ask("practitioner:online")
    await host.leave()
    assert await asyncio.to_thread(leaving.process.wait, 30) == 0
    guest = await scene.guest(1)
    assert (await guest.get(f"/v1/practitioners/{host.id}"))["status"] == "online"

    async def offered() -> bool:
        return moved.count("session:offered") == 1

    await scene.ringing(guest, moved)
    await until(offered, "the request did not ring on the new hub")


async def test_one_line_of_two_keeps_the_meter_running(scene: Scene) -> None:
    guest, host, session_id = await scene.couple(rate_minor=FAST_MINOR_PER_MINUTE)
    second = await scene.enter(guest, hub=1)
    await second.ask("room:join", session_id=session_id)
    # The first line is heard once more, so that the two proofs meet: a broken line proves nothing after that.
    await guest.ask("chat:typing", session_id=session_id)
    since = host.mark
    await guest.drop()
    await host.ask("chat:send", session_id=session_id, client_id="1", text="are you there?")
    await second.hear("chat:message")
    third = await scene.enter(guest, hub=0)
    await third.ask("room:join", session_id=session_id, after_seq=1)
    await second.ask("room:leave", session_id=session_id)
    assert await second.refusal("chat:typing", session_id=session_id) == "forbidden"
    await third.ask("session:end", session_id=session_id)
    await host.state(session_id, "settled")
    assert host.count("room:presence", since) == 0
    receipt = await third.get(f"/v1/sessions/{session_id}/receipt")
    assert len(receipt["intervals"]) == 1
    assert receipt["billed_ms"] == receipt["ended_at_ms"] - receipt["started_at_ms"]
