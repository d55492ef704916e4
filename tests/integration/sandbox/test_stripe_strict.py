"""What Stripe refuses, the sandbox refuses: parameters, keys, unknown endpoints."""

from typing import Any

import aiohttp
import pytest
import stripe

from sandbox.stripe import form, server
from sandbox.stripe.errors import StripeError
from sandbox.stripe.params import check
from tests.integration.sandbox.outside import Sandbox, refusal, stripe_client


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"amount": 500, "currency": "usd", "amonut": 1}, "parameter_unknown", "amonut"),
        (
            {"amount": 500, "currency": "usd", "shipping": {"adress": {}, "x": "1"}},
            "parameter_unknown",
            "shipping[x]",
        ),
        ({"currency": "usd"}, "parameter_missing", "amount"),
        ({"amount": "5.00", "currency": "usd"}, "parameter_invalid_integer", "amount"),
        ({"amount": 500, "currency": "usd", "confirm": "yes"}, "parameter_invalid", "confirm"),
        ({"amount": 500, "currency": "usd", "capture_method": "later"}, None, "capture_method"),
        ({"amount": 500, "currency": "usd", "metadata": "x"}, "parameter_invalid", "metadata"),
        (
            {"amount": 500, "currency": "usd", "metadata": {"k" * 41: "v"}},
            "parameter_invalid",
            f"metadata[{'k' * 41}]",
        ),
        ({"amount": 500, "currency": ""}, "parameter_invalid_empty", "currency"),
        ({"amount": 500, "currency": "xxx"}, "invalid_currency", "currency"),
        ({"amount": 500, "currency": "usd", "customer": "cus_no"}, "resource_missing", "customer"),
        ({"amount": 500, "currency": "usd", "off_session": "true"}, "parameter_invalid", "off_session"),
        (
            {"amount": 500, "currency": "usd", "payment_method_types": ["card"]},
            "payment_method_types_no_longer_supported",
            "payment_method_types",
        ),
    ],
)
async def test_bad_parameters(vendor: stripe.StripeClient, params: Any, code: str | None, param: str) -> None:
    error = await refusal(vendor.v1.payment_intents.create_async(params), stripe.InvalidRequestError)
    assert (error.http_status, error.code, error.param) == (400, code, param)


async def test_every_endpoint_names_params_that_the_sdk_has() -> None:
    routes = [route for module in server._MODULES for route in module.ROUTES]
    assert len(routes) > 60
    for route in routes:
        with pytest.raises(StripeError) as caught:
            route.validate({"no_such_parameter": "1"})
        assert caught.value.body["error"]["code"] == "parameter_unknown", route


def test_typed_values_come_out_of_strings() -> None:
    text = (
        "amount=500&currency=usd&confirm=true&off_session=true&metadata[a]=1&expand[0]=latest_charge"
        "&allowed_payment_method_types[0]=card&shipping[name]=A&shipping[address][city]=B"
    )
    assert check("PaymentIntentCreateParams", form.parse(text)) == {
        "amount": 500,
        "currency": "usd",
        "confirm": True,
        "off_session": True,
        "metadata": {"a": "1"},
        "expand": ["latest_charge"],
        "allowed_payment_method_types": ["card"],
        "shipping": {"name": "A", "address": {"city": "B"}},
    }
    assert check("PaymentIntentListParams", form.parse("created[gte]=5")) == {"created": {"gte": 5}}
    assert check("PaymentIntentListParams", form.parse("created=5")) == {"created": 5}
    assert check("CustomerUpdateParams", {"metadata": ""}) == {"metadata": ""}


@pytest.mark.parametrize("text", ["a[b=1", "a=1&a[b]=2", "a=1&a=2", "a[b][c][d][e][f][g][h][i]=1"])
def test_malformed_forms(text: str) -> None:
    with pytest.raises(StripeError):
        form.parse(text)


async def test_missing_objects_are_404(vendor: stripe.StripeClient) -> None:
    error = await refusal(vendor.v1.payment_intents.retrieve_async("pi_no"), stripe.InvalidRequestError)
    assert (error.http_status, error.code) == (404, "resource_missing")


async def test_keys_and_versions(sandbox: Sandbox) -> None:
    url = f"{sandbox.url}/stripe/v1/balance"
    for headers in ({}, {"Authorization": "Bearer sk_live_x"}, {"Authorization": "Bearer nonsense"}):
        async with sandbox.http.get(url, headers=headers) as response:
            assert response.status == 401
    basic = {"Authorization": aiohttp.encode_basic_auth("sk_test_x", "")}
    async with sandbox.http.get(url, headers={**basic, "Stripe-Version": "2026-10-28.endive"}) as response:
        assert response.status == 200
        assert response.headers["Stripe-Version"] == "2026-10-28.endive"
        assert response.headers["Request-Id"].startswith("req_")
    async with sandbox.http.get(f"{sandbox.url}/stripe/v1/invoices", headers=basic) as response:
        assert response.status == 404


async def test_expansion_that_leads_nowhere(sandbox: Sandbox) -> None:
    async with stripe_client(sandbox.config) as vendor:
        customer = await vendor.v1.customers.create_async()
        error = await refusal(
            vendor.v1.customers.retrieve_async(customer.id, {"expand": ["nonsense"]}),
            stripe.InvalidRequestError,
        )
        assert error.param == "expand"
