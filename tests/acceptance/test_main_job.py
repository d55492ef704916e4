"""The main job, whole: a guest finds a practitioner, talks, loses the line, comes back, pays, and has it all
on record. Guest and practitioner are on different hubs.
"""

import asyncio

import pytest

from rooms import chain
from rooms.chain import Link
from rooms.ids import SessionId
from sandbox.visitor import Json, Refused, Visitor
from tests.acceptance.scene import FAST_MINOR_PER_MINUTE, Scene, length_ms, price_minor, said, seqs, until


async def end_and_settle(guest: Visitor, host: Visitor, session_id: str) -> Json:
    """The session's end, and the receipt once everything is charged."""
    ended = await guest.ask("session:end", session_id=session_id)
    assert ended["session"]["state"] == "ended"
    await guest.state(session_id, "settled")
    await host.state(session_id, "settled")
    return await guest.get(f"/v1/sessions/{session_id}/receipt")


async def charged_minor(scene: Scene, session_id: str) -> int:
    """What Stripe has taken for a session, with nothing held any more."""
    intents = await scene.stripe("payment_intents", session_id)
    assert {intent["status"] for intent in intents} <= {"succeeded", "canceled"}
    return sum(intent["amount_received"] for intent in intents)


async def a_second_passes(guest: Visitor, host: Visitor, session_id: str) -> None:
    """Let the meter run for long enough to be worth charging, by the hub's own clock."""
    joined = await host.ask("room:join", session_id=session_id)
    started_ms = joined["meter"]["as_of_ms"]

    async def passed() -> bool:
        now = await guest.ask("room:join", session_id=session_id)
        return bool(now["meter"]["as_of_ms"] - started_ms > 500)

    await until(passed, "time stands still")


async def test_from_online_to_the_receipt(scene: Scene) -> None:
    guest = await scene.guest(0)
    await guest.ask("directory:watch")
    host = await scene.host(1, rate_minor=FAST_MINOR_PER_MINUTE)
    await guest.hear("directory:changed", lambda body: body == {"id": host.id, "status": "online"})

    asked = await guest.ask("session:request", practitioner_id=host.id, request_id="first", cap_minor=200_000)
    session_id = asked["session"]["id"]
    assert asked["session"]["price"] == {
        "kind": "per_minute",
        "amount_minor": FAST_MINOR_PER_MINUTE,
        "currency": "usd",
        "free_s": 0,
        "minimum_minor": 50,
        "cap_minor": 200_000,
    }
    offered = await host.hear("session:offered")
    assert offered["guest"] == {"id": guest.id, "name": guest.name}
    assert offered["session"]["id"] == session_id
    (held,) = await scene.stripe("payment_intents", session_id)
    assert (held["status"], held["amount"], held["amount_received"]) == ("requires_capture", 200_000, 0)

    accepted = await host.ask("session:accept", session_id=session_id)
    assert accepted["session"]["state"] == "waiting"
    await guest.state(session_id, "waiting")
    first = await guest.ask("room:join", session_id=session_id)
    assert first["session"]["state"] == "waiting"
    assert not first["meter"]["running"]
    assert first["you"] == {"id": guest.id, "role": "guest", "muted": False}
    second = await host.ask("room:join", session_id=session_id)
    assert second["session"]["state"] == "live"
    assert second["meter"]["running"]
    assert {person["id"]: person["present"] for person in second["participants"]} == {
        guest.id: True,
        host.id: True,
    }
    await guest.hear("room:presence", lambda body: body["user_id"] == host.id and body["present"])
    assert (await guest.hear("meter:update"))["running"]

    for number, who in enumerate((guest, host, guest), 1):
        sent = await who.ask("chat:send", session_id=session_id, client_id=str(number), text=f"no. {number}")
        assert (sent["seq"], sent["status"]) == (number, "sent")
    for who in (guest, host):
        await who.hear("chat:message", lambda body: body["seq"] == 3)
        assert [(m["seq"], m["text"], m["from"]["id"]) for m in said(who)] == [
            (1, "no. 1", guest.id),
            (2, "no. 2", host.id),
            (3, "no. 3", guest.id),
        ]
    await a_second_passes(guest, host, session_id)

    receipt = await end_and_settle(guest, host, session_id)
    assert len(receipt["intervals"]) == 1
    assert receipt["billed_ms"] == length_ms(receipt)
    assert receipt["total_minor"] == price_minor(receipt) == receipt["subtotal_minor"] > 50
    assert await charged_minor(scene, session_id) == receipt["total_minor"]
    await scene.shown(guest, host.id, "online")


