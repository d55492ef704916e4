"""What goes to Twilio is on record before it goes: whose number, and whose name."""

from tests.integration.reminders.desk import GUEST_PHONE, HOUR_MS, Desk


async def test_the_guests_number_and_the_practitioners_name(desk: Desk) -> None:
    host, guest = await desk.person("practitioner", None), await desk.person("guest", GUEST_PHONE)
    await desk.book(host, guest, in_ms=HOUR_MS)
    await desk.duty().run_once()
    rows = await desk.pool.fetch(
        "select person_id::text, purpose, fields from disclosures where vendor = 'twilio'"
    )
    assert {row["person_id"]: (row["purpose"], row["fields"]) for row in rows} == {
        guest: ("reminder", ["people.phone", "bookings.starts_at_ms"]),
        host: ("reminder_named", ["people.name"]),
    }


async def test_it_is_noted_by_the_transaction_that_says_that_it_goes_out(desk: Desk) -> None:
    host, guest = await desk.person("practitioner", None), await desk.person("guest", GUEST_PHONE)
    await desk.book(host, guest, in_ms=HOUR_MS)
    await desk.killed("sending")
    written_by = await desk.owner.fetch(
        "select xmin::text from reminders where state = 'sending'"
        " union all select xmin::text from disclosures where vendor = 'twilio'"
    )
    assert len(written_by) == 3
    assert len({row["xmin"] for row in written_by}) == 1
