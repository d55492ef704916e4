"""Booked sessions, from the free slot to the receipt: real hubs, a real worker, and the sandbox's Stripe."""

import pytest

from sandbox.visitor import Json
from tests.acceptance.booked import Pair, done, free, has_hold, pair, refused
from tests.acceptance.scene import Scene, price_minor, said, seqs, until
from tests.acceptance.test_requests import answer_bank, give_card
from tests.stack import Stack

DECLINED = "pm_card_chargeCustomerFail"
ASKS = "pm_card_authenticationRequired"
GOOD = "pm_card_visa"


@pytest.fixture
def stack(timely: Stack) -> Stack:
    return timely


async def lobby(two: Pair, booking: Json) -> None:
    """Wait until both are told that the lobby is open."""
    for visitor in (two.guest, two.host):
        told = await visitor.state(booking["id"], "waiting")
        assert told["kind"] == "booked"


async def test_from_the_free_slot_to_the_receipt(scene: Scene) -> None:
    two = await pair(scene)
    slots = await free(two.guest, two.host)
    assert slots["missed_minor"] == 10 * slots["rate_minor_per_minute"]
    assert "$3,000.00" in slots["deal"]["en"]
    page = await two.guest.get(f"/v1/practitioners/{two.host.id}")
    assert page["next_slot_at_ms"] == slots["items"][0]["starts_at_ms"]

    booking = await two.book()
    assert (booking["state"], booking["version"]) == ("booked", 1)
    assert booking["price"]["cap_minor"] == 30 * slots["rate_minor_per_minute"]
    told = await two.host.hear("notice", lambda body: body.get("booking_id") == booking["id"])
    assert told["code"] == "booking_made"
    assert [one["id"] for one in (await two.host.get("/v1/bookings"))["items"]] == [booking["id"]]
    assert booking["starts_at_ms"] not in [
        one["starts_at_ms"] for one in (await free(two.guest, two.host))["items"]
    ]

    await two.nearer(booking, starts_in_ms=5_000)
    await lobby(two, booking)
    await scene.shown(two.guest, two.host.id, "busy")
    assert await two.guest.refusal("session:end", session_id="0" * 8 + "-0000-7000-8000-" + "0" * 12) == (
        "not_found"
    )
    await two.guest.ask("room:join", session_id=booking["id"])
    joined = await two.host.ask("room:join", session_id=booking["id"])
    assert joined["session"]["state"] == "waiting"
    await two.guest.ask("chat:send", session_id=booking["id"], client_id="c1", text="I am early")
    await two.host.hear("chat:message")
    live = await two.guest.state(booking["id"], "live")
    await two.host.state(booking["id"], "live")
    (row,) = await scene.sql("select starts_at_ms from bookings where id = $1", booking["id"])
    assert live["live_at_ms"] >= row["starts_at_ms"]
    assert (await two.state(booking, "started"))["state"] == "started"
    assert await refused(two.guest, "DELETE", f"/v1/bookings/{booking['id']}") == "conflict"
    await two.host.ask("session:end", session_id=booking["id"])
    await two.guest.state(booking["id"], "settled")
    receipt = await two.receipt(booking)
    assert receipt["kind"] == "time"
    assert receipt["total_minor"] == price_minor(receipt) > 0
    assert await two.collected(booking) == [receipt["total_minor"]]
    assert (await two.state(booking, "done"))["end_reason"] == "ended_by_practitioner"
    assert seqs(said(two.host)) == [1]
    await scene.shown(two.guest, two.host.id, "offline")


async def test_a_guest_who_does_not_come_pays_the_fee_that_was_agreed(scene: Scene) -> None:
    two = await pair(scene)
    booking = await two.book()
    await two.nearer(booking, starts_in_ms=3_000)
    await lobby(two, booking)
    await two.host.ask("room:join", session_id=booking["id"])
    over = await two.host.state(booking["id"], "cancelled")
    assert over["end_reason"] == "guest_no_show"
    receipt = await two.receipt(booking)
    assert (receipt["kind"], receipt["billed_ms"], receipt["waived"]) == ("missed", 0, None)
    assert receipt["total_minor"] == booking["missed_minor"] > 0
    assert await two.collected(booking) == [booking["missed_minor"]]
    assert (await two.state(booking, "missed"))["end_reason"] == "guest_no_show"
    earned = await two.host.get(f"/v1/sessions/{booking['id']}/receipt")
    assert earned["practitioner_minor"] == earned["total_minor"] - earned["fee_minor"] > 0