async def test_a_dropped_line_costs_nothing_and_loses_nothing(scene: Scene) -> None:
    guest, host, session_id = await scene.couple(rate_minor=FAST_MINOR_PER_MINUTE)
    await guest.ask("chat:send", session_id=session_id, client_id="a", text="before")
    await a_second_passes(guest, host, session_id)
    since = host.mark
    await guest.drop()
    gone = await host.hear("room:presence", lambda body: not body["present"], since=since)
    assert gone == {
        "session_id": session_id,
        "user_id": guest.id,
        "present": False,
        "reason": "line_dropped",
    }
    await host.state(session_id, "paused", since=since)
    assert not (await host.hear("meter:update", since=since))["running"]
    for number in range(5):
        await host.ask("chat:send", session_id=session_id, client_id=f"h{number}", text=f"missed {number}")

    back = await scene.enter(guest, hub=1)
    known = await back.hear("session:state")
    assert (known["session"]["id"], known["session"]["state"]) == (session_id, "paused")
    joined = await back.ask("room:join", session_id=session_id, after_seq=1)
    assert joined["session"]["state"] == "live"
    assert [m["text"] for m in joined["messages"]] == [f"missed {number}" for number in range(5)]
    assert seqs(joined["messages"]) == [2, 3, 4, 5, 6]
    assert joined["head_seq"] == 6
    await host.ask("chat:send", session_id=session_id, client_id="after", text="after")
    await back.hear("chat:message", lambda body: body["seq"] == 7)
    assert seqs(said(back)) == [7]

    receipt = await end_and_settle(back, host, session_id)
    one, two = receipt["intervals"]
    gone_ms = two["from_ms"] - one["to_ms"]
    assert gone_ms > 0
    whole_ms = receipt["ended_at_ms"] - receipt["started_at_ms"]
    assert receipt["billed_ms"] == length_ms(receipt) == whole_ms - gone_ms
    assert receipt["total_minor"] == price_minor(receipt)
    assert await charged_minor(scene, session_id) == receipt["total_minor"]


async def test_the_end_answers_the_same_to_both_and_again(scene: Scene) -> None:
    guest, host, session_id = await scene.couple(rate_minor=FAST_MINOR_PER_MINUTE)
    first, other = await asyncio.gather(
        host.ask("session:end", session_id=session_id), guest.ask("session:end", session_id=session_id)
    )
    assert first["meter"] == other["meter"]
    assert first["session"]["end_reason"] == other["session"]["end_reason"]
    await guest.state(session_id, "settled")
    for who in (guest, host):
        again = await who.ask("session:end", session_id=session_id)
        assert again["meter"] == first["meter"]
        assert again["session"]["ended_at_ms"] == first["session"]["ended_at_ms"]
    rows = await scene.sql("select billed_ms from settlements where session_id = $1", session_id)
    assert [row["billed_ms"] for row in rows] == [first["meter"]["billed_ms"]]


async def test_a_session_too_short_to_charge_is_free(scene: Scene) -> None:
    guest, host, session_id = await scene.couple(rate_minor=60)
    receipt = await end_and_settle(guest, host, session_id)
    assert receipt["total_minor"] == 0
    assert receipt["waived"] == ("below_minimum" if receipt["subtotal_minor"] else None)
    assert await charged_minor(scene, session_id) == 0


