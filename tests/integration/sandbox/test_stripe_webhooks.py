"""Signed webhooks: one per transition, retried, and as unruly as asked for."""

import asyncio
from typing import Any

import stripe

from sandbox.settings import SandboxConfig
from tests.integration.sandbox.outside import SECRETS, HubStandIn, Sandbox, running, stripe_client

HOLD: Any = {
    "amount": 900,
    "currency": "usd",
    "payment_method": "pm_card_visa",
    "confirm": True,
    "off_session": True,
    "capture_method": "manual",
    "metadata": {"session_id": "s1"},
}


async def test_each_transition_is_told_and_signed(hub: HubStandIn, vendor: stripe.StripeClient) -> None:
    intent = await vendor.v1.payment_intents.create_async(HOLD, {"idempotency_key": "k1"})
    await vendor.v1.payment_intents.capture_async(intent.id, {"amount_to_capture": 600})
    for kind in (
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.amount_capturable_updated",
        "charge.captured",
        "payment_intent.succeeded",
    ):
        got = await hub.event(kind)
        assert got.path == "/webhooks/stripe"
        stripe.WebhookSignature.verify_header(
            got.body, got.headers["Stripe-Signature"], SECRETS[got.path], tolerance=300
        )
    event = (await hub.event("payment_intent.amount_capturable_updated")).event
    assert event["data"]["object"]["status"] == "requires_capture"
    assert event["data"]["object"]["metadata"] == {"session_id": "s1"}
    assert event["request"]["idempotency_key"] == "k1"
    assert event["api_version"] == stripe.api_version
    assert (await vendor.v1.events.retrieve_async(event["id"])).type == event["type"]


async def test_account_events_go_to_the_connect_endpoint(
    hub: HubStandIn, vendor: stripe.StripeClient
) -> None:
    account = await vendor.v1.accounts.create_async({"type": "express"})
    got = await hub.event("account.updated")
    assert (got.path, got.event["account"]) == ("/webhooks/stripe-connect", account.id)
    stripe.WebhookSignature.verify_header(got.body, got.headers["Stripe-Signature"], SECRETS[got.path], 300)


async def test_a_refused_webhook_comes_again(
    hub: HubStandIn, sandbox: Sandbox, vendor: stripe.StripeClient
) -> None:
    hub.status = 500
    await vendor.v1.customers.create_async()
    await hub.wait(lambda got: len(got) >= 2)
    hub.status = 200
    await hub.wait(lambda got: len(got) >= 3)
    assert len({got.event["id"] for got in hub.received}) == 1
    while await sandbox.get("/control/webhooks"):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    failed = await vendor.v1.events.list_async({"delivery_success": False})
    assert failed.data == []


async def test_undelivered_webhooks_survive_a_restart(hub: HubStandIn, config: SandboxConfig) -> None:
    hub.status = 500
    async with running(config), stripe_client(config) as vendor:
        customer = await vendor.v1.customers.create_async({"name": "Amara"})
        assert len((await vendor.v1.events.list_async({"delivery_success": False})).data) == 1
    seen = len(hub.received)
    hub.status = 200
    async with running(config), stripe_client(config) as vendor:
        await hub.wait(lambda got: len(got) > seen)
        assert hub.received[-1].event["data"]["object"]["id"] == customer.id
        assert (await vendor.v1.customers.retrieve_async(customer.id)).name == "Amara"


async def test_twice_and_out_of_order(hub: HubStandIn, sandbox: Sandbox, vendor: stripe.StripeClient) -> None:
    await sandbox.post(
        "/control/faults",
        [
            {"action": "duplicate_webhook", "match": {"type": "charge.succeeded"}},
            {"action": "reorder_webhooks", "match": {"type": "payment_intent.created"}, "ms": 60_000},
        ],
    )
    await vendor.v1.payment_intents.create_async(HOLD)
    await hub.wait(lambda got: len(got) >= 4)
    kinds = [got.event["type"] for got in hub.received]
    assert sorted(kinds) == [
        "charge.succeeded",
        "charge.succeeded",
        "payment_intent.amount_capturable_updated",
        "payment_intent.created",
    ]
    assert kinds[0] != "payment_intent.created"


async def test_delayed_until_the_clock_says_so(
    hub: HubStandIn, sandbox: Sandbox, vendor: stripe.StripeClient
) -> None:
    await sandbox.post("/control/faults", {"action": "delay_webhooks", "ms": 3_600_000})
    await vendor.v1.customers.create_async({"name": "late"})
    await vendor.v1.customers.create_async({"name": "soon"})
    await hub.wait(lambda got: len(got) == 1)
    assert hub.received[0].event["data"]["object"]["name"] == "soon"
    await sandbox.post("/control/clock", {"advance_s": 3_600})
    await hub.wait(lambda got: len(got) == 2)


async def test_disputes_and_deauthorisation(
    hub: HubStandIn, sandbox: Sandbox, vendor: stripe.StripeClient
) -> None:
    intent = await vendor.v1.payment_intents.create_async(HOLD | {"capture_method": "automatic"})
    dispute = await sandbox.post("/control/dispute", {"session_id": "s1", "reason": "product_not_received"})
    assert (dispute["amount"], dispute["payment_intent"]) == (900, intent.id)
    await hub.event("charge.dispute.created")
    evidence: Any = {"evidence": {"uncategorized_text": "both were present"}, "submit": True}
    answered = await vendor.v1.disputes.update_async(dispute["id"], evidence)
    assert answered.status == "under_review"
    await sandbox.post("/control/dispute/close", {"dispute": dispute["id"], "outcome": "won"})
    assert (await hub.event("charge.dispute.closed")).event["data"]["object"]["status"] == "won"
    account = await vendor.v1.accounts.create_async({"type": "express"})
    await sandbox.post("/control/deauthorize", {"account": account.id})
    assert (await hub.event("account.application.deauthorized")).event["account"] == account.id
