"""Every currency that the hub takes, as Stripe takes it: its least amount, and the amounts it has at all."""

from typing import Any

import pytest
import stripe

from billing import money
from sandbox.stripe.currencies import RULES
from tests.integration.sandbox.outside import refusal

CURRENCIES = sorted(money.CURRENCIES)
HELD: Any = {
    "payment_method": "pm_card_visa",
    "confirm": True,
    "off_session": True,
    "capture_method": "manual",
}


def test_the_sandbox_knows_the_currencies_of_the_hub_and_no_others() -> None:
    assert sorted(RULES) == CURRENCIES


@pytest.mark.parametrize("currency", CURRENCIES)
def test_the_hub_charges_nothing_that_stripe_would_refuse(currency: str) -> None:
    assert money.minimum_charge_minor(currency) >= RULES[currency].minimum
    assert money.step_minor(currency) == RULES[currency].step


@pytest.mark.parametrize("currency", CURRENCIES)
async def test_the_least_amount_is_charged_and_less_is_not(
    vendor: stripe.StripeClient, currency: str
) -> None:
    rule = RULES[currency]
    intents = vendor.v1.payment_intents
    least: Any = {"amount": rule.minimum, "currency": currency}
    assert (await intents.create_async(least)).amount == rule.minimum
    less: Any = {"amount": rule.minimum - rule.step, "currency": currency}
    error = await refusal(intents.create_async(less), stripe.InvalidRequestError)
    assert error.code == "amount_too_small"
    money_hub: Any = {"amount": money.minimum_charge_minor(currency), "currency": currency}
    assert (await intents.create_async(money_hub)).currency == currency


@pytest.mark.parametrize("currency", [code for code in CURRENCIES if RULES[code].step > 1])
async def test_an_amount_that_a_currency_does_not_have_is_refused_everywhere(
    vendor: stripe.StripeClient, currency: str
) -> None:
    step = RULES[currency].step
    amount = RULES[currency].minimum * 4
    off = amount + step // 2
    intents = vendor.v1.payment_intents
    held: Any = {"amount": amount, "currency": currency, **HELD}
    refused = [intents.create_async(held | {"amount": off})]
    intent = await intents.create_async(held)
    refused.append(intents.capture_async(intent.id, {"amount_to_capture": off - amount // 2}))
    for call in refused:
        error = await refusal(call, stripe.InvalidRequestError)
        assert error.code == "parameter_invalid_integer"
    await intents.capture_async(intent.id, {"amount_to_capture": amount // 2})
    part: Any = {"payment_intent": intent.id, "amount": step // 2}
    error = await refusal(vendor.v1.refunds.create_async(part), stripe.InvalidRequestError)
    assert error.code == "parameter_invalid_integer"
    whole: Any = {"payment_intent": intent.id, "amount": step}
    assert (await vendor.v1.refunds.create_async(whole)).amount == step
