"""Reminders through Twilio's own library: to whom, when, what happens to those who should get none."""

import asyncio
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from rooms.ids import SessionId
from rooms.reminders import Quiet
from rooms.texting import PLACES, places
from tests.integration.reminders.desk import GUEST_PHONE, HOST_PHONE, HOUR_MS, MINUTE_MS, Desk


async def booked(desk: Desk, *, in_ms: int = HOUR_MS, phone: str | None = GUEST_PHONE) -> SessionId:
    host, guest = await desk.person("practitioner", None), await desk.person("guest", phone)
    return await desk.book(host, guest, in_ms=in_ms)


async def test_both_are_reminded_once_at_each_time(desk: Desk) -> None:
    host = await desk.person("practitioner", HOST_PHONE, language="fr")
    guest = await desk.person("guest", GUEST_PHONE)
    booking = await desk.book(host, guest, in_ms=24 * HOUR_MS)
    for leads, wait_ms in ((2, 23 * HOUR_MS), (4, 50 * MINUTE_MS), (6, 0)):
        await asyncio.gather(*(desk.duty().run_once() for _ in range(4)))
        await desk.duty().run_once()
        assert len(await desk.inbox()) == leads
        desk.wait(wait_ms)
    texts = await desk.inbox()
    assert {message["to"] for message in texts} == {GUEST_PHONE, HOST_PHONE}
    for message in texts:
        assert (places(message["body"]) or 999) <= PLACES
        assert ("Practitioner Name" in message["body"]) == (message["to"] == GUEST_PHONE)
        assert "Guest Name" not in message["body"]
        assert ("séance" in message["body"]) == (message["to"] == HOST_PHONE)
    await desk.heard(18)
    assert await desk.states(booking) == [("delivered", None)] * 6
    assert sorted(await desk.noted()) == sorted(
        [(guest, "reminder"), (host, "reminder_named"), (host, "reminder")] * 3
    )
    assert await desk.pool.fetchval("select count(*) from reminders where number is not null") == 0


async def test_nothing_that_was_due_before_it_was_booked(desk: Desk) -> None:
    host, guest = await desk.person("practitioner", None), await desk.person("guest", GUEST_PHONE)
    booking = await desk.book(host, guest, in_ms=40 * MINUTE_MS, made_ms_ago=0)
    await desk.duty().run_once()
    assert await desk.states(booking) == []
    desk.wait(30 * MINUTE_MS)
    await desk.duty().run_once()
    assert [one.lead_s for one in await desk.reminders(booking)] == [600]


async def test_late_is_better_than_never_up_to_half(desk: Desk) -> None:
    late, too_late = await booked(desk, in_ms=31 * MINUTE_MS), await booked(desk, in_ms=29 * MINUTE_MS)
    await desk.duty().run_once()
    assert await desk.states(late) == [("sent", None)]
    assert await desk.states(too_late) == []


async def test_without_consent_or_number_nothing_is_even_noted(desk: Desk) -> None:
    host = await desk.person("practitioner", HOST_PHONE, consents_=False)
    booking = await desk.book(host, await desk.person("guest", None), in_ms=HOUR_MS)
    await desk.duty().run_once()
    assert await desk.states(booking) == []


async def test_consent_is_read_when_it_is_sent(desk: Desk) -> None:
    host, guest = await desk.person("practitioner", None), await desk.person("guest", GUEST_PHONE)
    booking = await desk.book(host, guest, in_ms=HOUR_MS)
    await desk.duty(per_person_per_day=0, per_prefix_per_hour=0).run_once()
    await desk.decide(guest, granted=False)
    desk.wait(50 * MINUTE_MS)
    await desk.duty().run_once()
    assert await desk.states(booking) == [("sent", None), ("suppressed", "no_consent")]
    assert len(await desk.inbox()) == 1


async def test_a_no_in_the_very_moment_is_heard(desk: Desk) -> None:
    """It was decided to send; then they take their consent back, before it is on record that it goes out."""
    host, guest = await desk.person("practitioner", None), await desk.person("guest", GUEST_PHONE)
    booking = await desk.book(host, guest, in_ms=HOUR_MS)
    async with desk.pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "select pg_advisory_xact_lock(hashtextextended('consents:' || $1::uuid::text, 0))", guest
        )
        running = asyncio.create_task(desk.duty().run_once())
        await desk.until("select count(*) > 0 from pg_locks where not granted")
        await connection.execute(
            "insert into consents (person_id, purpose, granted, at_ms) values ($1, 'sms', false, 1)", guest
        )
    await running
    assert await desk.states(booking) == [("suppressed", "no_consent")]
    assert await desk.inbox() == []


@pytest.mark.parametrize("phone", ["+33142345678", "+33891701234"])
async def test_no_landline_and_nothing_that_costs_extra(desk: Desk, phone: str) -> None:
    booking = await booked(desk, phone=phone)
    await desk.duty().run_once()
    assert await desk.states(booking) == [("suppressed", "not_mobile")]


