"""Reminders of booked sessions, from consent to STOP: real hubs, two workers, and the sandbox's Twilio."""

import signal
from collections.abc import AsyncIterator, Iterator
from typing import Final

import pytest

from sandbox.postgres import PostgresAddress
from sandbox.visitor import Json, Visitor
from tests.acceptance.booked import done, now_ms, pair
from tests.acceptance.conftest import UNLIMITED, running_stack
from tests.acceptance.scene import Scene, until
from tests.stack import Stack

GUEST_PHONE, HOST_PHONE = "+33612345678", "+33612345679"
SETTINGS: Final = {"REMINDERS": "3600,600", "QUIET_HOURS": "0-0"}
SOON_MS: Final = 3_000


@pytest.fixture(scope="module")
def reminding(
    postgres_cluster: PostgresAddress,
    migrated_template: PostgresAddress,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    with running_stack(postgres_cluster, tmp_path_factory, UNLIMITED | SETTINGS) as running:
        running.start_worker()
        yield running


@pytest.fixture
async def scene(reminding: Stack) -> AsyncIterator[Scene]:
    playing = Scene(reminding)
    yield playing
    await playing.close()


async def agree(visitor: Visitor, phone: str) -> None:
    own = await visitor.get("/v1/me")
    await done(visitor, "PATCH", "/v1/me", {"version": own["version"], "phone": phone})
    await done(visitor, "PUT", "/v1/me/consents/sms", {"granted": True})


async def in_a_moment(scene: Scene, booking: Json, lead_s: int) -> None:
    """The booking is so far away that its reminder falls due in a moment."""
    start = now_ms() + lead_s * 1000 + SOON_MS
    await scene.sql(
        "update bookings set starts_at_ms = $2, ends_at_ms = $2::bigint + 1800000 where id = $1",
        booking["id"],
        start,
    )


async def texts(scene: Scene, phone: str) -> list[Json]:
    url = f"{scene.stack.sandbox_url}/twilio/inbox"
    async with scene.http.get(url, params={"to": phone}) as response:
        told: list[Json] = await response.json()
        return told


async def texted(scene: Scene, phone: str, count: int) -> Json:
    """The last text to a number, once there are so many."""

    async def there() -> bool:
        return len(await texts(scene, phone)) == count

    await until(there, f"{phone} never got {count} texts")
    return (await texts(scene, phone))[0]


async def became(scene: Scene, who: Visitor, lead_s: int, wanted: str) -> Json:
    """What became of a reminder."""
    found: list[Json] = []

    async def so() -> bool:
        rows = await scene.sql(
            "select state, reason, sid from reminders where person_id = $1 and lead_s = $2", who.id, lead_s
        )
        found[:] = [dict(row) for row in rows]
        return [row["state"] for row in found] == [wanted]

    await until(so, f"the reminder never became {wanted}: {found}")
    return found[0]


async def test_stop_and_the_next_is_suppressed(scene: Scene) -> None:
    two = await pair(scene)
    await agree(two.guest, GUEST_PHONE)
    await agree(two.host, HOST_PHONE)
    booking = await two.book()

    await in_a_moment(scene, booking, 3600)
    text = await texted(scene, GUEST_PHONE, 1)
    assert two.host.name.split()[0] in text["body"]
    assert scene.stack.env["PUBLIC_URL"] in text["body"]
    assert two.guest.name not in (await texted(scene, HOST_PHONE, 1))["body"]
    delivered = await became(scene, two.guest, 3600, "delivered")
    assert delivered["sid"] == text["sid"]

    url = f"{scene.stack.sandbox_url}/twilio/inbound"
    async with scene.http.post(url, json={"from": GUEST_PHONE, "body": "STOP"}) as response:
        assert response.status == 202

    async def withdrawn() -> bool:
        told = await two.guest.get("/v1/me/consents")
        return not any(one["granted"] for one in told["items"] if one["purpose"] == "sms")

    await until(withdrawn, "STOP was not heard")
    scene.stack.kill(scene.stack.workers[0], signal.SIGKILL)
    await in_a_moment(scene, booking, 600)
    await texted(scene, HOST_PHONE, 2)
    assert (await became(scene, two.guest, 600, "suppressed"))["reason"] == "no_consent"
    assert len(await texts(scene, GUEST_PHONE)) == 1
