"""Holds, captures, cancels and refunds through the official SDK."""

from typing import Any

import pytest
import stripe

from tests.integration.sandbox.outside import Sandbox, refusal

RETURN_URL = "http://127.0.0.1:1/back"


async def guest(vendor: stripe.StripeClient, card: str = "pm_card_visa") -> tuple[str, str]:
    customer = await vendor.v1.customers.create_async({"name": "Amara", "metadata": {"person": "p1"}})
    method = await vendor.v1.payment_methods.attach_async(card, {"customer": customer.id})
    return customer.id, method.id


async def hold(
    vendor: stripe.StripeClient, card: str = "pm_card_visa", **params: Any
) -> stripe.PaymentIntent:
    customer, method = await guest(vendor, card)
    given: Any = {
        "amount": 3_000,
        "currency": "usd",
        "customer": customer,
        "payment_method": method,
        "confirm": True,
        "capture_method": "manual",
        "return_url": RETURN_URL,
        "transfer_group": "session-1",
        "metadata": {"session_id": "s1", "operation": "hold"},
        **params,
    }
    return await vendor.v1.payment_intents.create_async(given)


async def test_hold_says_until_when_it_can_be_captured(vendor: stripe.StripeClient) -> None:
    intent = await hold(vendor, expand=["latest_charge", "payment_method"])
    assert (intent.status, intent.amount_capturable, intent.amount_received) == ("requires_capture", 3_000, 0)
    charge: Any = intent.latest_charge
    assert charge.captured is False
    assert charge.payment_method_details.card.capture_before == charge.created + 7 * 86_400
    assert charge.payment_method_details.card.last4 == "4242"
    method: Any = intent.payment_method
    assert method.card.brand == "visa"


async def test_partial_capture_releases_the_rest(vendor: stripe.StripeClient) -> None:
    intent = await hold(vendor)
    done = await vendor.v1.payment_intents.capture_async(
        intent.id, {"amount_to_capture": 1_250, "expand": ["latest_charge.balance_transaction"]}
    )
    assert (done.status, done.amount_received, done.amount_capturable) == ("succeeded", 1_250, 0)
    charge: Any = done.latest_charge
    assert (charge.captured, charge.amount_captured, charge.amount_refunded) == (True, 1_250, 1_750)
    assert charge.balance_transaction.net == 1_250 - charge.balance_transaction.fee


@pytest.mark.parametrize("then", ["capture", "cancel"])
async def test_nothing_is_captured_twice_or_after_a_cancel(vendor: stripe.StripeClient, then: str) -> None:
    intents = vendor.v1.payment_intents
    intent = await hold(vendor)
    await (intents.capture_async(intent.id) if then == "capture" else intents.cancel_async(intent.id))
    error = await refusal(intents.capture_async(intent.id), stripe.InvalidRequestError)
    assert error.code == "payment_intent_unexpected_state"
    assert error.error.payment_intent.status == ("succeeded" if then == "capture" else "canceled")


async def test_cancel_after_capture_is_refused(vendor: stripe.StripeClient) -> None:
    intent = await hold(vendor)
    await vendor.v1.payment_intents.capture_async(intent.id)
    error = await refusal(vendor.v1.payment_intents.cancel_async(intent.id), stripe.InvalidRequestError)
    assert error.code == "payment_intent_unexpected_state"


async def test_capture_above_the_hold_is_refused_and_changes_nothing(vendor: stripe.StripeClient) -> None:
    intent = await hold(vendor)
    call = vendor.v1.payment_intents.capture_async(intent.id, {"amount_to_capture": 3_001})
    assert (await refusal(call, stripe.InvalidRequestError)).code == "amount_too_large"
    assert (await vendor.v1.payment_intents.retrieve_async(intent.id)).status == "requires_capture"


@pytest.mark.parametrize(("currency", "amount"), [("usd", 49), ("gbp", 29), ("jpy", 49)])
async def test_amounts_below_the_currency_minimum_are_refused(
    vendor: stripe.StripeClient, currency: str, amount: int
) -> None:
    params: Any = {"amount": amount, "currency": currency}
    error = await refusal(vendor.v1.payment_intents.create_async(params), stripe.InvalidRequestError)
    assert error.code == "amount_too_small"
    await vendor.v1.payment_intents.create_async({"amount": amount + 1, "currency": currency})


@pytest.mark.parametrize(
    ("card", "code", "decline"),
    [
        ("pm_card_chargeCustomerFail", "card_declined", "generic_decline"),
        ("tok_chargeCustomerFail", "card_declined", "generic_decline"),
    ],
)
async def test_declined_card(vendor: stripe.StripeClient, card: str, code: str, decline: str) -> None:
    error = await refusal(hold(vendor, card), stripe.CardError)
    assert (error.http_status, error.code, error.error.decline_code) == (402, code, decline)
    intent = await vendor.v1.payment_intents.retrieve_async(error.error.payment_intent.id)
    assert intent.status == "requires_payment_method"
    assert intent.last_payment_error is not None
    assert intent.last_payment_error.decline_code == decline
    charge = await vendor.v1.charges.retrieve_async(str(intent.latest_charge))
    assert (charge.status, charge.paid) == ("failed", False)


