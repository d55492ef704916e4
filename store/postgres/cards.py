"""Guests' customers and cards at Stripe."""

from billing.stripe_cards import SavedCard
from rooms.ids import UserId
from store.postgres.pool import Db
from store.postgres.rows import one
from store.postgres.statements import statements
from store.records import OwnCard

SQL = statements("cards")


async def customer(db: Db, person_id: UserId) -> str | None:
    """The customer that stands for a person at Stripe."""
    found: str | None = await db.fetchval(SQL["customer"], person_id)
    return found


async def keep_customer(db: Db, person_id: UserId, stripe_customer: str, *, now_ms: int) -> str:
    """Keep a new customer; of two at once the first, which is given back."""
    kept: str | None = await db.fetchval(SQL["keep_customer"], person_id, stripe_customer, now_ms)
    # Somebody else was faster, and this statement began before they were done.
    return kept or await customer(db, person_id) or stripe_customer


async def owner(db: Db, stripe_customer: str) -> UserId | None:
    """Whose customer this is."""
    found: UserId | None = await db.fetchval(SQL["owner"], stripe_customer)
    return found


async def save_card(db: Db, person_id: UserId, card: SavedCard) -> bool:
    """Keep a card in place of the one before; False when it is that one, or older."""
    kept = await db.fetchval(
        SQL["save_card"],
        person_id,
        card.customer,
        card.payment_method,
        card.brand,
        card.last4,
        card.fingerprint,
        card.saved_at_ms,
    )
    return kept is not None


async def own_card(db: Db) -> OwnCard | None:
    """The card of whoever the connection acts as."""
    return one(await db.fetchrow(SQL["own_card"]), OwnCard)
