"""The deal: what a guest is told before they ask for a session, and what is agreed when they do."""

from billing import holds, money, price
from hub import wire
from hub.errors import Code, Refused
from hub.hub import Hub
from rooms.directory import Status
from rooms.ids import SessionId, UserId
from rooms.room import Terms
from store.postgres import free_time
from store.records import Card, Listing, Practice

CAP_MINUTES = 120
"""The cap of a guest who names none, in minutes of the practitioner's rate."""
CAP_MAX_MINOR = 100_000_000
"""No guest can agree to be charged more than this for one session."""


def terms(hub: Hub, practice: Practice, cap_minor: int | None, *, free_ms: int) -> Terms:
    """What is agreed, fixed from now on. Raises Refused(bad_request) for a cap that could never be charged,
    Refused(conflict) where no money can be taken in the practitioner's currency.
    """
    currency, rate = practice.currency, practice.rate_minor_per_minute
    if currency not in money.CURRENCIES:
        raise Refused(Code.CONFLICT, "Payments in this practitioner's currency are not possible.")
    agreed = Terms(
        kind="per_minute" if rate > 0 else "free",
        currency=currency,
        rate_minor_per_minute=rate,
        free_ms=free_ms if rate > 0 else 0,
        fee_bps=hub.offer.fee_bps,
        minimum_minor=money.minimum_charge_minor(currency),
        cap_minor=default_cap_minor(currency, rate) if cap_minor is None else cap_minor,
        hold_minutes=hub.offer.hold_minutes,
    )
    least_minor = price.least_minor(agreed)
    if agreed.kind != "free" and agreed.cap_minor < least_minor:
        reason = f"expected at least {least_minor}"
        raise Refused(Code.BAD_REQUEST, f"cap_minor: {reason}", fields={"cap_minor": reason})
    return agreed


def default_cap_minor(currency: str, rate_minor_per_minute: int) -> int:
    """The cap of a guest who names none: two hours, but never less than can be charged."""
    if rate_minor_per_minute == 0:
        return 0
    wanted = max(rate_minor_per_minute * CAP_MINUTES, money.minimum_charge_minor(currency))
    return min(wanted, CAP_MAX_MINOR)


async def free_ms(hub: Hub, practice: Practice, guest_id: UserId, card: Card | None) -> int:
    """The free time that this guest would get right now."""
    if practice.free_s == 0 or practice.rate_minor_per_minute == 0:
        return 0
    mark = None if card is None else hub.keyring.card_mark(card.fingerprint)
    return 0 if await free_time.had_free(hub.pool, guest_id, mark) else practice.free_s * 1000


async def granted_ms(
    hub: Hub, practice: Practice, guest_id: UserId, card: Card | None, session_id: SessionId
) -> int:
    """The free time that this session gets, granted for as long as it is not settled."""
    if practice.free_s == 0 or practice.rate_minor_per_minute == 0 or card is None:
        return 0
    mark = hub.keyring.card_mark(card.fingerprint)
    granted = await free_time.grant(hub.pool, session_id, guest_id, mark, now_ms=hub.now_ms())
    return practice.free_s * 1000 if granted else 0


async def give_back(hub: Hub, guest_id: UserId, session_id: SessionId) -> None:
    """Nothing came of the request: its free time is the guest's again."""
    await free_time.close_grant(hub.pool, session_id, guest_id, used=False, now_ms=hub.now_ms())


def hold_minor(agreed: Terms) -> int:
    """What is held on the card before the session is offered."""
    return holds.first_hold_minor(agreed)


def practitioner(listing: Listing, status: Status) -> wire.Practitioner:
    """A directory entry in the words of the contract."""
    currency, rate = listing.currency, listing.rate_minor_per_minute
    known = currency in money.CURRENCIES
    return wire.Practitioner(
        listing.id,
        listing.name,
        listing.headline,
        status,
        rate,
        currency,
        listing.free_s,
        listing.topics,
        listing.rating,
        listing.rating_count,
        minimum_minor=money.minimum_charge_minor(currency) if known else None,
        cap_minor=default_cap_minor(currency, rate) if known else None,
    )
