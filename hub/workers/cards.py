"""What Stripe tells of guests' cards: the event says where to look, and the card that is there is kept."""

from collections.abc import Callable

import asyncpg
import structlog

from billing import stripe_cards
from billing.stripe_gateway import StripeGateway
from hub.workers import receivables
from hub.workers.webhooks import Applies
from store.postgres import cards
from store.records import InboxEvent

log = structlog.get_logger()


class Cards:
    """Cards that guests saved on Stripe's own page. `now_ms` gives Unix milliseconds."""

    def __init__(
        self, pool: asyncpg.Pool, gateway: StripeGateway, *, environment: str, now_ms: Callable[[], int]
    ) -> None:
        self._pool = pool
        self._gateway = gateway
        self._environment = environment
        self._now_ms = now_ms

    def news(self) -> dict[str, Applies]:
        """What applies each type of event. Both tell of the same card; whichever comes first is enough."""
        return {"checkout.session.completed": self.page, "setup_intent.succeeded": self.setup}

    async def page(self, event: InboxEvent) -> str | None:
        """A hosted page was completed. Raises StripeUnavailable."""
        found = event.object_id and await stripe_cards.setup_of(self._gateway, event.object_id)
        return await self._keep(found) if found else "not used"

    async def setup(self, event: InboxEvent) -> str | None:
        """A card was set up. Raises StripeUnavailable."""
        return await self._keep(event.object_id) if event.object_id else "not used"

    async def _keep(self, setup_id: str) -> str | None:
        card = await stripe_cards.saved(self._gateway, setup_id)
        if card is None:
            return "no card"
        # Whose card it is follows from our own record of the customer, never from what the object says.
        person_id = await cards.owner(self._pool, card.customer)
        if person_id is None:
            return "not ours"
        changed = await cards.save_card(self._pool, person_id, card)
        # Changed or not: whoever saved it may have died before this.
        await receivables.ask_new_card(
            self._pool, person_id, environment=self._environment, now_ms=self._now_ms()
        )
        if not changed:
            return "no change"
        log.info("card.saved", brand=card.brand)
        return None
