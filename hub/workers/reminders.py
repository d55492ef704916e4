"""Reminders of booked sessions by text message, each at most once, and never after the session began.

    booking → due → sending, on record → Twilio → sent → delivered

Twilio has no idempotency keys. So `sending` is committed before anything goes out, and whatever is not known
to have arrived there is looked for (`doubtful_reminders`), never sent again. Nobody's phone rings in their
quiet hours (`rooms.reminders`), and consent is read when it is sent.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Literal

import aiohttp
import asyncpg
import structlog

from config.settings import Settings
from hub import wall_clock
from hub.lifespan import Stores
from hub.reminding import consenting, wording
from hub.reminding.terms import Terms, configured_terms
from hub.vendors import configured
from hub.vendors.asking import VendorUnavailable
from hub.vendors.twilio import NotSent, SmsRefused, Twilio
from hub.workers.doubtful_reminders import LOOK_FIRST_MS, DoubtfulReminders
from rooms.reminders import EXPIRED, Facts, Never, Send, Wait, decide
from store.postgres import consents, reminders
from store.postgres.disclosures import disclosed
from store.postgres.pool import Transacting
from store.postgres.reminders import Known, Taken
from store.privacy.bindings import reminder_number_aad
from store.privacy.keys import Keyring, ShreddedError
from store.privacy.numbers import Numbers

AT_ONCE: Final = 50
LANES: Final = 4
"""Many sessions begin at the full hour."""
LEASE_MS: Final = 30_000
"""Longer than a call to Twilio. Whoever comes after it looks whether it went out."""
SEND_WITHIN_MS: Final = 5_000
"""So long after it was put on record, a process that was stopped in between does not send any more."""
NOT_SENT_MS: Final = 15_000
OVER_CAP_MS: Final = 300_000
HOUR_MS: Final = 3_600_000
UNSUBSCRIBED: Final = 21610

LeftOut = Literal["suppressed", "expired"]
Reached = Callable[[str], Awaitable[None]]

log = structlog.get_logger()


async def _go_on(step: str) -> None:
    """Nothing waits between two steps."""


class Reminders:
    """The duty. `reached` is awaited after each step; `now_ms` gives Unix ms."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        keyring: Keyring,
        numbers: Numbers,
        twilio: Twilio,
        terms: Terms,
        *,
        now_ms: Callable[[], int],
        reached: Reached = _go_on,
    ) -> None:
        self._pool = pool
        self._keyring = keyring
        self._numbers = numbers
        self._twilio = twilio
        self._terms = terms
        self._now_ms = now_ms
        self._reached = reached
        self._doubtful = DoubtfulReminders(pool, keyring, twilio, now_ms=now_ms)

    async def run_once(self) -> int:
        """Make what is due, look for what is in doubt, send what is to be sent; how many were worked on."""
        await reminders.make_due(self._pool, self._terms.leads_s, now_ms=self._now_ms(), limit=AT_ONCE * 10)
        worked_on = await self._doubtful.run_once()
        lanes = await asyncio.gather(*(self._lane() for _ in range(LANES)))
        return worked_on + sum(lanes)

    async def _lane(self) -> int:
        """Take one after another: a lease has to outlast one call alone, not those before it."""
        for done in range(AT_ONCE):
            due = await reminders.take_reminders(
                self._pool, "due", now_ms=self._now_ms(), limit=1, lease_ms=LEASE_MS
            )
            if not due:
                return done
            await self._look(due[0])
        return AT_ONCE

    # What is due.

    async def _look(self, taken: Taken) -> None:
        now_ms = self._now_ms()
        known = await reminders.reminder_facts(self._pool, taken.id, now_ms=now_ms)
        if known is None:
            return
        match decide(_facts(known), self._terms.quiet, now_ms=now_ms):
            case Wait(until_ms):
                await reminders.put_off(self._pool, taken.id, next_at_ms=until_ms, now_ms=now_ms)
            case Never(reason):
                state: LeftOut = "expired" if reason in EXPIRED else "suppressed"
                await reminders.leave_out(self._pool, taken.id, state, reason, now_ms=now_ms)
            case Send() as send:
                await self._send(taken, known, send)

    async def _send(self, taken: Taken, known: Known, send: Send) -> None:
        began_ms = self._now_ms()
        if not await self._begin(taken, known, send, began_ms):
            return
        await self._reached("sending")
        try:
            sid = await self._hand_over(taken, known, send, began_ms)
        except NotSent as error:
            log.warning("reminder.not_sent", reminder=taken.id, error=str(error))
            await self._again(taken, began_ms)
        except SmsRefused as error:
            await self._refused(taken, send, error)
        except VendorUnavailable as error:
            # Nobody knows whether it was sent; from now on it is only looked for.
            log.warning("reminder.in_doubt", reminder=taken.id, error=str(error))
        else:
            await self._reached("answered")
            await reminders.was_sent(self._pool, taken.id, sid, now_ms=self._now_ms())

    async def _hand_over(self, taken: Taken, known: Known, send: Send, began_ms: int) -> str:
        """Its sid at Twilio. Raises as `Twilio.send`."""
        if self._now_ms() - began_ms > SEND_WITHIN_MS:
            raise NotSent("too late")
        return await self._twilio.send(
            send.number,
            wording.reminder(known, send.zones, taken.id, url=self._terms.public_url),
            sender=self._terms.sender,
            status_callback=f"{self._terms.public_url}/webhooks/twilio?reminder={taken.id}",
            validity_s=(known.starts_at_ms - began_ms) // 1000,
        )

    async def _begin(self, taken: Taken, known: Known, send: Send, now_ms: int) -> bool:
        """Put on record that it goes out, unless a limit is reached or consent was withdrawn just now."""
        mark = self._numbers.mark(send.number)
        try:
            key = await self._keyring.load(taken.person_id)
        except ShreddedError:
            await reminders.leave_out(self._pool, taken.id, "suppressed", "barred", now_ms=now_ms)
            return False
        sealed = self._keyring.seal(key, reminder_number_aad(taken.id), send.number.encode())
        async with self._pool.acquire() as connection, connection.transaction():
            await reminders.lock_prefix(connection, send.prefix)
            if await self._is_over_cap(connection, taken, send, mark, now_ms):
                await reminders.put_off(connection, taken.id, next_at_ms=now_ms + OVER_CAP_MS, now_ms=now_ms)
                return False
            # Whoever takes their consent back waits for this, or this for them: nothing goes out after a no.
            await consents.share_consents(connection, taken.person_id)
            if not await consents.granted(connection, taken.person_id, "sms"):
                await reminders.leave_out(connection, taken.id, "suppressed", "no_consent", now_ms=now_ms)
                return False
            if not await reminders.begin_sending(
                connection,
                taken.id,
                prefix=send.prefix,
                number_mark=mark,
                number=sealed,
                look_at_ms=now_ms + LOOK_FIRST_MS,
                now_ms=now_ms,
            ):
                await reminders.put_off(connection, taken.id, next_at_ms=now_ms, now_ms=now_ms)
                return False
            # Their number, and when their booking is; to a guest also the practitioner's name.
            await disclosed(connection, taken.person_id, "twilio", "reminder", now_ms=now_ms)
            named = wording.named(known)
            if named is not None:
                await disclosed(connection, named, "twilio", "reminder_named", now_ms=now_ms)
        return True

    async def _is_over_cap(self, db: Transacting, taken: Taken, send: Send, mark: bytes, now_ms: int) -> bool:
        """Somebody books again and again to have texts sent to numbers that cost: those wait, and lapse."""
        most = self._terms.per_prefix_per_hour
        if most and await reminders.sent_to_prefix(db, send.prefix, since_ms=now_ms - HOUR_MS) >= most:
            log.error("reminder.prefix_flooded", prefix=send.prefix)
            return True
        most = self._terms.per_person_per_day
        since_ms = now_ms - 24 * HOUR_MS
        if most and await reminders.sent_to_person(db, taken.person_id, mark, since_ms=since_ms) >= most:
            log.warning("reminder.person_flooded", reminder=taken.id)
            return True
        return False

    async def _again(self, taken: Taken, sent_at_ms: int) -> None:
        now_ms = self._now_ms()
        await reminders.not_sent(
            self._pool, taken.id, sent_at_ms=sent_at_ms, next_at_ms=now_ms + NOT_SENT_MS, now_ms=now_ms
        )

    async def _refused(self, taken: Taken, send: Send, error: SmsRefused) -> None:
        log.warning("reminder.refused", reminder=taken.id, error=error.error)
        stopped, now_ms = error.error == UNSUBSCRIBED, self._now_ms()
        reason = "unsubscribed" if stopped else "refused"
        async with self._pool.acquire() as connection, connection.transaction():
            await reminders.was_refused(connection, taken.id, reason=reason, error=error.error, now_ms=now_ms)
            if stopped:
                await consenting.withdraw(
                    connection, taken.person_id, self._numbers.mark(send.number), now_ms=now_ms
                )


def _facts(known: Known) -> Facts:
    return Facts(
        lead_s=known.lead_s,
        starts_at_ms=known.starts_at_ms,
        booking_state=known.booking_state,
        booking_starts_at_ms=known.booking_starts_at_ms,
        consents=known.consents,
        barred=known.barred,
        phone=known.phone,
        country=known.country,
        zone=known.zone,
    )


def duty(settings: Settings, stores: Stores, http: aiohttp.ClientSession) -> Reminders | None:
    """The duty of a worker with these parts; None where no messages are sent, or nobody is reminded."""
    twilio, terms = configured.twilio(settings, http), configured_terms(settings)
    if twilio is None or terms is None:
        return None
    return Reminders(
        stores.pool,
        stores.keyring,
        Numbers(stores.keyring.root),
        twilio,
        terms,
        now_ms=wall_clock.now_ms,
    )
