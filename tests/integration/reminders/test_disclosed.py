"""What goes to Twilio is on record before it goes: whose number, and whose name."""

from hub.workers.reminders import note_disclosed
from tests.integration.reminders.desk import GUEST_PHONE, HOUR_MS, Desk, duty_of


async def test_the_guests_number_and_the_practitioners_name(desk: Desk) -> None:
    host, guest = await desk.person("practitioner", None), await desk.person("guest", GUEST_PHONE)
    await desk.book(host, guest, in_ms=HOUR_MS)
    await duty_of(
        desk.pool, desk.http, desk.base, desk.public_url, desk.now_ms, note=note_disclosed
    ).run_once()
    rows = await desk.pool.fetch(
        "select person_id::text, purpose, fields from disclosures where vendor = 'twilio'"
    )
    assert {row["person_id"]: (row["purpose"], row["fields"]) for row in rows} == {
        guest: ("reminder", ["people.phone", "bookings.starts_at_ms"]),
        host: ("reminder_named", ["people.name"]),
    }
