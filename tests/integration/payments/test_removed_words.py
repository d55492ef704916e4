"""What admins wrote about somebody is under that person's key: without it staff read that it was removed."""

from store.postgres import admin, refunds
from store.privacy.bindings import refund_aad
from store.privacy.texts import REMOVED, shown
from tests.integration.payments.desk import Desk
from tests.integration.payments.office import Office


async def test_reasons_end_with_the_guests_key_and_the_money_goes_on(desk: Desk, office: Office) -> None:
    room = await office.charged()
    guest_id = room.guests[0].user_id
    _, asked = await office.refund(room, 5)
    assert asked["reason"] == "It was cold."
    record = await refunds.refund(desk.pool, asked["id"])
    assert record is not None
    assert (record.guest_id, record.reason is None) == (guest_id, False)
    await desk.keyring().shred(guest_id)
    # Another process, with no key in its memory.
    ring = desk.keyring()
    assert await shown(ring, record.guest_id, refund_aad(record.id), record.reason) == REMOVED
    [noted] = [
        one
        for one in await admin.actions(desk.pool, before=None, limit=50)
        if (one.subject, one.action) == (asked["id"], "refund_requested")
    ]
    assert noted.sealed_for == guest_id
    assert await admin.reason_of(ring, noted) == REMOVED
    status, later = await office.refund(room, 6)
    assert (status, later["reason"], later["state"]) == (200, REMOVED, "approved")
    kept = await refunds.refund(desk.pool, later["id"])
    assert kept is not None
    assert kept.reason is None
    await office.run(1)
    assert await office.broken() == []


async def test_reading_makes_nobody_a_key(desk: Desk, office: Office) -> None:
    """An id that was put in somebody's place has no key, and gets none by being looked at."""
    room = await office.charged()
    _, asked = await office.refund(room, 5)
    another = "00000000-0000-4000-8000-000000000001"
    assert await shown(desk.keyring(), another, refund_aad(asked["id"]), b"\x01sealed") == REMOVED
    made = "select count(*) from subject_keys where subject_id = $1"
    assert await desk.pool.fetchval(made, another) == 0
