"""People who book: what the acceptance tests of bookings begin with.

Starts lie on a grid of five minutes, so a booking that was made is brought near by the owner of the database,
with all its times.
"""

import time
from dataclasses import dataclass
from typing import Final

import aiohttp

from sandbox.visitor import Json, Refused, Visitor
from tests.acceptance.scene import FAST_MINOR_PER_MINUTE, Scene, until

MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000
ALWAYS: Final = [{"weekday": day, "from": "00:00", "to": "24:00"} for day in range(7)]
TIMES: Final = {
    "BOOKING_HOLD_S": "60",
    "LOBBY_OPENS_S": "40",
    "NO_SHOW_S": "3",
    "BOOKING_QUIET_S": "30",
    "RECONNECT_GRACE_S": "1",
    "PING_INTERVAL_S": "1",
    "PING_TIMEOUT_S": "8",
}
"""A free cancellation ends a minute before the start; who has booked can think again for five at most."""


def now_ms() -> int:
    return int(time.time() * 1000)


async def request(
    visitor: Visitor, method: str, path: str, body: object = None, **query: str
) -> tuple[int, Json]:
    """Any HTTP request of the hub: status and body."""
    headers = {"Authorization": f"Bearer {visitor.token}"}
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, f"{visitor.hub}{path}", headers=headers, json=body, params=query) as response,
    ):
        return response.status, await response.json()


async def done(visitor: Visitor, method: str, path: str, body: object = None, **query: str) -> Json:
    """The same, answered with yes. Raises Refused."""
    status, answer = await request(visitor, method, path, body, **query)
    if status != 200:
        raise Refused({**answer["error"], "status": status})
    return answer


async def refused(visitor: Visitor, method: str, path: str, body: object = None) -> str:
    """The same, answered with no: the code."""
    status, answer = await request(visitor, method, path, body)
    assert status != 200, answer
    return str(answer["error"]["code"])


async def open_hours(host: Visitor, *, version: int = 0, **changed: object) -> Json:
    """The practitioner can be booked at any hour."""
    hours: Json = {
        "zone": "Europe/Paris",
        "weekly": ALWAYS,
        "exceptions": [],
        "notice_s": 0,
        "horizon_days": 60,
        "slot_s": 300,
        "buffer_s": 0,
        "version": version,
    }
    return await done(host, "PUT", "/v1/me/availability", hours | changed)


async def free(guest: Visitor, host: Visitor, *, minutes: int = 30, days: int = 1) -> Json:
    """The practitioner's free slots."""
    return await guest.get(
        f"/v1/practitioners/{host.id}/slots",
        from_ms=str(now_ms()),
        to_ms=str(now_ms() + days * DAY_MS),
        duration_s=str(minutes * 60),
    )


@dataclass
class Pair:
    """A guest with a card, and a practitioner who can be booked; and what is booked."""

    scene: Scene
    guest: Visitor
    host: Visitor
    person: Json

    async def book(self, *, minutes: int = 30, nth: int = 2) -> Json:
        """One of the next free slots, far enough ahead that nothing happens by itself."""
        slots = await free(self.guest, self.host, minutes=minutes)
        body = {
            "practitioner_id": self.host.id,
            "starts_at_ms": slots["items"][nth]["starts_at_ms"],
            "duration_s": minutes * 60,
        }
        return await self.guest.post("/v1/bookings", body)

    async def nearer(self, booking: Json, *, starts_in_ms: int, ends_in_ms: int | None = None) -> None:
        """Let it begin in a moment: its money is due by then."""
        start = now_ms() + starts_in_ms
        lasts = booking["ends_at_ms"] - booking["starts_at_ms"]
        end = start + lasts if ends_in_ms is None else now_ms() + ends_in_ms
        await self.scene.sql(
            "update bookings set starts_at_ms = $2, ends_at_ms = $3, due_at_ms = 0, free_until_ms = $4"
            " where id = $1",
            booking["id"],
            start,
            end,
            start - 60_000,
        )

    async def state(self, booking: Json, wanted: str) -> Json:
        """The booking, once it is in this state."""
        found: list[Json] = []

        async def as_wanted() -> bool:
            found[:] = [await self.guest.get(f"/v1/bookings/{booking['id']}")]
            return bool(found[0]["state"] == wanted)

        await until(as_wanted, f"the booking was never {wanted}")
        return found[0]

    async def receipt(self, booking: Json) -> Json:
        """What it came to, once that is on record."""
        got: list[Json] = []

        async def there() -> bool:
            status, answer = await request(self.guest, "GET", f"/v1/sessions/{booking['id']}/receipt")
            got[:] = [answer]
            return status == 200

        await until(there, "there is no receipt")
        return got[0]

    async def collected(self, booking: Json) -> list[int]:
        """What each hold brought in at Stripe, once none stands any more."""
        brought: list[int] = []

        async def over() -> bool:
            intents = await self.scene.stripe("payment_intents", booking["id"])
            brought[:] = [intent["amount_received"] for intent in reversed(intents)]
            ends = ("succeeded", "canceled", "requires_payment_method")
            return all(intent["status"] in ends for intent in intents)

        await until(over, "a hold remains")
        return brought


async def pair(scene: Scene, *, rate_minor: int = FAST_MINOR_PER_MINUTE) -> Pair:
    """Two who can book each other; the practitioner is not online for instant sessions."""
    person, other = await scene.person("guest"), await scene.person("practitioner")
    await scene.sql(
        "update practices set rate_minor_per_minute = $2 where practitioner_id = $1", other["id"], rate_minor
    )
    guest, host = await scene.enter(person, 0), await scene.enter(other, 1)
    await open_hours(host)
    return Pair(scene, guest, host, person)


async def has_hold(scene: Scene, session_id: str) -> bool:
    """Whether the money for a booking is held."""
    intents = await scene.stripe("payment_intents", session_id)
    return any(intent["status"] == "requires_capture" for intent in intents)
