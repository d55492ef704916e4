"""People read their own reminders, and nobody else's."""

import asyncpg
import pytest

from store.postgres.pool import acting_as
from tests.integration.reminders.desk import GUEST_PHONE, HOST_PHONE, HOUR_MS, Desk


async def test_each_reads_their_own(desk: Desk) -> None:
    host, guest = await desk.person("practitioner", HOST_PHONE), await desk.person("guest", GUEST_PHONE)
    await desk.book(host, guest, in_ms=HOUR_MS)
    await desk.duty().run_once()
    await desk.text(GUEST_PHONE, "STOP")
    for who, stops in ((host, 0), (guest, 1)):
        async with acting_as(desk.pool, who) as connection:
            rows = await connection.fetch("select person_id, state, sent_at_ms from reminders")
            assert [row["person_id"] for row in rows] == [who]
            assert await connection.fetchval("select count(consent_id) from sms_stops") == stops


@pytest.mark.parametrize("column", ["number", "number_mark", "prefix", "sid"])
async def test_what_is_for_sending_is_not_read(desk: Desk, column: str) -> None:
    guest = await desk.person("guest", GUEST_PHONE)
    async with acting_as(desk.pool, guest) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch(f"select {column} from reminders")
