"""Idempotency keys and lost answers, as a payment worker meets them."""

import asyncio
from typing import Any

import pytest
import stripe

from tests.integration.sandbox.outside import Sandbox, refusal

PARAMS: Any = {"amount": 500, "currency": "usd", "metadata": {"session_id": "s1"}}


async def created(sandbox: Sandbox) -> int:
    return len(await sandbox.get("/control/stripe/payment_intents?session_id=s1"))


async def test_same_key_same_answer_one_effect(sandbox: Sandbox, vendor: stripe.StripeClient) -> None:
    first = await vendor.v1.payment_intents.create_async(PARAMS, {"idempotency_key": "k"})
    again = await vendor.v1.payment_intents.create_async(PARAMS, {"idempotency_key": "k"})
    assert again.id == first.id
    assert first.last_response is not None
    assert again.last_response is not None
    assert "Idempotent-Replayed" not in first.last_response.headers
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert await created(sandbox) == 1


@pytest.mark.parametrize("changed", [{"amount": 501}, {"currency": "eur"}])
async def test_same_key_other_parameters(vendor: stripe.StripeClient, changed: Any) -> None:
    await vendor.v1.payment_intents.create_async(PARAMS, {"idempotency_key": "k"})
    call = vendor.v1.payment_intents.create_async(PARAMS | changed, {"idempotency_key": "k"})
    assert (await refusal(call, stripe.IdempotencyError)).http_status == 400


async def test_same_key_other_endpoint(vendor: stripe.StripeClient) -> None:
    await vendor.v1.payment_intents.create_async(PARAMS, {"idempotency_key": "k"})
    await refusal(vendor.v1.customers.create_async({}, {"idempotency_key": "k"}), stripe.IdempotencyError)


async def test_key_in_flight_is_a_conflict(sandbox: Sandbox, vendor: stripe.StripeClient) -> None:
    await sandbox.post("/control/faults", [{"action": "hang", "ms": 400, "match": {"method": "POST"}}])
    slow = asyncio.create_task(vendor.v1.payment_intents.create_async(PARAMS, {"idempotency_key": "k"}))
    while await sandbox.get("/control/faults"):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    error = await refusal(
        vendor.v1.payment_intents.create_async(PARAMS, {"idempotency_key": "k"}), stripe.StripeError
    )
    # The SDK leaves `code` of a 409 unset; the body has it.
    assert (error.http_status, error.error.code) == (409, "idempotency_key_in_use")
    intent = await slow
    assert (await vendor.v1.payment_intents.create_async(PARAMS, {"idempotency_key": "k"})).id == intent.id


async def test_a_stored_500_is_replayed(sandbox: Sandbox, vendor: stripe.StripeClient) -> None:
    await sandbox.post(
        "/control/faults", [{"action": "500", "match": {"path_prefix": "/v1/payment_intents"}}]
    )
    for replayed in (None, "true"):
        error = await refusal(
            vendor.v1.payment_intents.create_async(PARAMS, {"idempotency_key": "k"}), stripe.APIError
        )
        assert error.http_status == 500
        assert error.headers.get("Idempotent-Replayed") == replayed
    assert await created(sandbox) == 0


async def test_refused_parameters_and_429_are_not_stored(
    sandbox: Sandbox, vendor: stripe.StripeClient
) -> None:
    bad: Any = PARAMS | {"amonut": 1}
    await refusal(
        vendor.v1.payment_intents.create_async(bad, {"idempotency_key": "k"}), stripe.InvalidRequestError
    )
    await sandbox.post("/control/faults", {"action": "429"})
    await refusal(
        vendor.v1.payment_intents.create_async(PARAMS, {"idempotency_key": "k"}), stripe.RateLimitError
    )
    await vendor.v1.payment_intents.create_async(PARAMS, {"idempotency_key": "k"})


async def test_a_decline_is_stored(sandbox: Sandbox, vendor: stripe.StripeClient) -> None:
    await sandbox.post("/control/faults", {"action": "decline_next"})
    params: Any = PARAMS | {"payment_method": "pm_card_visa", "confirm": True, "off_session": True}
    for _ in range(2):
        await refusal(
            vendor.v1.payment_intents.create_async(params, {"idempotency_key": "k"}), stripe.CardError
        )
    assert await created(sandbox) == 1


async def test_keys_are_forgotten_after_a_day(sandbox: Sandbox, vendor: stripe.StripeClient) -> None:
    first = await vendor.v1.payment_intents.create_async(PARAMS, {"idempotency_key": "k"})
    await sandbox.post("/control/clock", {"advance_s": 86_399})
    assert (await vendor.v1.payment_intents.create_async(PARAMS, {"idempotency_key": "k"})).id == first.id
    await sandbox.post("/control/clock", {"advance_s": 1})
    assert (await vendor.v1.payment_intents.create_async(PARAMS, {"idempotency_key": "k"})).id != first.id


async def test_applied_but_the_answer_is_lost(sandbox: Sandbox, vendor: stripe.StripeClient) -> None:
    await sandbox.post("/control/faults", {"action": "apply_then_drop", "match": {"method": "POST"}})
    call = vendor.v1.payment_intents.create_async(PARAMS, {"idempotency_key": "k"})
    await refusal(call, stripe.APIConnectionError)
    assert await created(sandbox) == 1
    again = await vendor.v1.payment_intents.create_async(PARAMS, {"idempotency_key": "k"})
    assert again.last_response is not None
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert await created(sandbox) == 1


async def test_a_call_that_hangs_is_carried_out_before_the_clock_is_moved_past_it(
    sandbox: Sandbox, vendor: stripe.StripeClient
) -> None:
    await sandbox.post("/control/faults", [{"action": "hang", "ms": 60_000, "match": {"method": "POST"}}])
    slow = asyncio.create_task(vendor.v1.payment_intents.create_async(PARAMS, {"idempotency_key": "k"}))
    while await sandbox.get("/control/faults"):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await sandbox.post("/control/clock", {"advance_s": 20})
    assert await created(sandbox) == 0
    await sandbox.post("/control/clock", {"advance_s": 90_000})
    assert await created(sandbox) == 1
    await slow