@pytest.mark.parametrize(("state", "reason"), [("cancelled", "cancelled"), ("started", "begun")])
async def test_what_waits_is_left_out_when_it_is_no_more(desk: Desk, state: str, reason: str) -> None:
    booking = await booked(desk)
    await desk.fault("429")
    await desk.duty().run_once()
    assert await desk.states(booking) == [("due", None)]
    await desk.state(booking, state)
    desk.wait(MINUTE_MS)
    await desk.duty().run_once()
    assert await desk.states(booking) == [("suppressed", reason)]
    assert await desk.inbox() == []


async def test_moved_away_and_back(desk: Desk) -> None:
    booking = await booked(desk)
    starts_at_ms = desk.now_ms() + HOUR_MS
    await desk.fault("429")
    await desk.duty().run_once()
    await desk.move(booking, to_ms=starts_at_ms + HOUR_MS)
    desk.wait(MINUTE_MS)
    await desk.duty().run_once()
    assert await desk.states(booking) == [("suppressed", "moved")]
    await desk.move(booking, to_ms=starts_at_ms)
    await desk.duty().run_once()
    assert await desk.states(booking) == [("sent", None)]
    await desk.move(booking, to_ms=starts_at_ms + HOUR_MS)
    await desk.move(booking, to_ms=starts_at_ms)
    await desk.duty().run_once()
    assert len(await desk.inbox()) == 1


async def test_a_new_time_has_its_own_reminders(desk: Desk) -> None:
    booking = await booked(desk)
    await desk.duty().run_once()
    await desk.move(booking, to_ms=desk.now_ms() + 2 * HOUR_MS)
    desk.wait(HOUR_MS)
    await desk.duty().run_once()
    assert len(await desk.inbox()) == 2


async def test_who_is_suspended_or_about_to_be_removed_gets_none(desk: Desk) -> None:
    host, guest = await desk.person("practitioner", HOST_PHONE), await desk.person("guest", GUEST_PHONE)
    booking = await desk.book(host, guest, in_ms=HOUR_MS)
    await desk.owner.execute(
        "insert into erasures (receipt, user_id, source, received_at_ms, verified_at_ms,"
        " cancellable_until_ms, vendors_by_ms, due_by_ms, next_at_ms)"
        " values (gen_random_uuid(), $1, 'self', 1, 1, 1, 1, 1, 1)",
        guest,
    )
    await desk.duty().run_once()
    assert sorted(await desk.states(booking), key=str) == [("sent", None), ("suppressed", "barred")]


async def test_floods_to_one_block_of_numbers_wait_and_lapse(desk: Desk) -> None:
    made = [await booked(desk, phone=f"+3361234{n:04}") for n in range(4)]
    duty = desk.duty(per_prefix_per_hour=2)
    await asyncio.gather(*(desk.duty(per_prefix_per_hour=2).run_once() for _ in range(3)))
    await duty.run_once()
    assert len(await desk.inbox()) == 2
    desk.wait(31 * MINUTE_MS)
    await duty.run_once()
    found = sorted([(await desk.reminder(booking)).state for booking in made])
    assert found == ["expired", "expired", "sent", "sent"]


async def test_one_number_in_many_names_counts_as_one(desk: Desk) -> None:
    made = [await booked(desk) for _ in range(3)]
    await desk.duty(per_person_per_day=2).run_once()
    assert sorted([(await desk.reminder(one)).state for one in made]) == ["due", "sent", "sent"]


def quiet_now(desk: Desk, zone: str) -> Quiet:
    """Quiet is this hour by the clocks of a zone, and the next one is not."""
    hour = datetime.fromtimestamp(desk.time_ms / 1000, ZoneInfo(zone)).hour
    return Quiet(hour, (hour + 1) % 24)


async def test_quiet_hours_are_those_of_the_recipient(desk: Desk) -> None:
    """Both numbers are French, and the practitioner works by the clocks of Tokyo."""
    host, guest = await desk.person("practitioner", HOST_PHONE), await desk.person("guest", GUEST_PHONE)
    await desk.owner.execute(
        "insert into availability (practitioner_id, zone, weekly, exceptions, notice_s, horizon_days, slot_s,"
        " buffer_s, changed_at_ms) values ($1, 'Asia/Tokyo', '[]', '[]', 0, 1, 300, 0, 0)",
        host,
    )
    booking = await desk.book(host, guest, in_ms=24 * HOUR_MS)
    quiet = quiet_now(desk, "Europe/Paris")
    await desk.duty(quiet=quiet).run_once()
    (text,) = await desk.inbox()
    assert text["to"] == HOST_PHONE
    assert "(Tokyo)" in text["body"]
    waiting = next(one for one in await desk.reminders(booking) if one.person_id == guest)
    assert waiting.state == "due"
    assert desk.time_ms < waiting.next_at_ms <= desk.time_ms + HOUR_MS
    desk.time_ms = waiting.next_at_ms
    await desk.duty(quiet=quiet).run_once()
    assert len(await desk.inbox()) == 2


async def test_ten_minutes_notice_wakes_nobody(desk: Desk) -> None:
    booking = await booked(desk, in_ms=10 * MINUTE_MS)
    # Into the middle of the hour, where its end is too far away.
    hour = datetime.fromtimestamp(desk.time_ms / 1000, ZoneInfo("Europe/Paris")).hour
    await desk.duty(quiet=Quiet(hour, (hour + 2) % 24)).run_once()
    assert await desk.states(booking) == [("suppressed", "quiet")]
    assert await desk.inbox() == []
