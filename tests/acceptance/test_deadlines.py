"""What time alone brings about, on a stack that is in a hurry."""

import asyncio

import pytest

from tests.acceptance.scene import FAST_MINOR_PER_MINUTE, Scene, length_ms, price_minor
from tests.acceptance.stalled import StalledReader
from tests.acceptance.test_requests import answer_bank, give_card, nothing_held
from tests.stack import Stack


@pytest.fixture
def stack(hasty: Stack) -> Stack:
    return hasty


async def test_a_ring_that_nobody_answers_expires(scene: Scene) -> None:
    guest, host = await scene.guest(), await scene.host()
    session_id = await scene.ringing(guest, host)
    for who in (guest, host):
        assert (await who.state(session_id, "expired"))["end_reason"] == "ring_timeout"
    assert await host.refusal("session:accept", session_id=session_id) == "conflict"
    await scene.shown(guest, host.id, "online")
    await nothing_held(scene, session_id)
    await scene.ringing(guest, host)


async def test_a_hold_that_takes_long_is_told_later(scene: Scene) -> None:
    guest, host = await scene.guest(), await scene.host()
    slow = {"vendor": "stripe", "action": "hang", "ms": 3_500}
    await scene.control("faults", **slow, match={"method": "POST", "path_prefix": "/v1/payment_intents"})
    asked = await guest.ask("session:request", practitioner_id=host.id, request_id="slow")
    session_id = asked["session"]["id"]
    assert (asked["session"]["state"], asked["hold"]) == ("requested", {"status": "pending"})
    assert host.count("session:offered") == 0
    told = await guest.hear("session:state", lambda body: body.get("hold", {}).get("status") == "placed")
    assert told["session"]["id"] == session_id
    await host.hear("session:offered")
    assert len(await scene.stripe("payment_intents", session_id)) == 1


async def test_a_room_that_one_side_never_enters_is_given_up(scene: Scene) -> None:
    guest, host = await scene.guest(), await scene.host()
    session_id = await scene.waiting(guest, host)
    await guest.ask("room:join", session_id=session_id)
    for who in (guest, host):
        assert (await who.state(session_id, "cancelled"))["end_reason"] == "not_joined"
    assert await guest.refusal("room:join", session_id=session_id) == "not_live"
    await scene.shown(guest, host.id, "online")
    await nothing_held(scene, session_id)


async def test_a_bank_that_is_never_answered(scene: Scene) -> None:
    person = await scene.person("guest")
    await give_card(scene, person, "pm_card_authenticationRequired")
    guest, host = await scene.enter(person), await scene.host()
    asked = await guest.ask("session:request", practitioner_id=host.id, request_id="3ds")
    session_id = asked["session"]["id"]
    assert (await guest.state(session_id, "cancelled"))["end_reason"] == "hold_timeout"
    await scene.shown(guest, host.id, "online")
    assert host.count("session:offered") == 0
    await nothing_held(scene, session_id)


async def test_a_bank_that_is_answered_too_late_holds_nothing(scene: Scene) -> None:
    person = await scene.person("guest")
    await give_card(scene, person, "pm_card_authenticationRequired")
    guest, host = await scene.enter(person), await scene.host()
    asked = await guest.ask("session:request", practitioner_id=host.id, request_id="3ds")
    session_id, url = asked["session"]["id"], asked["hold"]["url"]
    await guest.ask("session:cancel", session_id=session_id)
    async with scene.http.get(url) as page:
        still_open = page.status == 200
    if still_open:
        await answer_bank(scene, url, "approve")
    await nothing_held(scene, session_id)
    assert host.count("session:offered") == 0


