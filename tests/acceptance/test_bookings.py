"""Booked sessions, from the free slot to the receipt: real hubs, a real worker, and the sandbox's Stripe."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from hub.bookings.making import BOOKED_MAX
from sandbox.postgres import PostgresAddress
from sandbox.visitor import Json, Visitor
from tests.acceptance.booked import TIMES, Pair, done, free, now_ms, open_hours, pair, refused
from tests.acceptance.conftest import UNLIMITED, running_stack
from tests.acceptance.scene import Scene, price_minor, said, seqs, until
from tests.acceptance.test_requests import answer_bank, give_card
from tests.stack import Stack

DECLINED = "pm_card_chargeCustomerFail"
ASKS = "pm_card_authenticationRequired"
GOOD = "pm_card_visa"


@pytest.fixture(scope="module")
def timely(
    postgres_cluster: PostgresAddress,
    migrated_template: PostgresAddress,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    with running_stack(postgres_cluster, tmp_path_factory, UNLIMITED | TIMES) as running:
        yield running


@pytest.fixture
async def scene(timely: Stack) -> AsyncIterator[Scene]:
    playing = Scene(timely)
    yield playing
    await playing.close()


async def lobby(two: Pair, booking: Json) -> None:
    """Wait until both are told that the lobby is open."""
    for visitor in (two.guest, two.host):
        told = await visitor.state(booking["id"], "waiting")
        assert told["kind"] == "booked"


async def test_from_the_free_slot_to_the_receipt(scene: Scene) -> None:
    two = await pair(scene)
    slots = await free(two.guest, two.host)
    assert slots["missed_minor"] == 10 * slots["rate_minor_per_minute"]
    assert "$3,000.00" in slots["deal"]["en"] or "3000" in slots["deal"]["en"].replace(",", "")
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


async def test_nobody_books_up_a_whole_calendar(scene: Scene) -> None:
    two = await pair(scene)
    slots = (await free(two.guest, two.host, minutes=5))["items"]
    for slot in slots[2 : 2 + BOOKED_MAX]:
        await two.guest.post("/v1/bookings", body_of(two, slot))
    last = body_of(two, slots[-1])
    assert await refused(two.guest, "POST", "/v1/bookings", last) == "conflict"
    (first, *_) = (await two.guest.get("/v1/bookings"))["items"]
    await done(two.guest, "DELETE", f"/v1/bookings/{first['id']}")
    await two.guest.post("/v1/bookings", last)


def body_of(two: Pair, slot: Json) -> Json:
    return {"practitioner_id": two.host.id, "starts_at_ms": slot["starts_at_ms"], "duration_s": 300}


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


async def test_of_twenty_who_book_one_time_one_gets_it(scene: Scene) -> None:
    two = await pair(scene)
    guests = [two.guest, *[await scene.guest(n % 2) for n in range(9)]]
    slots = (await free(two.guest, two.host, minutes=60))["items"]

    async def wish(guest: Visitor, at_ms: int) -> str | Json:
        body = {"practitioner_id": two.host.id, "starts_at_ms": at_ms, "duration_s": 3_600}
        try:
            return await done(guest, "POST", "/v1/bookings", body)
        except Exception as error:  # noqa: BLE001
            return str(getattr(error, "code", error))

    # Each wants two times that overlap, of which a guest may have one, and the practitioner too.
    wishes = [wish(guest, slots[n]["starts_at_ms"]) for guest in guests for n in (3, 5)]
    answers = await asyncio.gather(*wishes)
    assert sum(isinstance(answer, dict) for answer in answers) == 1
    assert {answer for answer in answers if isinstance(answer, str)} == {"conflict"}


async def test_the_booked_time_ends_and_is_extended_as_far_as_the_calendar_allows(scene: Scene) -> None:
    two = await pair(scene)
    booking = await two.book(minutes=5)
    await two.nearer(booking, starts_in_ms=3_000, ends_in_ms=63_000)
    await lobby(two, booking)
    for visitor in (two.guest, two.host):
        await visitor.ask("room:join", session_id=booking["id"])
    await two.guest.state(booking["id"], "live")
    before = (await two.guest.get(f"/v1/sessions/{booking['id']}"))["until_ms"]
    next_one = await two.book(minutes=5, nth=8)
    assert await two.guest.refusal(
        "session:extend", session_id=booking["id"], minutes=240, request_id="too-long"
    ) == ("conflict")
    await two.guest.ask("session:extend", session_id=booking["id"], minutes=1, request_id="more")
    await two.guest.ask("session:extend", session_id=booking["id"], minutes=1, request_id="more")
    after = await two.guest.get(f"/v1/sessions/{booking['id']}")
    assert after["until_ms"] == before + 60_000
    await scene.sql("update bookings set ends_at_ms = ends_at_ms where id = $1", next_one["id"])
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


async def test_rescheduling(scene: Scene) -> None:
    two = await pair(scene)
    booking = await two.book()
    slots = (await free(two.guest, two.host))["items"]
    path = f"/v1/bookings/{booking['id']}"
    wanted = {"starts_at_ms": slots[20]["starts_at_ms"], "duration_s": 3_600, "version": 1}
    assert await refused(two.host, "PATCH", path, wanted) == "forbidden"
    moved = await done(two.guest, "PATCH", path, wanted)
    assert (moved["starts_at_ms"], moved["duration_s"], moved["version"]) == (
        wanted["starts_at_ms"],
        3_600,
        2,
    )
    assert moved["price"]["cap_minor"] == 2 * booking["price"]["cap_minor"]
    await two.host.hear("notice", lambda body: body["code"] == "booking_moved")
    assert await refused(two.guest, "PATCH", path, wanted) == "conflict"
    await two.nearer(moved, starts_in_ms=50_000)
    await until(
        lambda: _has_hold(scene, booking["id"]),
        "no hold was placed",
    )
    assert await refused(two.guest, "PATCH", path, wanted | {"version": 2}) == "conflict"
    room = {"title": "A circle", "seats": 5, "price": {"kind": "free"}}
    assert await refused(two.host, "POST", "/v1/live-rooms", room) == "conflict"
    other = await scene.host(0)
    opened = await done(other, "POST", "/v1/live-rooms", room)
    knock = {"session_id": opened["session"]["id"] if "session" in opened else opened["id"]}
    assert await two.guest.refusal("room:knock", request_id="k", **knock) == "conflict"


async def _has_hold(scene: Scene, session_id: str) -> bool:
    intents = await scene.stripe("payment_intents", session_id)
    return any(intent["status"] == "requires_capture" for intent in intents)


async def test_bad_times_and_strangers(scene: Scene) -> None:
    two = await pair(scene)
    await open_hours(two.host, version=1, notice_s=3_600)
    slots = (await free(two.guest, two.host))["items"]
    good = {"practitioner_id": two.host.id, "starts_at_ms": slots[0]["starts_at_ms"], "duration_s": 1_800}
    for wrong in (
        {"starts_at_ms": now_ms() - 60_000},
        {"starts_at_ms": slots[0]["starts_at_ms"] + 60_000},
        {"starts_at_ms": slots[0]["starts_at_ms"] - 3_600_000},
        {"starts_at_ms": slots[0]["starts_at_ms"] + 300 * 86_400_000},
        {"starts_at_ms": -1},
        {"duration_s": 0},
        {"duration_s": 604_800},
        {"duration_s": 1_801},
        {"surprise": 1},
    ):
        assert await refused(two.guest, "POST", "/v1/bookings", good | wrong) == "bad_request", wrong
    assert await refused(two.guest, "POST", "/v1/bookings", good | {"practitioner_id": two.guest.id}) == (
        "not_found"
    )
    booking = await done(two.guest, "POST", "/v1/bookings", good | {"request_id": "one"})
    again = await done(two.guest, "POST", "/v1/bookings", good | {"request_id": "one"})
    assert again["id"] == booking["id"]
    stranger = await scene.guest(1)
    path = f"/v1/bookings/{booking['id']}"
    for method, body in (("GET", None), ("PATCH", {"starts_at_ms": 1, "version": 1}), ("DELETE", None)):
        assert await refused(stranger, method, path, body) == "not_found"
    assert await refused(stranger, "GET", f"{path}/calendar.ics") == "not_found"
    assert (await stranger.get("/v1/bookings"))["items"] == []
    for zone in ("Mars/Olympus", "../../etc/passwd", "Europe", ""):
        status = await refused(
            two.host,
            "PUT",
            "/v1/me/availability",
            {
                "zone": zone,
                "weekly": [],
                "exceptions": [],
                "notice_s": 0,
                "horizon_days": 1,
                "slot_s": 300,
                "buffer_s": 0,
                "version": 2,
            },
        )
        assert status == "bad_request"
    assert await refused(two.guest, "PUT", "/v1/me/availability", {}) == "forbidden"


async def test_a_private_calendar_that_can_be_made_anew_and_taken_back(scene: Scene) -> None:
    two = await pair(scene)
    booking = await two.book()
    status, kind, text = await two.guest.get_text(f"/v1/bookings/{booking['id']}/calendar.ics")
    assert (status, kind) == (200, "text/calendar")
    assert f"UID:{booking['id']}@" in text
    assert two.host.name in text
    assert "STATUS:CONFIRMED" in text

    async def read(url: str) -> tuple[int, str]:
        path = url[url.index("/v1/") :]
        async with scene.http.get(f"{scene.stack.hub_urls[0]}{path}") as response:
            return response.status, await response.text()

    first = (await two.host.post("/v1/me/calendar-link"))["url"]
    status, text = await read(first)
    assert status == 200
    assert text.count("BEGIN:VEVENT") == 1
    assert two.guest.name in text
    assert "@example.com" not in text
    second = (await two.host.post("/v1/me/calendar-link"))["url"]
    assert (await read(first))[0] == 404
    await done(two.guest, "DELETE", f"/v1/bookings/{booking['id']}")
    status, text = await read(second)
    assert (status, "STATUS:CANCELLED" in text, "SEQUENCE:1" in text) == (200, True, True)
    await done(two.host, "DELETE", "/v1/me/calendar-link")
    await done(two.host, "DELETE", "/v1/me/calendar-link")
    for url in (second, second[:-1], "/v1/me/calendar.ics", "/v1/me/calendar.ics?token=%00", second + "x"):
        assert (await read(url))[0] == 404
    (row,) = await scene.sql("select count(*) from calendar_links where person_id = $1", two.host.id)
    assert row["count"] == 0


async def test_hours_have_versions_and_are_one_s_own(scene: Scene) -> None:
    two = await pair(scene)
    own = await two.host.get("/v1/me/availability")
    assert (own["version"], own["zone"], len(own["weekly"])) == (1, "Europe/Paris", 7)
    changed = await open_hours(two.host, version=1, weekly=[{"weekday": 0, "from": "09:00", "to": "09:30"}])
    assert changed["version"] == 2
    for stale in (0, 1, 3):
        body = {key: value for key, value in changed.items() if key != "version"} | {"version": stale}
        assert await refused(two.host, "PUT", "/v1/me/availability", body) == "conflict"
    body = changed | {"weekly": [{"weekday": 7, "from": "09:00", "to": "09:30"}]}
    assert await refused(two.host, "PUT", "/v1/me/availability", body) == "bad_request"
    slots = await free(two.guest, two.host, days=8)
    assert {len(slots["items"])} <= {1, 2}
    none = await free(two.guest, two.host, minutes=60, days=62)
    assert none["items"] == []
    path = f"/v1/practitioners/{two.host.id}/slots"
    for query in ("", "?from_ms=1&to_ms=1&duration_s=1800", "?from_ms=0&to_ms=9999999999999&duration_s=1800"):
        assert await refused(two.guest, "GET", path + query) == "bad_request"


async def test_another_worker_goes_on_where_one_was_killed(scene: Scene) -> None:
    two = await pair(scene)
    booking = await two.book()
    scene.stack.kill(scene.stack.workers[-1])
    await two.nearer(booking, starts_in_ms=55_000)
    scene.stack.start_worker()
    await until(lambda: _has_hold(scene, booking["id"]), "no hold was placed", within_s=45)
    scene.stack.kill(scene.stack.workers[-1])
    scene.stack.start_worker()
    await lobby(two, booking)
    await two.guest.ask("room:join", session_id=booking["id"])
    await two.host.ask("room:join", session_id=booking["id"])
    await done(two.host, "DELETE", f"/v1/bookings/{booking['id']}")
    assert await two.collected(booking) == [0]
    intents = await scene.stripe("payment_intents", booking["id"])
    assert len(intents) == 1
