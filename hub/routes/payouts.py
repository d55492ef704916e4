"""A practitioner's money: the set-up of payouts, and what was earned, with where it is."""

import msgspec
from aiohttp import web
from msgspec import Struct

from hub.edge.auth import Principal
from hub.hub import Hub
from hub.money import onboarding
from hub.routes.answer import Route, cursor, limit, query
from rooms.ids import SessionId
from store.postgres import fraud, payouts


class Onboarding(Struct, frozen=True):
    """Where payouts are set up: a page of Stripe's that works once, for some minutes."""

    url: str


class Earned(Struct, frozen=True):
    """What was earned in one currency, in minor units, and where it is.

    Of `earned_minor`, the platform pays `promotion_minor` for guests' free time.
    `pending_minor` is still with the platform, `transferred_minor` went to the practitioner's account at
    Stripe, of which `paid_out_minor` reached their bank and `on_the_way_minor` is about to. `debt_minor` is
    to be given back, and kept from what is earned next.
    """

    currency: str
    earned_minor: int
    promotion_minor: int
    pending_minor: int
    transferred_minor: int
    paid_out_minor: int
    on_the_way_minor: int
    debt_minor: int


class EarnedSession(Struct, frozen=True):
    """One session's part. `earned_minor` is of what the guest was charged; beside it the platform pays
    `promotion_minor` for the guest's free time. `deducted_minor` is what refunds and disputes took of it, or
    a debt kept.
    """

    session_id: str
    ended_at_ms: int | None
    currency: str
    charged_minor: int
    fee_minor: int
    earned_minor: int
    promotion_minor: int
    tip_minor: int
    deducted_minor: int
    transferred_minor: int


class Earnings(Struct, frozen=True):
    """All that was earned, and a page of the sessions it came from, the newest first.

    `held_for_review`: somebody of the platform reviews the payments, and until then nothing is transferred.
    """

    transfers_active: bool
    held_for_review: bool
    totals: list[Earned]
    sessions: list[EarnedSession]
    cursor: str | None


async def onboard(hub: Hub, who: Principal, request: web.Request) -> Onboarding:
    """`POST /v1/me/payouts/onboarding`."""
    query(request, ())
    return Onboarding(await onboarding.link(hub, who.user_id))


async def earnings(hub: Hub, who: Principal, request: web.Request) -> Earnings:
    """`GET /v1/me/earnings`: from the ledger."""
    given = query(request, ("cursor", "limit"))
    size, before = limit(given), cursor(given)
    account = await payouts.account(hub.pool, who.user_id)
    totals = await payouts.earnings(hub.pool, who.user_id)
    found = await payouts.earned_sessions(
        hub.pool, who.user_id, before=None if before is None else SessionId(before), limit=size
    )
    return Earnings(
        transfers_active=account is not None and account.transfers_active,
        held_for_review=await fraud.payouts_held(hub.pool, who.user_id),
        totals=[msgspec.convert(total, Earned, from_attributes=True) for total in totals],
        sessions=[msgspec.convert(part, EarnedSession, from_attributes=True) for part in found],
        cursor=found[-1].session_id if len(found) == size else None,
    )


ROUTES = [
    Route("POST", "/v1/me/payouts/onboarding", Onboarding, onboard),
    Route("GET", "/v1/me/earnings", Earnings, earnings),
]