@pytest.mark.parametrize("who", ["guest", "host"])
async def test_a_line_that_never_comes_back_ends_the_session_at_its_last_proof(
    scene: Scene, who: str
) -> None:
    guest, host, session_id = await scene.couple(rate_minor=FAST_MINOR_PER_MINUTE)
    leaving, staying = (guest, host) if who == "guest" else (host, guest)
    await leaving.ask("chat:send", session_id=session_id, client_id="1", text="the last word")
    since = staying.mark
    await leaving.drop()
    stopped = await staying.hear("meter:update", lambda body: not body["running"], since=since)
    ended = await staying.state(session_id, "ended")
    assert ended["end_reason"] == "line_lost"
    await staying.state(session_id, "settled")
    receipt = await staying.get(f"/v1/sessions/{session_id}/receipt")
    assert receipt["billed_ms"] == length_ms(receipt) == stopped["billed_ms"]
    assert receipt["total_minor"] in (0, price_minor(receipt))
    (interval,) = receipt["intervals"]
    assert interval["to_ms"] < receipt["ended_at_ms"]


async def test_time_stops_where_the_money_does(scene: Scene) -> None:
    guest, host = await scene.guest(), await scene.host(rate_minor=FAST_MINOR_PER_MINUTE)
    session_id = await scene.live(guest, host, cap_minor=1_000)
    for who in (guest, host):
        assert (await who.state(session_id, "ended"))["end_reason"] == "funding_over"
    await guest.state(session_id, "settled")
    receipt = await guest.get(f"/v1/sessions/{session_id}/receipt")
    assert receipt["billed_ms"] == length_ms(receipt) == 2_000
    assert receipt["total_minor"] == 1_000
    (intent,) = await scene.stripe("payment_intents", session_id)
    assert (intent["amount"], intent["amount_received"]) == (1_000, 1_000)
    await scene.shown(guest, host.id, "online")


async def test_both_are_warned_before_the_money_ends(scene: Scene) -> None:
    guest, host = await scene.guest(), await scene.host()
    # At 300 a minute this pays for 61 seconds, so one of them is left before the last minute.
    session_id = await scene.live(guest, host, cap_minor=305)
    for who in (guest, host):
        warned = await who.hear("meter:warning")
        assert warned["session_id"] == session_id
        assert 50_000 < warned["remaining_ms"] <= 60_000
        assert who.count("meter:warning") == 1
    await guest.ask("session:end", session_id=session_id)


async def test_a_reader_who_stalls_is_let_go_and_the_others_go_on(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    stalled = await StalledReader.join(guest.hub, guest.token, session_id)
    number = 0
    while not (reasons := gone_for(scene, "too_slow")):
        sending = (
            host.ask("chat:send", session_id=session_id, client_id=f"{number}-{n}", text="界" * 2_000)
            for n in range(20)
        )
        await asyncio.gather(*sending)
        number += 1
        assert number < 100, "a reader that takes nothing was never let go"
    await stalled.close()
    assert len(reasons) == 1
    await guest.hear("chat:message", lambda body: body["seq"] == 20 * number)
    assert not guest.ended.is_set()
    back = await scene.enter(guest, hub=1)
    joined = await back.ask("room:join", session_id=session_id, after_seq=0)
    assert len(joined["messages"]) == min(500, 20 * number)
    assert joined["head_seq"] == 20 * number


def gone_for(scene: Scene, reason: str) -> list[str]:
    """What the hubs' logs say of sockets that ended for a reason."""
    logs = (scene.stack.directory / "log").glob("web-*.log")
    lines = [line for log in logs for line in log.read_text().splitlines()]
    return [line for line in lines if '"socket.gone"' in line and f'"{reason}"' in line]


async def test_the_times_of_the_offer_are_told(scene: Scene) -> None:
    guest, host = await scene.guest(), await scene.host()
    session_id = await scene.ringing(guest, host)
    offered = await host.hear("session:offered")
    assert offered["expires_at_ms"] > offered["session"]["requested_at_ms"]
    # The practitioner reloads the page while it rings, and is offered it again.
    again = await scene.enter(host, hub=0)
    told = await again.hear("session:offered")
    assert (told["session"]["id"], told["expires_at_ms"]) == (session_id, offered["expires_at_ms"])
