"""A guest's money: the deal before a session, the card, a tip after it, and the rules in words."""

from typing import Literal

import msgspec
from aiohttp import web

from billing import stripe_cards
from billing.payment import State
from billing.stripe_gateway import StripeUnavailable
from billing.who_pays import TABLE
from hub import eligible, wire
from hub.edge.auth import Principal
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.money import deal, tipping
from hub.routes.answer import Route, bad_request, body, not_found, path_id, query
from hub.words import LANGUAGES, WORDS, Language, Rule
from rooms.ids import SessionId, UserId
from store.postgres import cards, disclosures, people, receivables
from store.postgres.pool import acting_as


class Link(msgspec.Struct, frozen=True):
    """A page of Stripe's to go to."""

    url: str


class OwedView(msgspec.Struct, frozen=True):
    """What is owed for a session to which the card said no; it is asked again at `next_at_ms`, if ever."""

    session_id: str
    amount_minor: int
    currency: str
    next_at_ms: int | None


class CardView(msgspec.Struct, frozen=True):
    """As much of one's card as it takes to know it, and what is owed, which a new card pays at once."""

    brand: str
    last4: str
    saved_at_ms: int
    owed: list[OwedView]


class Deal(msgspec.Struct, frozen=True):
    """What a session would cost this guest. Nothing is held or charged by asking.

    `minimum_minor`: less than this is waived. `free_s`: what this guest gets free. `cap_minor`: the most that
    is charged. `hold_minor`: what is held on the card first.
    """

    practitioner_id: str
    kind: Literal["free", "per_minute", "flat"]
    currency: str
    rate_minor_per_minute: int
    minimum_minor: int
    free_s: int
    cap_minor: int
    hold_minor: int


class GiveTip(wire.Body, frozen=True):
    """How much, in minor units of the session's currency."""

    amount_minor: wire.Minor


class Tip(msgspec.Struct, frozen=True):
    """A tip, and whether it is charged yet."""

    session_id: str
    status: Literal["pending", "charged"]
    amount_minor: int
    currency: str


class RuleView(msgspec.Struct, frozen=True):
    """One rule in words. `time` is what the table says of the time together, null for what always holds."""

    code: str
    title: str
    text: str
    time: Literal["billed", "not_billed"] | None


class Rules(msgspec.Struct, frozen=True):
    """Who pays when."""

    language: Language
    items: list[RuleView]


async def show_deal(hub: Hub, who: Principal, request: web.Request) -> Deal:
    """`GET /v1/practitioners/{id}/deal`: what a session would cost; `cap_minor` as it would be named."""
    cap = query(request, ("cap_minor",)).get("cap_minor")
    if cap is not None and not (cap.isascii() and cap.isdigit() and 1 <= int(cap[:12]) <= deal.CAP_MAX_MINOR):
        raise bad_request("cap_minor", f"expected 1 to {deal.CAP_MAX_MINOR}")
    practice = await people.practice(hub.pool, UserId(path_id(request, "id")))
    if practice is None or practice.verified_at_ms is None:
        raise not_found()
    if practice.practitioner_id in await hub.blocks.of(who.user_id):
        raise not_found()
    card = await people.card(hub.pool, who.user_id)
    free_ms = await deal.free_ms(hub, practice, who.user_id, card)
    terms = deal.terms(hub, practice, None if cap is None else int(cap), free_ms=free_ms)
    return Deal(
        practitioner_id=practice.practitioner_id,
        kind=terms.kind,
        currency=terms.currency,
        rate_minor_per_minute=terms.rate_minor_per_minute,
        minimum_minor=terms.minimum_minor,
        free_s=terms.free_ms // 1000,
        cap_minor=terms.cap_minor,
        hold_minor=deal.hold_minor(terms),
    )


async def set_up_card(hub: Hub, who: Principal, request: web.Request) -> Link:
    """`POST /v1/me/card`: a page of Stripe's where a card is saved. It replaces the one before."""
    query(request, ())
    if request.can_read_body:
        await body(request, wire.Nothing)
    try:
        return Link(await _card_page(hub, who.user_id))
    except StripeUnavailable:
        raise Refused(Code.UNAVAILABLE, "The card page cannot be opened just now; try again.") from None


async def _card_page(hub: Hub, user_id: UserId) -> str:
    environment, now_ms = hub.offer.environment, hub.now_ms()
    if await people.person(hub.pool, user_id) is None:
        raise Refused(Code.CONFLICT, "Open your profile first.")
    await eligible.to_pay(hub, user_id)
    card = await people.card(hub.pool, user_id)
    customer = await cards.customer(hub.pool, user_id)
    await disclosures.disclosed(hub.pool, user_id, "stripe", "customer", now_ms=now_ms)
    if customer is None:
        known = card.stripe_customer if card is not None else None
        made = known or await stripe_cards.new_customer(hub.stripe, environment, user_id)
        customer = await cards.keep_customer(hub.pool, user_id, made, now_ms=now_ms)
    return await stripe_cards.page(
        hub.stripe,
        environment,
        person_id=user_id,
        customer=customer,
        back=hub.offer.return_url,
        since_ms=0 if card is None else card.saved_at_ms,
        now_ms=now_ms,
    )


async def show_card(hub: Hub, who: Principal, request: web.Request) -> CardView:
    """`GET /v1/me/card`: brand, last four digits, and what is owed; not found without a card."""
    query(request, ())
    async with acting_as(hub.pool, who.user_id) as connection:
        card = await cards.own_card(connection)
    if card is None:
        raise not_found()
    owed = [
        OwedView(one.session_id, one.amount_minor, one.currency, one.next_at_ms)
        for one in await receivables.owed(hub.pool, who.user_id)
    ]
    return CardView(card.brand, card.last4, card.saved_at_ms, owed)


async def give_tip(hub: Hub, who: Principal, request: web.Request) -> Tip:
    """`POST /v1/sessions/{id}/tip`: one tip a session; the same amount again is the same tip."""
    query(request, ())
    session_id = SessionId(path_id(request, "id"))
    asked = await body(request, GiveTip)
    given = await tipping.give(hub, who.user_id, session_id, asked.amount_minor)
    status: Literal["pending", "charged"] = "charged" if given.state is State.SUCCEEDED else "pending"
    return Tip(session_id, status, given.amount_minor, given.currency)


async def show_rules(_hub: Hub, _who: Principal, request: web.Request) -> Rules:
    """`GET /v1/money/rules`: who pays when, in words; `?lang=en` or `fr`."""
    asked = query(request, ("lang",)).get("lang", "en")
    if asked not in LANGUAGES:
        raise bad_request("lang", f"expected one of {', '.join(LANGUAGES)}")
    language = asked
    words = WORDS[language]
    causes = [_rule(cause.value, words.causes[cause.value], row.time) for cause, row in TABLE.items()]
    return Rules(language, [*causes, *(_rule(code, rule, None) for code, rule in words.always.items())])


def _rule(code: str, rule: Rule, time: Literal["billed", "not_billed"] | None) -> RuleView:
    return RuleView(code, rule.title, rule.text, time)


ROUTES = [
    Route("GET", "/v1/practitioners/{id}/deal", Deal, show_deal),
    Route("POST", "/v1/me/card", Link, set_up_card),
    Route("GET", "/v1/me/card", CardView, show_card),
    Route("POST", "/v1/sessions/{id}/tip", Tip, give_tip, body=GiveTip),
    Route("GET", "/v1/money/rules", Rules, show_rules),
]
