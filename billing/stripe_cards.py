"""Cards at Stripe: the hosted page where a guest enters one, and what was saved. No number comes here."""

from typing import Final, TypeVar

from msgspec import Struct

from billing.stripe_gateway import StripeGateway, StripeUnavailable

PAGE_KEY_MS: Final = 600_000
"""Within this the same wish opens the same page."""

T = TypeVar("T")


class SavedCard(Struct, frozen=True):
    """A card that may be charged while its owner is away. `saved_at_ms` is when it was entered."""

    customer: str
    payment_method: str
    brand: str
    last4: str
    fingerprint: str
    saved_at_ms: int


class _Created(Struct, frozen=True):
    id: str


class _Page(Struct, frozen=True):
    id: str
    status: str
    url: str | None = None
    setup_intent: str | None = None


class _Card(Struct, frozen=True):
    brand: str
    last4: str
    fingerprint: str | None = None


class _Method(Struct, frozen=True):
    id: str
    created: int
    card: _Card | None = None


class _Setup(Struct, frozen=True):
    id: str
    status: str
    customer: str | None = None
    payment_method: _Method | str | None = None


async def new_customer(gateway: StripeGateway, environment: str, person_id: str) -> str:
    """The customer that stands for a person at Stripe; asked again within a day, the same one.

    Stripe is told the opaque id and nothing else. Raises StripeUnavailable.
    """
    asked = gateway.api.customers.create_async(
        {"metadata": {"person_id": person_id}},
        {"idempotency_key": f"allinya:{environment}:customer:{person_id}"},
    )
    return _there(await gateway.read(asked, _Created)).id


async def rename_customer(
    gateway: StripeGateway,
    environment: str,
    *,
    person_id: str,
    customer: str,
    name: str,
    version: int,
    attempt: int,
) -> None:
    """Call a customer by the name that the person corrected. Raises StripeUnavailable.

    The key names the attempt too: Stripe answers a key that met a failure of its own with that failure again,
    and a name that is set twice is the same name. A customer who is not there any more needs no name.
    """
    asked = gateway.api.customers.update_async(
        customer,
        {"name": name},
        {"idempotency_key": f"allinya:{environment}:name:{person_id}:{version}:{attempt}"},
    )
    await gateway.read(asked, _Created)


async def page(
    gateway: StripeGateway,
    environment: str,
    *,
    person_id: str,
    customer: str,
    back: str,
    since_ms: int,
    now_ms: int,
) -> str:
    """The address of a hosted page that saves a card for charges while its owner is away.

    `back` is where the person returns to. `since_ms` is when their present card was saved: once it is
    replaced, the next wish opens another page. Raises StripeUnavailable.
    """
    key = f"allinya:{environment}:card:{person_id}:{since_ms}:{now_ms // PAGE_KEY_MS}"
    opened = await _open(gateway, key, person_id, customer, back)
    now = _there(await gateway.read(gateway.api.checkout.sessions.retrieve_async(opened.id), _Page))
    if now.status != "open":
        # It was used or closed a moment ago, and the event that says so has not come yet.
        opened = await _open(gateway, f"{key}:{opened.id}", person_id, customer, back)
    if opened.url is None:
        raise StripeUnavailable("the page has no address")
    return opened.url


async def _open(gateway: StripeGateway, key: str, person_id: str, customer: str, back: str) -> _Page:
    asked = gateway.api.checkout.sessions.create_async(
        {
            # Setup mode saves for `off_session` use.
            "mode": "setup",
            "customer": customer,
            "allowed_payment_method_types": ["card"],
            "success_url": f"{back}/?card=saved",
            "cancel_url": f"{back}/?card=cancelled",
            "metadata": {"person_id": person_id},
            "setup_intent_data": {"metadata": {"person_id": person_id}},
        },
        {"idempotency_key": key},
    )
    return _there(await gateway.read(asked, _Page))


async def setup_of(gateway: StripeGateway, page_id: str) -> str | None:
    """The setup intent behind a hosted page. Raises StripeUnavailable."""
    found = await gateway.read(gateway.api.checkout.sessions.retrieve_async(page_id), _Page)
    return None if found is None else found.setup_intent


async def saved(gateway: StripeGateway, setup_id: str) -> SavedCard | None:
    """The card that a setup intent saved, read anew; None while it has not. Raises StripeUnavailable."""
    asked = gateway.api.setup_intents.retrieve_async(setup_id, {"expand": ["payment_method"]})
    found = await gateway.read(asked, _Setup)
    if found is None or found.status != "succeeded" or found.customer is None:
        return None
    method = found.payment_method
    if not isinstance(method, _Method) or method.card is None or method.card.fingerprint is None:
        return None
    card = method.card
    return SavedCard(
        found.customer, method.id, card.brand, card.last4, card.fingerprint or "", method.created * 1000
    )


def _there(found: T | None) -> T:
    if found is None:
        raise StripeUnavailable("there is no such thing")
    return found