async def test_a_practitioner_who_does_not_come_costs_the_guest_nothing(scene: Scene) -> None:
    two = await pair(scene)
    booking = await two.book()
    await two.nearer(booking, starts_in_ms=3_000)
    await lobby(two, booking)
    await two.guest.ask("room:join", session_id=booking["id"])
    assert (await two.guest.state(booking["id"], "cancelled"))["end_reason"] == "practitioner_no_show"
    assert (await two.receipt(booking))["total_minor"] == 0
    assert await two.collected(booking) == [0]


async def test_nobody_pays_where_nobody_came(scene: Scene) -> None:
    two = await pair(scene)
    booking = await two.book()
    await two.nearer(booking, starts_in_ms=2_000)
    await lobby(two, booking)
    assert (await two.guest.state(booking["id"], "cancelled"))["end_reason"] == "nobody_came"
    assert (await two.receipt(booking))["total_minor"] == 0
    assert await two.collected(booking) == [0]


async def test_cancelling_early_is_free_and_late_costs_the_fee(scene: Scene) -> None:
    two = await pair(scene)
    early = await two.book()
    gone = await done(
        two.guest, "DELETE", f"/v1/bookings/{early['id']}", {"reason": "Ill; 4242 4242 4242 4242"}
    )
    assert (gone["state"], gone["end_reason"]) == ("cancelled", "booking_cancelled_early")
    seen = await two.host.get(f"/v1/bookings/{early['id']}")
    assert seen["reason"].startswith("Ill")
    assert "4242 4242" not in seen["reason"]
    await two.host.hear("notice", lambda body: body["code"] == "booking_cancelled_early")
    assert await scene.stripe("payment_intents", early["id"]) == []
    again = await done(two.guest, "DELETE", f"/v1/bookings/{early['id']}")
    assert again["version"] == gone["version"]

    late = await two.book()
    await two.nearer(late, starts_in_ms=30_000)
    await lobby(two, late)
    await done(two.guest, "DELETE", f"/v1/bookings/{late['id']}")
    over = await two.host.state(late["id"], "cancelled")
    assert over["end_reason"] == "booking_cancelled_late"
    assert (await two.receipt(late))["total_minor"] == late["missed_minor"]
    assert await two.collected(late) == [late["missed_minor"]]
    await scene.shown(two.guest, two.host.id, "offline")


async def test_a_practitioner_who_cancels_costs_nobody_anything(scene: Scene) -> None:
    two = await pair(scene)
    booking = await two.book()
    await two.nearer(booking, starts_in_ms=30_000)
    await lobby(two, booking)
    await done(two.host, "DELETE", f"/v1/bookings/{booking['id']}", {"reason": "I am sorry."})
    over = await two.guest.state(booking["id"], "cancelled")
    assert over["end_reason"] == "booking_cancelled_by_practitioner"
    assert (await two.receipt(booking))["total_minor"] == 0
    assert await two.collected(booking) == [0]


async def test_a_declined_card_can_be_mended_until_the_start(scene: Scene) -> None:
    two = await pair(scene)
    booking = await two.book()
    await give_card(scene, two.person, DECLINED)
    await two.nearer(booking, starts_in_ms=30_000)
    told = await two.guest.hear("notice", lambda body: body["code"] == "booking_hold_declined")
    assert told["booking_id"] == booking["id"]
    assert two.host.count("session:state") == 0
    await give_card(scene, two.person, GOOD)
    await lobby(two, booking)
    await two.guest.ask("session:cancel", session_id=booking["id"])
    assert sorted(await two.collected(booking)) == [0, booking["missed_minor"]]
    codes = [body["code"] for name, body in two.guest.heard if name == "notice"]
    assert codes == ["booking_hold_declined", "lobby_open"]


async def test_without_money_held_by_the_start_it_is_cancelled_free_of_charge(scene: Scene) -> None:
    two = await pair(scene)
    booking = await two.book()
    await give_card(scene, two.person, DECLINED)
    await two.nearer(booking, starts_in_ms=3_000)
    for visitor in (two.guest, two.host):
        await visitor.hear("notice", lambda body: body["code"] == "booking_not_held")
    assert (await two.state(booking, "cancelled"))["end_reason"] == "booking_not_held"
    assert (await two.receipt(booking))["total_minor"] == 0


async def test_a_bank_that_wants_to_be_asked_is_asked_by_a_notice(scene: Scene) -> None:
    two = await pair(scene)
    booking = await two.book()
    await give_card(scene, two.person, ASKS)
    await two.nearer(booking, starts_in_ms=30_000)
    told = await two.guest.hear("notice", lambda body: body["code"] == "booking_hold_action_required")
    await answer_bank(scene, told["url"], "approve")
    await lobby(two, booking)


