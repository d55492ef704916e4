"""Which times can be booked, and by whom: hours, slots, bookings that move, and calendars to subscribe to."""

import asyncio

import pytest

from hub.bookings.making import BOOKED_MAX
from sandbox.visitor import Json, Visitor
from tests.acceptance.booked import Pair, done, free, has_hold, now_ms, open_hours, pair, refused
from tests.acceptance.scene import Scene, until
from tests.stack import Stack


@pytest.fixture
def stack(timely: Stack) -> Stack:
    return timely


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
        lambda: has_hold(scene, booking["id"]),
        "no hold was placed",
    )
    assert await refused(two.guest, "PATCH", path, wanted | {"version": 2}) == "conflict"
    room = {"title": "A circle", "seats": 5, "price": {"kind": "free"}}
    assert await refused(two.host, "POST", "/v1/live-rooms", room) == "conflict"
    other = await scene.host(0)
    opened = await done(other, "POST", "/v1/live-rooms", room)
    assert await two.guest.refusal("room:knock", request_id="k", session_id=opened["id"]) == "conflict"


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