async def test_free_time_comes_first(scene: Scene) -> None:
    guest, host = await scene.guest(), await scene.host(rate_minor=FAST_MINOR_PER_MINUTE, free_s=3_600)
    session_id = await scene.live(guest, host)

    async def worth_paying_for() -> bool:
        now = await guest.ask("room:join", session_id=session_id)
        return bool(now["meter"]["billed_ms"] > 100)

    await until(worth_paying_for, "time stands still")
    receipt = await end_and_settle(guest, host, session_id)
    assert receipt["free_ms"] == receipt["billed_ms"] == length_ms(receipt) > 0
    assert receipt["total_minor"] == 0
    assert await charged_minor(scene, session_id) == 0
    assert "promotion_minor" not in receipt
    # The practitioner earns all the same: the platform pays, after the safety delay.
    theirs = await host.get(f"/v1/sessions/{session_id}/receipt")
    earnings = await host.get("/v1/me/earnings")
    promised = theirs["promotion_minor"]
    assert promised > 0
    assert earnings["totals"][0]["promotion_minor"] == earnings["sessions"][0]["promotion_minor"] == promised
    [transfer] = await scene.sql(
        "select amount_minor, state, params -> 'body' ? 'source_transaction' as of_a_charge from payment_ops"
        " where session_id = $1 and kind = 'transfer'",
        session_id,
    )
    assert tuple(transfer.values()) == (promised, "pending", False)


async def test_a_practitioner_without_a_price_needs_no_card(scene: Scene) -> None:
    guest, host = await scene.guest(), await scene.host(rate_minor=0)
    asked = await guest.ask("session:request", practitioner_id=host.id, request_id="free")
    session_id = asked["session"]["id"]
    assert (asked["hold"], asked["session"]["price"]["kind"]) == ({"status": "none"}, "free")
    await host.hear("session:offered")
    await host.ask("session:accept", session_id=session_id)
    await guest.ask("room:join", session_id=session_id)
    await host.ask("room:join", session_id=session_id)
    receipt = await end_and_settle(guest, host, session_id)
    assert receipt["total_minor"] == 0
    assert await scene.stripe("payment_intents", session_id) == []


async def test_the_record_over_http(scene: Scene) -> None:
    guest, host, session_id = await scene.couple(rate_minor=FAST_MINOR_PER_MINUTE)
    texts = ["one", "zwei", "三 🌱"]
    for number, text in enumerate(texts):
        await guest.ask("chat:send", session_id=session_id, client_id=str(number), text=text)
    await a_second_passes(guest, host, session_id)
    receipt = await end_and_settle(guest, host, session_id)

    for who in (guest, host):
        session = await who.get(f"/v1/sessions/{session_id}")
        assert (session["id"], session["state"]) == (session_id, "settled")
        assert session["guest"]["id"] == guest.id
        (listed,) = (await who.get("/v1/me/sessions"))["items"]
        assert listed == session
        transcript = await who.get(f"/v1/sessions/{session_id}/transcript")
        assert [message["text"] for message in transcript["messages"]] == texts
        assert transcript["head"] == receipt["transcript_head"]
        assert chain.verify(SessionId(session_id), links(transcript), bytes.fromhex(transcript["head"]))

    theirs = await host.get(f"/v1/sessions/{session_id}/receipt")
    assert theirs["fee_minor"] + theirs["practitioner_minor"] == theirs["total_minor"]
    assert {name: theirs[name] for name in receipt} == receipt
    assert "fee_minor" not in receipt
    status, kind, page = await guest.get_text(f"/v1/sessions/{session_id}/receipt", format="html")
    assert (status, kind) == (200, "text/html")
    assert f"${receipt['total_minor'] / 100:.2f}" in page
    assert receipt["transcript_head"][:16] in page


def links(transcript: Json) -> list[Link]:
    """The chain's links as anybody can make them from a transcript."""
    return [
        Link(m["seq"], m["id"], m["at_ms"], m["participant_no"], bytes.fromhex(m["body_sha256"]))
        for m in transcript["messages"]
    ]


@pytest.mark.parametrize("role", ["guest", "practitioner", "moderator", "admin"])
async def test_to_strangers_a_session_does_not_exist(scene: Scene, role: str) -> None:
    guest, _host, session_id = await scene.couple()
    stranger = Visitor(scene.stack.hub_urls[0], await scene.person(role))
    scene.visitors.append(stranger)
    for path in ("", "/transcript", "/receipt"):
        with pytest.raises(Refused) as refused:
            await stranger.get(f"/v1/sessions/{session_id}{path}")
        assert (refused.value.code, refused.value.error["status"]) == ("not_found", 404)
    assert (await stranger.get("/v1/me/sessions"))["items"] == []
    with pytest.raises(Refused, match="conflict"):
        await guest.get(f"/v1/sessions/{session_id}/receipt")
