"""Onboarding, transfers, reversals, and saving a card, through the SDK and the hosted pages."""

from typing import Any

import stripe

from tests.integration.sandbox.outside import Sandbox, refusal

CHARGE: Any = {
    "amount": 2_000,
    "currency": "usd",
    "payment_method": "pm_card_visa",
    "confirm": True,
    "off_session": True,
    "transfer_group": "g1",
}
ACCOUNT: Any = {"type": "express", "capabilities": {"transfers": {"requested": True}}}


async def onboarded(sandbox: Sandbox, vendor: stripe.StripeClient) -> str:
    account = await vendor.v1.accounts.create_async(ACCOUNT)
    link = await vendor.v1.account_links.create_async(
        {
            "account": account.id,
            "type": "account_onboarding",
            "return_url": f"{sandbox.config.public_url}/done",
            "refresh_url": f"{sandbox.config.public_url}/again",
        }
    )
    async with sandbox.http.post(link.url, allow_redirects=False) as back:
        assert back.headers["Location"].endswith("/done")
    async with sandbox.http.post(link.url) as again:
        assert again.status == 404
    return account.id


async def test_onboarding_activates_transfers(sandbox: Sandbox, vendor: stripe.StripeClient) -> None:
    account = await vendor.v1.accounts.create_async(ACCOUNT)
    assert account.capabilities is not None
    assert account.capabilities.transfers == "inactive"
    params: Any = {"amount": 100, "currency": "usd", "destination": account.id}
    error = await refusal(vendor.v1.transfers.create_async(params), stripe.InvalidRequestError)
    assert error.code == "insufficient_capabilities_for_transfer"
    ident = await onboarded(sandbox, vendor)
    active = await vendor.v1.accounts.retrieve_async(ident)
    assert active.capabilities is not None
    assert (active.capabilities.transfers, active.payouts_enabled) == ("active", True)


async def test_transfers_stay_within_their_charge(sandbox: Sandbox, vendor: stripe.StripeClient) -> None:
    account = await onboarded(sandbox, vendor)
    intent = await vendor.v1.payment_intents.create_async(CHARGE)
    params: Any = {
        "amount": 1_500,
        "currency": "usd",
        "destination": account,
        "source_transaction": str(intent.latest_charge),
    }
    transfer = await vendor.v1.transfers.create_async(params)
    assert transfer.transfer_group == "g1"
    for wrong in ({"amount": 501}, {"currency": "eur"}, {"transfer_group": "g2"}, {"destination": "acct_no"}):
        await refusal(
            vendor.v1.transfers.create_async(params | {"amount": 500, **wrong}), stripe.InvalidRequestError
        )
    await vendor.v1.transfers.create_async(params | {"amount": 500})


async def test_an_uncaptured_charge_funds_nothing(sandbox: Sandbox, vendor: stripe.StripeClient) -> None:
    account = await onboarded(sandbox, vendor)
    intent = await vendor.v1.payment_intents.create_async(CHARGE | {"capture_method": "manual"})
    params: Any = {
        "amount": 100,
        "currency": "usd",
        "destination": account,
        "source_transaction": str(intent.latest_charge),
    }
    error = await refusal(vendor.v1.transfers.create_async(params), stripe.InvalidRequestError)
    assert error.param == "source_transaction"


async def test_reversals_stop_at_the_transfer_and_at_the_balance(
    sandbox: Sandbox, vendor: stripe.StripeClient
) -> None:
    account = await onboarded(sandbox, vendor)
    transfer = await vendor.v1.transfers.create_async(
        {"amount": 1_000, "currency": "usd", "destination": account}
    )
    await vendor.v1.transfers.reversals.create_async(transfer.id, {"amount": 300})
    error = await refusal(
        vendor.v1.transfers.reversals.create_async(transfer.id, {"amount": 701}), stripe.InvalidRequestError
    )
    assert error.param == "amount"
    await vendor.v1.payouts.create_async({"amount": 600, "currency": "usd"}, {"stripe_account": account})
    error = await refusal(vendor.v1.transfers.reversals.create_async(transfer.id), stripe.InvalidRequestError)
    assert error.code == "balance_insufficient"
    await vendor.v1.transfers.reversals.create_async(transfer.id, {"amount": 100})
    assert (await vendor.v1.transfers.retrieve_async(transfer.id)).amount_reversed == 400


async def test_the_platform_cannot_transfer_what_it_has_not(
    sandbox: Sandbox, vendor: stripe.StripeClient
) -> None:
    account = await onboarded(sandbox, vendor)
    await sandbox.post("/control/balance", {"currency": "usd", "amount": -10_000_000})
    params: Any = {"amount": 1, "currency": "usd", "destination": account}
    error = await refusal(vendor.v1.transfers.create_async(params), stripe.InvalidRequestError)
    assert error.code == "balance_insufficient"
    bypass: Any = CHARGE | {"payment_method": "pm_card_bypassPending"}
    await vendor.v1.payment_intents.create_async(bypass)
    await vendor.v1.transfers.create_async(params)


async def test_saving_a_card_on_the_hosted_page(sandbox: Sandbox, vendor: stripe.StripeClient) -> None:
    customer = await vendor.v1.customers.create_async()
    session = await vendor.v1.checkout.sessions.create_async(
        {
            "mode": "setup",
            "customer": customer.id,
            "allowed_payment_method_types": ["card"],
            "success_url": f"{sandbox.config.public_url}/saved?s={{CHECKOUT_SESSION_ID}}",
            "metadata": {"person": "p1"},
        }
    )
    url = str(session.url)
    for number in ("1234", "4000000000000002"):
        async with sandbox.http.post(url, data={"number": number}) as page:
            assert page.status == 200
            assert "Test card number" in await page.text()
    async with sandbox.http.post(url, data={"number": "4000 0025 0000 3155"}, allow_redirects=False) as ask:
        bank = ask.headers["Location"]
    async with sandbox.http.post(bank, data={"answer": "approve"}, allow_redirects=False) as back:
        done = back.headers["Location"]
    async with sandbox.http.get(done, allow_redirects=False) as finish:
        assert finish.headers["Location"].endswith(f"/saved?s={session.id}")
    finished = await vendor.v1.checkout.sessions.retrieve_async(
        session.id, {"expand": ["setup_intent.payment_method"]}
    )
    setup: Any = finished.setup_intent
    assert (finished.status, setup.status, setup.payment_method.card.last4) == (
        "complete",
        "succeeded",
        "3155",
    )
    params: Any = CHARGE | {"customer": customer.id, "payment_method": setup.payment_method.id}
    assert (await vendor.v1.payment_intents.create_async(params)).status == "succeeded"
    saved = await vendor.v1.customers.payment_methods.list_async(customer.id)
    assert [method.id for method in saved.data] == [setup.payment_method.id]
    await vendor.v1.payment_methods.detach_async(setup.payment_method.id)
    await refusal(vendor.v1.payment_intents.create_async(params), stripe.InvalidRequestError)
