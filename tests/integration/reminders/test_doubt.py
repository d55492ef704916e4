"""Lost answers, errors and killed workers: nobody is told the same twice, whatever dies and whenever."""

import pytest

from hub.workers.doubtful_reminders import LOOK_FIRST_MS, LOST_AFTER_MS
from hub.workers.reminders import LEASE_MS
from rooms.ids import SessionId
from tests.integration.reminders.desk import GUEST_PHONE, HOUR_MS, MINUTE_MS, Desk

CREATE = {"match": {"method": "POST"}}
LIST = {"match": {"method": "GET"}}


async def booked(desk: Desk, phone: str = GUEST_PHONE) -> SessionId:
    host, guest = await desk.person("practitioner", None), await desk.person("guest", phone)
    return await desk.book(host, guest, in_ms=24 * HOUR_MS)


async def test_an_answer_that_is_lost_is_looked_up(desk: Desk) -> None:
    booking = await booked(desk)
    await desk.fault("apply_then_drop", **CREATE)
    await desk.duty().run_once()
    assert (await desk.reminder(booking)).state == "sending"
    await desk.duty().run_once()
    assert len(await desk.inbox()) == 1
    desk.wait(LOOK_FIRST_MS)
    await desk.fault("500", **LIST)
    await desk.duty().run_once()
    assert (await desk.reminder(booking)).state == "sending"
    desk.wait(2 * MINUTE_MS)
    await desk.duty().run_once()
    found = await desk.reminder(booking)
    (message,) = await desk.inbox()
    assert (found.state, found.sid) == ("sent", message["sid"])


async def test_a_report_tells_that_it_went_out(desk: Desk) -> None:
    booking = await booked(desk)
    await desk.fault("apply_then_drop", **CREATE)
    await desk.duty().run_once()
    await desk.heard(3)
    found = await desk.reminder(booking)
    (message,) = await desk.inbox()
    assert (found.state, found.sid) == ("delivered", message["sid"])


async def test_what_is_never_found_is_lost_and_not_sent_again(desk: Desk) -> None:
    booking = await booked(desk)
    await desk.fault("500", **CREATE)
    for _ in range(15):
        await desk.duty().run_once()
        desk.wait(MINUTE_MS)
    assert (await desk.reminder(booking)).state == "lost"
    assert await desk.inbox() == []


@pytest.mark.parametrize("step", ["sending", "answered"])
async def test_a_worker_that_is_killed(desk: Desk, step: str) -> None:
    """Before it went out, or after: it is never sent again, and what went out is found."""
    booking = await booked(desk)
    await desk.killed(step)
    sent = 0 if step == "sending" else 1
    assert len(await desk.inbox()) == sent
    desk.wait(LOOK_FIRST_MS)
    await desk.duty().run_once()
    assert (await desk.reminder(booking)).state == ("sent" if sent else "sending")
    desk.wait(LOST_AFTER_MS + LEASE_MS)
    await desk.duty().run_once()
    assert (await desk.reminder(booking)).state == ("sent" if sent else "lost")
    assert len(await desk.inbox()) == sent


async def test_what_certainly_did_not_go_out_is_tried_again(desk: Desk) -> None:
    booking = await booked(desk)
    await desk.fault("429", **CREATE)
    await desk.duty().run_once()
    found = await desk.reminder(booking)
    assert (found.state, found.attempts, found.sent_at_ms) == ("due", 1, None)
    desk.wait(MINUTE_MS)
    await desk.duty().run_once()
    assert (await desk.reminder(booking)).state == "sent"
    assert len(await desk.inbox()) == 1


async def test_nobody_at_the_address_is_certain_too(desk: Desk) -> None:
    booking = await booked(desk)
    away = Desk(
        desk.dsn, desk.pool, desk.owner, "http://127.0.0.1:9", desk.public_url, desk.gateway, desk.time_ms
    )
    await away.duty(desk.http).run_once()
    assert (await desk.reminder(booking)).state == "due"


async def test_a_process_that_slept_does_not_send_any_more(desk: Desk) -> None:
    booking = await booked(desk)

    async def sleeps(step: str) -> None:
        desk.wait(HOUR_MS if step == "sending" else 0)

    await desk.duty(reached=sleeps).run_once()
    assert (await desk.reminder(booking)).state == "due"
    assert await desk.inbox() == []


async def test_who_wrote_stop_to_twilio_has_taken_their_consent_back(desk: Desk) -> None:
    """Twilio's own list decides: they agree again on the page, and have not written START."""
    host, guest = await desk.person("practitioner", None), await desk.person("guest", GUEST_PHONE)
    booking = await desk.book(host, guest, in_ms=HOUR_MS)
    await desk.text(GUEST_PHONE, "STOP")
    await desk.decide(guest, granted=True, at_ms=desk.time_ms - HOUR_MS)
    await desk.duty().run_once()
    found = await desk.reminder(booking)
    assert (found.state, found.reason, found.error) == ("failed", "unsubscribed", 21610)
    assert not await desk.agrees(guest)
    await desk.text(GUEST_PHONE, "START")
    assert await desk.agrees(guest)


async def test_what_cannot_be_delivered(desk: Desk) -> None:
    booking = await booked(desk, "+33612330003")
    await desk.duty().run_once()
    await desk.heard(3)
    found = await desk.reminder(booking)
    assert (found.state, found.error) == ("failed", 30003)
    desk.wait(HOUR_MS)
    await desk.duty().run_once()
    assert len(await desk.inbox()) == 1
