"""A card is saved on Stripe's own page; what the hub keeps of it follows from Stripe's object alone."""

from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest

from billing import stripe_cards
from billing.stripe_gateway import StripeUnavailable
from hub.workers.cards import Cards
from rooms.ids import UserId
from store.postgres import cards, people
from store.records import Card, InboxEvent
from tests.integration.payments.desk import ENVIRONMENT, Desk

VISA, MASTERCARD, ASKS_FIRST = "4242424242424242", "5555555555554444", "4000000000003220"
BACK = "http://127.0.0.1:1"


async def guest(desk: Desk) -> tuple[UserId, str]:
    """Somebody with a customer at Stripe and no card."""
    person_id = UserId(str(uuid4()))
    await people.ensure(desk.pool, person_id=person_id, role="guest", name="Gus", email="g@e.fr", now_ms=1)
    customer = await stripe_cards.new_customer(desk.gateway, ENVIRONMENT, person_id)
    assert await cards.keep_customer(desk.pool, person_id, customer, now_ms=1) == customer
    return person_id, customer


async def open_page(desk: Desk, person_id: UserId, customer: str, *, since_ms: int = 0) -> str:
    return await stripe_cards.page(
        desk.gateway, ENVIRONMENT, person_id=person_id, customer=customer, back=BACK, since_ms=since_ms,
        now_ms=desk.now_ms(),
    )  # fmt: skip


async def submit(desk: Desk, url: str, number: str) -> int:
    async with desk.http.post(url, data={"number": number}, allow_redirects=False) as response:
        return response.status


async def setups(desk: Desk, person_id: UserId) -> list[str]:
    """The person's setup intents, the oldest first."""
    url, query = f"{desk.base}/control/stripe/setup_intents", {"person_id": person_id}
    async with desk.http.get(url, params=query) as response:
        return [found["id"] for found in reversed(await response.json())]


def duty_of(desk: Desk) -> Cards:
    return Cards(desk.pool, desk.gateway, environment=ENVIRONMENT, now_ms=desk.now_ms)


def event(object_id: str | None) -> InboxEvent:
    return InboxEvent("evt", "stripe", "setup_intent.succeeded", object_id, {}, 0, 1)


async def saved(desk: Desk, person_id: UserId) -> Card | None:
    return await people.card(desk.pool, person_id)


async def test_the_card_that_was_entered_is_kept(desk: Desk) -> None:
    person_id, customer = await guest(desk)
    assert await submit(desk, await open_page(desk, person_id, customer), VISA) == 303
    [setup] = await setups(desk, person_id)
    keep = duty_of(desk).setup
    assert await keep(event(setup)) is None
    card = await saved(desk, person_id)
    assert card is not None
    assert (card.stripe_customer, card.brand, card.last4) == (customer, "visa", "4242")
    method = await desk.vendor.v1.payment_methods.retrieve_async(card.stripe_payment_method)
    assert method.customer == customer
    assert await keep(event(setup)) == "no change"


async def test_both_events_say_the_same(desk: Desk) -> None:
    person_id, customer = await guest(desk)
    url = await open_page(desk, person_id, customer)
    assert await submit(desk, url, VISA) == 303
    [setup] = await setups(desk, person_id)
    duty = duty_of(desk)
    assert await duty.page(event(url.rsplit("/", 1)[1])) is None
    assert await duty.setup(event(setup)) == "no change"


async def test_old_news_does_not_bring_back_an_old_card(desk: Desk) -> None:
    person_id, customer = await guest(desk)
    for number, since_ms in ((VISA, 0), (MASTERCARD, 1)):
        assert (
            await submit(desk, await open_page(desk, person_id, customer, since_ms=since_ms), number) == 303
        )
        await desk.control("clock", {"advance_s": 2})
    old, new = await setups(desk, person_id)
    duty = duty_of(desk)
    assert await duty.setup(event(new)) is None
    assert await duty.setup(event(old)) == "no change"
    card = await saved(desk, person_id)
    assert card is not None
    assert card.last4 == "4444"


async def test_a_card_that_is_not_set_up_yet_is_none(desk: Desk) -> None:
    person_id, customer = await guest(desk)
    assert await submit(desk, await open_page(desk, person_id, customer), ASKS_FIRST) == 303
    [setup] = await setups(desk, person_id)
    assert await duty_of(desk).setup(event(setup)) == "no card"
    assert await saved(desk, person_id) is None


@pytest.mark.parametrize("object_id", ["seti_unknown", "cs_unknown", None])
async def test_what_is_not_there_is_done_with(desk: Desk, object_id: str | None) -> None:
    duty = duty_of(desk)
    applies: list[Callable[[InboxEvent], Awaitable[str | None]]] = [duty.page, duty.setup]
    for apply in applies:
        assert await apply(event(object_id)) in ("not used", "no card")


async def test_a_card_of_somebody_elses_customer_is_nobodys(desk: Desk) -> None:
    """Its metadata may name one of our people; whose customer it is decides."""
    person_id, _ = await guest(desk)
    stranger = await desk.vendor.v1.customers.create_async({})
    assert await submit(desk, await open_page(desk, person_id, stranger.id), VISA) == 303
    [setup] = await setups(desk, person_id)
    assert await duty_of(desk).setup(event(setup)) == "not ours"
    assert await saved(desk, person_id) is None


async def test_the_page_is_the_same_until_it_was_used(desk: Desk) -> None:
    person_id, customer = await guest(desk)
    first = await open_page(desk, person_id, customer)
    assert await open_page(desk, person_id, customer) == first
    assert await submit(desk, first, VISA) == 303
    # The event has not been applied: nobody here knows yet that the page was used.
    assert await open_page(desk, person_id, customer) != first


async def test_one_customer_a_person_also_when_asked_twice(desk: Desk) -> None:
    person_id, customer = await guest(desk)
    assert await stripe_cards.new_customer(desk.gateway, ENVIRONMENT, person_id) == customer
    assert await cards.keep_customer(desk.pool, person_id, "cus_other", now_ms=2) == customer


async def test_when_stripe_is_away_it_says_so(desk: Desk) -> None:
    person_id, customer = await guest(desk)
    await desk.fault("500", "/v1/checkout/sessions")
    with pytest.raises(StripeUnavailable):
        await open_page(desk, person_id, customer)
