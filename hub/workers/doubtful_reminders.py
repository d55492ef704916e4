"""Reminders that may have gone out: looked for at Twilio by the reference in their text, never sent again.

What was sent a moment ago may not be listed yet, so it is looked for several times. Each status callback also
names its reminder. What is not found within ten minutes is `lost`: one too few is better than two.
"""

from collections.abc import Callable
from typing import Final

import asyncpg
import structlog

from hub.reminding import wording
from hub.vendors.asking import VendorRefused, VendorUnavailable
from hub.vendors.twilio import Twilio
from store.postgres import reminders
from store.postgres.reminders import Taken
from store.privacy.bindings import reminder_number_aad
from store.privacy.keys import Keyring, ShreddedError

AT_ONCE: Final = 5
LEASE_MS: Final = 60_000
"""Longer than so many calls take, each of which is bounded."""
LOOK_FIRST_MS: Final = 30_000
"""Longer than a call that sends may take: whoever sends has given up by then."""
LOOK_AGAIN_MS: Final = 60_000
LOST_AFTER_MS: Final = 600_000
CLOCKS_APART_MS: Final = 60_000

log = structlog.get_logger()


class DoubtfulReminders:
    """The part of the duty. `now_ms` gives Unix ms."""

    def __init__(
        self, pool: asyncpg.Pool, keyring: Keyring, twilio: Twilio, *, now_ms: Callable[[], int]
    ) -> None:
        self._pool = pool
        self._keyring = keyring
        self._twilio = twilio
        self._now_ms = now_ms

    async def run_once(self) -> int:
        """Look for those whose time has come; how many."""
        doubtful = await reminders.take_reminders(
            self._pool, "sending", now_ms=self._now_ms(), limit=AT_ONCE, lease_ms=LEASE_MS
        )
        for taken in doubtful:
            await self._look_up(taken)
        return len(doubtful)

    async def _look_up(self, taken: Taken) -> None:
        """Whether it went out, as far as Twilio knows by now."""
        now_ms = self._now_ms()
        sent_at_ms = taken.sent_at_ms or now_ms
        try:
            sid = await self._found(taken, sent_at_ms)
        except (VendorUnavailable, VendorRefused, ShreddedError) as error:
            log.warning("reminder.not_looked_up", reminder=taken.id, error=type(error).__name__)
            sid = None
        if sid is not None:
            await reminders.was_sent(self._pool, taken.id, sid, now_ms=now_ms)
        elif now_ms - sent_at_ms > LOST_AFTER_MS:
            await reminders.give_up(self._pool, taken.id, now_ms=now_ms)
            log.error("reminder.lost", reminder=taken.id)
        else:
            await reminders.look_later(self._pool, taken.id, next_at_ms=now_ms + LOOK_AGAIN_MS)

    async def _found(self, taken: Taken, sent_at_ms: int) -> str | None:
        if taken.number is None:
            return None
        key = await self._keyring.load(taken.person_id)
        number = self._keyring.open(key, reminder_number_aad(taken.id), taken.number).decode()
        return await self._twilio.find(number, wording.ref(taken.id), since_ms=sent_at_ms - CLOCKS_APART_MS)
