"""Before the door of a live room: who knocks, who is let in, and what it costs to wait."""

import asyncio

from tests.acceptance.live_rooms import FAST, bill, knocked, let_in, opened, settled
from tests.acceptance.scene import Scene, said, until


async def test_of_two_who_are_let_in_for_the_last_seat_one_gets_it(scene: Scene) -> None:
    host, other = await scene.host(1), await scene.guest(0)
    room_id = await opened(host, seats=1)
    guests = [await scene.guest(0), await scene.guest(1)]
    for guest in guests:
        assert (await knocked(guest, room_id))["state"] == "waiting"
    answers = await asyncio.gather(
        *(host.answer("room:admit", {"session_id": room_id, "user_id": guest.id}) for guest in guests)
    )
    assert sorted(answer["ok"] for answer in answers) == [False, True]
    (refused,) = [answer["error"]["code"] for answer in answers if not answer["ok"]]
    assert refused == "conflict"
    assert await host.refusal("room:admit", session_id=room_id, user_id=other.id) == "not_found"


async def test_what_was_held_for_whom_is_not_let_in_is_released(scene: Scene) -> None:
    host, guest = await scene.host(1), await scene.guest(0)
    room_id = await opened(host, price={"kind": "flat", "amount_minor": 2_000, "currency": "usd"})
    assert (await knocked(guest, room_id))["hold"]["status"] in ("placed", "pending")
    await host.hear("lobby:changed", lambda body: body["count"] == 1)
    await host.ask("room:deny", session_id=room_id, user_id=guest.id)
    told = await guest.hear("lobby:state", lambda body: body["state"] == "denied")
    assert told["reason"] == "denied"

    async def released() -> bool:
        (intent,) = await scene.stripe("payment_intents", room_id)
        return bool(intent["amount"] == 2_000 and intent["status"] == "canceled")

    await until(released, "the hold was never released")
    assert await guest.refusal("room:knock", session_id=room_id, request_id="again") == "conflict"
    assert await guest.refusal("room:join", session_id=room_id) == "not_live"
    # They are free for somebody else at once.
    assert await scene.live(guest, await scene.host(1))
    await host.ask("session:end", session_id=room_id)
    await settled(scene, room_id)


async def test_a_guest_in_the_lobby_neither_hears_nor_reads_nor_pays(scene: Scene) -> None:
    host, guest = await scene.host(1), await scene.guest(0)
    room_id = await opened(host, price=FAST)
    await let_in(host, guest, room_id)
    await host.ask("room:lobby", session_id=room_id, user_id=guest.id)
    await guest.hear("lobby:state", lambda body: body["state"] == "waiting", since=guest.mark - 2)
    stopped = await guest.hear("meter:update", lambda body: not body["running"] and body["billed_ms"] > 0)
    await host.ask("chat:send", session_id=room_id, client_id="1", text="not for the lobby")
    await host.hear("chat:message")
    assert await guest.refusal("chat:send", session_id=room_id, client_id="2", text="hello") == "forbidden"
    assert await guest.refusal("chat:history", session_id=room_id, after_seq=0, limit=5) == "forbidden"
    assert await guest.refusal("room:join", session_id=room_id) == "forbidden"
    assert await guest.refusal("media:refresh", session_id=room_id) == "forbidden"
    assert said(guest) == []
    await host.ask("session:end", session_id=room_id)
    await settled(scene, room_id)
    assert (await bill(guest, room_id))["billed_ms"] == stopped["billed_ms"]


