"""Whoever has booked, hosts a room, waits or wrote a review wants to be erased: what becomes of all that."""

from sandbox.visitor import Json, Visitor
from tests.acceptance.booked import MINUTE_MS, done, now_ms, pair, refused
from tests.acceptance.residue import Search
from tests.acceptance.scene import Scene, until
from tests.acceptance.test_erasure import KNOWN_BY_ID, dsn, gone
from tests.acceptance.test_reviews import KIND, paid

WHY = "what-they-wrote-when-they-cancelled"
TITLE = "the-title-by-which-it-is-known"
FREE = {"kind": "free"}


async def left(scene: Scene, search: Search) -> list[str]:
    """Where the record still has something of what is looked for, and should not."""
    return [one for one in await search.tables(dsn(scene)) if one.partition(": ")[0] not in KNOWN_BY_ID]


async def called_off(visitor: Visitor, booking: Json) -> Json:
    """The booking as one sees it, once it is called off."""
    found: list[Json] = []

    async def over() -> bool:
        found[:] = [await visitor.get(f"/v1/bookings/{booking['id']}")]
        return bool(found[0]["state"] == "cancelled")

    await until(over, "the booking still stands")
    assert found[0]["end_reason"] == "booking_called_off"
    return found[0]


async def test_a_guest_who_leaves(scene: Scene) -> None:
    two = await pair(scene)
    guest, host = two.guest, two.host
    other = await scene.host(0)
    room = await other.post("/v1/live-rooms", {"title": "A quiet circle", "seats": 2, "price": FREE})
    dropped = await two.book(nth=60)
    await done(guest, "DELETE", f"/v1/bookings/{dropped['id']}", {"reason": WHY})
    assert (await host.get(f"/v1/bookings/{dropped['id']}"))["reason"] == WHY
    booking = await two.book()
    await done(guest, "PUT", f"/v1/me/favourites/{host.id}")
    await done(guest, "PUT", f"/v1/me/waitlist/{host.id}")
    search = Search({"id": guest.id, "name": two.person["name"], "why": WHY})

    assert (await done(guest, "DELETE", "/v1/me"))["state"] == "requested"
    await host.hear("notice", lambda body: body["code"] == "booking_called_off")
    await called_off(host, booking)
    slot = {"practitioner_id": host.id, "starts_at_ms": booking["starts_at_ms"], "duration_s": 1_800}
    assert await refused(guest, "POST", "/v1/bookings", slot) == "forbidden"
    assert await refused(guest, "PUT", f"/v1/me/waitlist/{other.id}") == "forbidden"
    assert await guest.refusal("room:knock", session_id=room["id"], request_id="k") == "forbidden"

    await gone(scene, guest)
    assert await left(scene, search) == []
    kept = await host.get(f"/v1/bookings/{dropped['id']}")
    assert (kept["guest"]["name"], kept["reason"], kept["state"]) == ("Removed person", None, "cancelled")
    for table in ("favourites", "waitlist"):
        assert await scene.sql(f"select from {table} where practitioner_id = $1", host.id) == []


async def test_a_practitioner_who_leaves(scene: Scene) -> None:
    two = await pair(scene)
    guest, host = two.guest, two.host
    booking = await two.book()
    asked = {"title": TITLE, "seats": 3, "price": FREE, "starts_at_ms": now_ms() + 60 * MINUTE_MS}
    room = await host.post("/v1/live-rooms", asked)
    assert room["id"] in [one["id"] for one in (await guest.get("/v1/live-rooms"))["items"]]
    search = Search({"id": host.id, "title": TITLE})

    assert (await done(host, "DELETE", "/v1/me"))["state"] == "requested"
    await called_off(guest, booking)
    assert room["id"] not in [one["id"] for one in (await guest.get("/v1/live-rooms"))["items"]]
    assert await refused(host, "POST", "/v1/live-rooms", asked) == "forbidden"
    slot = {"practitioner_id": host.id, "starts_at_ms": booking["starts_at_ms"], "duration_s": 1_800}
    assert await refused(guest, "POST", "/v1/bookings", slot) in ("conflict", "not_found")

    await gone(scene, host)
    assert await left(scene, search) == []
    kept = await guest.get(f"/v1/bookings/{booking['id']}")
    assert kept["practitioner"]["name"] == "Removed person"
    [row] = await scene.sql("select title, closed_at_ms from live_rooms where session_id = $1", room["id"])
    assert row["title"] == b""
    assert row["closed_at_ms"] is not None
    assert await scene.sql("select from availability where practitioner_id = $1", host.id) == []


async def test_what_they_wrote_of_others_goes_and_the_rating_with_it(scene: Scene) -> None:
    guest, host, watcher = await scene.guest(0), await scene.host(1), await scene.guest(1)
    await watcher.ask("directory:watch")
    async with paid(scene, guest, host) as session_id:
        made = await guest.post(f"/v1/sessions/{session_id}/reviews", {"rating": 5, "text": KIND})
        await host.post(f"/v1/reviews/{made['id']}/answer", {"text": "Thank you."})
        await watcher.hear("directory:changed", lambda body: body.get("rating_count") == 1)
        await done(guest, "DELETE", "/v1/me")
        await gone(scene, guest)
    assert (await watcher.get(f"/v1/practitioners/{host.id}/reviews"))["items"] == []
    assert await scene.sql("select from review_versions where review_id = $1", made["id"]) == []
    told = await watcher.hear("directory:changed", lambda body: body.get("rating_count") == 0)
    assert (told["id"], told["rating"]) == (host.id, None)