@pytest.mark.parametrize(
    ("card", "decline"),
    [
        ("pm_card_chargeDeclined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "insufficient_funds"),
    ],
)
async def test_some_cards_are_refused_when_saved(
    vendor: stripe.StripeClient, card: str, decline: str
) -> None:
    error = await refusal(guest(vendor, card), stripe.CardError)
    assert error.error.decline_code == decline


async def test_decline_next_hits_the_named_customer_once(
    sandbox: Sandbox, vendor: stripe.StripeClient
) -> None:
    customer, method = await guest(vendor)
    await sandbox.post("/control/faults", [{"action": "decline_next", "match": {"customer": customer}}])
    assert (await hold(vendor)).status == "requires_capture"
    params: Any = {
        "amount": 500,
        "currency": "usd",
        "customer": customer,
        "payment_method": method,
        "confirm": True,
        "off_session": True,
    }
    await refusal(vendor.v1.payment_intents.create_async(params), stripe.CardError)
    assert (await vendor.v1.payment_intents.create_async(params)).status == "succeeded"


async def test_three_d_secure_approved_and_declined(sandbox: Sandbox, vendor: stripe.StripeClient) -> None:
    for answer, status in (("approve", "requires_capture"), ("decline", "requires_payment_method")):
        intent = await hold(vendor, "pm_card_threeDSecure2Required")
        assert intent.status == "requires_action"
        assert intent.next_action is not None
        redirect: Any = intent.next_action.redirect_to_url
        async with sandbox.http.get(redirect.url) as page:
            assert "Approve" in await page.text()
        async with sandbox.http.post(redirect.url, data={"answer": answer}, allow_redirects=False) as back:
            assert back.headers["Location"].startswith(f"{RETURN_URL}?payment_intent={intent.id}")
            assert (
                f"redirect_status={'succeeded' if answer == 'approve' else 'failed'}"
                in back.headers["Location"]
            )
        intent = await vendor.v1.payment_intents.retrieve_async(intent.id)
        assert intent.status == status
        async with sandbox.http.post(redirect.url, data={"answer": "approve"}) as again:
            assert again.status == 404


async def test_off_session_cannot_answer_a_challenge(vendor: stripe.StripeClient) -> None:
    error = await refusal(hold(vendor, "pm_card_authenticationRequired", off_session=True), stripe.CardError)
    assert error.code == "authentication_required"


async def test_confirming_on_session_needs_a_way_back(vendor: stripe.StripeClient) -> None:
    customer, method = await guest(vendor)
    params: Any = {
        "amount": 500,
        "currency": "usd",
        "customer": customer,
        "payment_method": method,
        "confirm": True,
    }
    error = await refusal(vendor.v1.payment_intents.create_async(params), stripe.InvalidRequestError)
    assert error.param == "return_url"
    intent = await vendor.v1.payment_intents.create_async(params | {"allowed_payment_method_types": ["card"]})
    assert intent.status == "succeeded"


async def test_another_customers_card_is_refused(vendor: stripe.StripeClient) -> None:
    _, method = await guest(vendor)
    error = await refusal(hold(vendor, payment_method=method), stripe.InvalidRequestError)
    assert error.param == "payment_method"


async def test_a_hold_expires_by_the_clock(sandbox: Sandbox, vendor: stripe.StripeClient) -> None:
    kept, gone = await hold(vendor, off_session=False), await hold(vendor, off_session=True)
    await sandbox.post("/control/clock", {"advance_s": 5 * 86_400})
    assert (await vendor.v1.payment_intents.retrieve_async(kept.id)).status == "requires_capture"
    expired = await vendor.v1.payment_intents.retrieve_async(gone.id)
    assert (expired.status, expired.cancellation_reason) == ("canceled", "automatic")
    await refusal(vendor.v1.payment_intents.capture_async(gone.id), stripe.InvalidRequestError)


async def test_refunds_never_exceed_what_was_captured(vendor: stripe.StripeClient) -> None:
    intent = await hold(vendor)
    uncaptured: Any = {"payment_intent": intent.id}
    assert (await refusal(vendor.v1.refunds.create_async(uncaptured), stripe.InvalidRequestError)).code
    await vendor.v1.payment_intents.capture_async(intent.id, {"amount_to_capture": 1_000})
    refund = await vendor.v1.refunds.create_async({"payment_intent": intent.id, "amount": 400})
    assert refund.status == "succeeded"
    error = await refusal(
        vendor.v1.refunds.create_async({"payment_intent": intent.id, "amount": 601}),
        stripe.InvalidRequestError,
    )
    assert error.param == "amount"
    assert (await vendor.v1.refunds.create_async({"payment_intent": intent.id})).amount == 600
    error = await refusal(vendor.v1.refunds.create_async(uncaptured), stripe.InvalidRequestError)
    assert error.code == "charge_already_refunded"


async def test_found_again_by_metadata(sandbox: Sandbox, vendor: stripe.StripeClient) -> None:
    wanted = await hold(vendor, metadata={"session_id": "wanted", "operation": "hold"})
    await hold(vendor)
    query = "metadata['session_id']:'wanted' AND status:'requires_capture'"
    found = await vendor.v1.payment_intents.search_async({"query": query})
    assert [intent.id for intent in found.data] == [wanted.id]
    listed = await sandbox.get("/control/stripe/payment_intents?session_id=wanted")
    assert [intent["id"] for intent in listed] == [wanted.id]
    assert not [key for key in listed[0] if key.startswith("_")]


async def test_lists_page_newest_first(vendor: stripe.StripeClient) -> None:
    made = [(await vendor.v1.customers.create_async({"email": "same@example.com"})).id for _ in range(5)]
    params: Any = {"limit": 2, "email": "same@example.com"}
    listed = [c.id async for c in (await vendor.v1.customers.list_async(params)).auto_paging_iter()]
    assert listed == made[::-1]