async def test_only_the_host_decides_and_only_about_those_who_knocked(scene: Scene) -> None:
    host, other, guest = await scene.host(1), await scene.host(0), await scene.guest(0)
    room_id = await opened(host)
    asked = {"session_id": room_id, "request_id": "same"}
    first = await guest.ask("room:knock", **asked)
    again = await guest.ask("room:knock", **asked)
    assert (first["state"], again["state"]) == ("waiting", "waiting")
    about = {"session_id": room_id, "user_id": guest.id}
    for event in ("room:admit", "room:deny", "room:lobby"):
        assert await guest.refusal(event, **about) == "forbidden"
        assert await other.refusal(event, **about) == "not_found"
        assert await host.refusal(event, session_id=room_id, user_id=other.id) == "not_found"
        assert await host.refusal(event, session_id=room_id, user_id=host.id) == "not_found"
    stranger = await scene.guest(1)
    assert await stranger.refusal("room:join", session_id=room_id) == "not_found"
    assert await stranger.refusal("chat:history", session_id=room_id, after_seq=0, limit=1) == "not_found"
    await host.ask("session:end", session_id=room_id)
    assert await stranger.refusal("room:knock", session_id=room_id, request_id="late") == "not_live"
    assert await guest.refusal("room:knock", session_id=room_id, request_id="once more") == "not_live"


async def test_whom_the_host_blocked_does_not_knock(scene: Scene) -> None:
    host, guest, other = await scene.host(1), await scene.guest(0), await scene.guest(1)
    room_id = await opened(host)
    await let_in(host, guest, room_id)
    await let_in(host, other, room_id)
    # Between two guests nothing changes in the room.
    await guest.ask("safety:block", user_id=other.id)
    await guest.ask("chat:send", session_id=room_id, client_id="1", text="hello all")
    await other.hear("chat:message")
    await host.ask("safety:block", user_id=guest.id)
    await guest.hear("lobby:state", lambda body: body["state"] == "denied")
    assert room_id not in [room["id"] for room in (await guest.get("/v1/live-rooms"))["items"]]
    stranger = await scene.guest(0)
    await knocked(stranger, room_id)
    await stranger.ask("session:cancel", session_id=room_id)
    await stranger.ask("safety:block", user_id=host.id)
    assert await stranger.refusal("room:knock", session_id=room_id, request_id="n") == "blocked"


async def test_a_declined_card_may_be_replaced_and_the_seat_taken(scene: Scene) -> None:
    host, person = await scene.host(1), await scene.person("guest")
    guest = await scene.enter(person, 0)
    room_id = await opened(host, price=FAST)
    await scene.control("faults", action="decline_next", match={"customer": person["customer"]})
    asked = {"session_id": room_id, "request_id": "first"}
    assert await guest.refusal("room:knock", **asked) == "card_declined"
    assert await guest.refusal("room:knock", **asked) == "card_declined"
    await let_in(host, guest, room_id)
    await asyncio.sleep(0.2)
    assert (await guest.ask("session:extend", session_id=room_id, minutes=5))["meter"]["funded_ms"] >= 900_000
    await host.ask("session:end", session_id=room_id)
    await settled(scene, room_id)
    assert (await bill(guest, room_id))["total_minor"] > 0


async def test_who_was_let_in_and_has_not_come_has_no_place_in_the_channel(scene: Scene) -> None:
    """Nobody hears or reads without being there: only those who are there are metered."""
    host, guest = await scene.host(1), await scene.guest(0)
    room_id = await opened(host, price=FAST)
    await knocked(guest, room_id)
    await host.hear("lobby:changed", lambda body: body["count"] == 1)
    about = {"session_id": room_id, "user_id": guest.id}
    for _ in range(2):
        await host.ask("room:admit", **about)
        await guest.hear("lobby:state", lambda body: body["state"] == "admitted")
        assert await guest.refusal("media:refresh", session_id=room_id) == "forbidden"
        signal = {"session_id": room_id, "to": host.id, "data": {}}
        assert await guest.refusal("media:signal", **signal) == "forbidden"
        assert await guest.refusal("chat:history", session_id=room_id, after_seq=0, limit=5) == "forbidden"
        await guest.ask("room:join", session_id=room_id)
        assert (await guest.ask("media:refresh", session_id=room_id))["media"]["channel"]
        await host.ask("room:lobby", **about)