async def test_the_booked_time_ends_and_is_extended_as_far_as_the_calendar_allows(scene: Scene) -> None:
    two = await pair(scene)
    booking = await two.book(minutes=5)
    await two.nearer(booking, starts_in_ms=3_000, ends_in_ms=63_000)
    await lobby(two, booking)
    for visitor in (two.guest, two.host):
        await visitor.ask("room:join", session_id=booking["id"])
    await two.guest.state(booking["id"], "live")
    before = (await two.guest.get(f"/v1/sessions/{booking['id']}"))["until_ms"]
    await two.book(minutes=5, nth=8)
    assert await two.guest.refusal(
        "session:extend", session_id=booking["id"], minutes=240, request_id="too-long"
    ) == ("conflict")
    await two.guest.ask("session:extend", session_id=booking["id"], minutes=1, request_id="more")
    await two.guest.ask("session:extend", session_id=booking["id"], minutes=1, request_id="more")
    after = await two.guest.get(f"/v1/sessions/{booking['id']}")
    assert after["until_ms"] == before + 60_000
    await two.guest.ask("session:end", session_id=booking["id"])


async def test_it_ends_by_itself_at_the_booked_end(scene: Scene) -> None:
    two = await pair(scene)
    booking = await two.book(minutes=5)
    await two.nearer(booking, starts_in_ms=3_000, ends_in_ms=5_500)
    await lobby(two, booking)
    for visitor in (two.guest, two.host):
        await visitor.ask("room:join", session_id=booking["id"])
    over = await two.guest.state(booking["id"], "ended")
    assert over["end_reason"] == "booked_time_over"
    receipt = await two.receipt(booking)
    assert receipt["total_minor"] == price_minor(receipt) > 0


async def test_an_instant_session_gives_way_to_a_booking_and_none_begins_before_one(scene: Scene) -> None:
    two = await pair(scene)
    await two.host.ask("practitioner:online")
    other = await scene.guest(1)
    running = await scene.live(other, two.host)
    booking = await two.book(minutes=5)
    bound = await other.hear("session:state", lambda body: body["session"]["until_ms"] is not None, since=0)
    assert bound["session"]["until_ms"] == booking["starts_at_ms"] - 40_000
    await two.nearer(booking, starts_in_ms=20_000)
    over = await other.state(running, "ended")
    assert over["end_reason"] == "next_booking"
    await lobby(two, booking)
    third = await scene.guest(0)
    assert await third.refusal("session:request", practitioner_id=two.host.id, request_id="soon") == "busy"
    free_host = await scene.host(0)
    assert (
        await two.guest.refusal("session:request", practitioner_id=free_host.id, request_id="soon")
        == "conflict"
    )
    await done(two.host, "DELETE", f"/v1/bookings/{booking['id']}")
    await scene.shown(third, two.host.id, "online")


async def test_between_two_who_block_each_other_nothing_takes_place_and_nobody_pays(scene: Scene) -> None:
    two = await pair(scene)
    booking = await two.book()
    await done(two.guest, "PUT", f"/v1/me/blocks/{two.host.id}")
    assert (await two.state(booking, "cancelled"))["end_reason"] == "booking_called_off"
    assert await refused(two.guest, "GET", f"/v1/practitioners/{two.host.id}/slots") == "bad_request"
    two = await pair(scene)
    near = await two.book()
    await two.nearer(near, starts_in_ms=30_000)
    await lobby(two, near)
    await done(two.guest, "PUT", f"/v1/me/blocks/{two.host.id}")
    assert (await two.host.state(near["id"], "cancelled"))["end_reason"] == "booking_called_off"
    assert (await two.receipt(near))["total_minor"] == 0
    assert await two.collected(near) == [0]


async def test_another_worker_goes_on_where_one_was_killed(scene: Scene) -> None:
    two = await pair(scene)
    booking = await two.book()
    scene.stack.kill(scene.stack.workers[-1])
    await two.nearer(booking, starts_in_ms=55_000)
    scene.stack.start_worker()
    await until(lambda: has_hold(scene, booking["id"]), "no hold was placed", within_s=45)
    scene.stack.kill(scene.stack.workers[-1])
    scene.stack.start_worker()
    await lobby(two, booking)
    await two.guest.ask("room:join", session_id=booking["id"])
    await two.host.ask("room:join", session_id=booking["id"])
    await done(two.host, "DELETE", f"/v1/bookings/{booking['id']}")
    assert await two.collected(booking) == [0]
    intents = await scene.stripe("payment_intents", booking["id"])
    assert len(intents) == 1
