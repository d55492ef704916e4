"""Takes corrections of profiles to where they have still to arrive: open session, directory, Stripe.

The hub that took a correction tells the people who are there at once, so this finds them told, unless that
hub died in between. Stripe is always told from here: it may be away for longer than anybody waits.
"""

from collections.abc import Callable
from typing import Final

import asyncpg
import structlog
from redis.exceptions import RedisError

from billing import stripe_cards
from billing.stripe_gateway import StripeGateway, StripeUnavailable
from hub.correcting import Peers
from rooms.errors import RoomError
from rooms.ids import UserId
from store.postgres import cards, disclosures, people, profiles
from store.postgres.profiles import Correction

BATCH: Final = 20
LEASE_MS: Final = 60_000
AGAIN_MS: Final = 5_000
LONGEST_MS: Final = 3_600_000

log = structlog.get_logger()


class Corrections:
    """The duty. Stripe knows a person by the customer on record, and without one it needs no name."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        gateway: StripeGateway,
        peers: Peers,
        *,
        environment: str,
        now_ms: Callable[[], int],
    ) -> None:
        self._pool = pool
        self._gateway = gateway
        self._peers = peers
        self._environment = environment
        self._now_ms = now_ms

    async def run_once(self) -> int:
        """Gives how many corrections have arrived everywhere. Raises what Postgres raises."""
        now_ms = self._now_ms()
        due = await profiles.due_corrections(
            self._pool, now_ms=now_ms, lease_until_ms=now_ms + LEASE_MS, limit=BATCH
        )
        return sum([await self._arrive(correction) for correction in due])

    async def _arrive(self, correction: Correction) -> bool:
        try:
            await self._tell(correction)
        except (StripeUnavailable, RedisError, RoomError, OSError) as error:
            pause_ms = min(LONGEST_MS, AGAIN_MS * 2 ** min(correction.attempts, 20))
            log.warning("correction.put_off", error=type(error).__name__, ms=pause_ms)
            await profiles.put_off_correction(
                self._pool,
                correction.person_id,
                correction.version,
                next_at_ms=self._now_ms() + pause_ms,
            )
            return False
        await profiles.close_correction(self._pool, correction.person_id, correction.version)
        return True

    async def _tell(self, correction: Correction) -> None:
        person_id = correction.person_id
        person = await people.person(self._pool, person_id)
        if person is None:
            return
        # Again though it was told: a room that opened in that very moment may have read the name before.
        await self._peers.rename(person_id, person.name)
        if not correction.told:
            await self._peers.tell_directory(person_id)
            await profiles.note_told(self._pool, person_id, correction.version)
        customer = await self._customer(person_id)
        if customer is not None:
            now_ms = self._now_ms()
            await disclosures.disclosed(self._pool, person_id, "stripe", "correction", now_ms=now_ms)
            await stripe_cards.rename_customer(
                self._gateway,
                self._environment,
                person_id=person_id,
                customer=customer,
                name=person.name,
                version=person.version,
                attempt=correction.attempts,
            )

    async def _customer(self, person_id: UserId) -> str | None:
        known = await cards.customer(self._pool, person_id)
        if known is not None:
            return known
        card = await people.card(self._pool, person_id)
        return None if card is None else card.stripe_customer
