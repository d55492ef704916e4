"""The gateway against Stripe's sandbox: what it says of answers that are hard to get, and where it looks."""

from msgspec.structs import replace

from billing import stripe_gateway
from billing.payment import Kind, State
from billing.stripe_gateway import StripeGateway
from tests.integration.payments.desk import Desk


async def test_a_key_that_stripe_refuses_fails_nothing_for_good(desk: Desk) -> None:
    asked = await desk.request()
    wrong = StripeGateway("sk_live_not_here", api_base=f"{desk.base}/stripe")
    reply = await wrong.send(await desk.one(asked, Kind.HOLD))
    await wrong.close()
    assert reply.answer == "not_now"


async def test_an_address_where_nobody_listens_is_no_answer(desk: Desk) -> None:
    asked = await desk.request()
    nobody = StripeGateway("sk_test_desk", api_base="http://127.0.0.1:1")
    reply = await nobody.send(await desk.one(asked, Kind.HOLD))
    await nobody.close()
    assert reply.answer == "lost"


async def test_a_key_used_with_other_parameters_is_told_apart(desk: Desk) -> None:
    asked = await desk.funded()
    hold = await desk.one(asked, Kind.HOLD)
    other = replace(hold.params, body={**hold.params.body, "amount": 9_999})
    reply = await desk.gateway.send(replace(hold, params=other))
    assert reply.answer == "mismatch"


async def test_a_parameter_that_stripe_does_not_know_is_a_refusal(desk: Desk) -> None:
    asked = await desk.request()
    hold = await desk.one(asked, Kind.HOLD)
    odd = replace(hold.params, body={**hold.params.body, "tip_jar": 1})
    reply = await desk.gateway.send(replace(hold, params=odd))
    assert (reply.answer, reply.code) == ("refused", "parameter_unknown")


async def test_a_hold_is_found_behind_more_than_one_page_of_others(desk: Desk) -> None:
    asked = await desk.request()
    await desk.fault("apply_then_drop")
    await desk.payments().run_once()
    hold = await desk.one(asked, Kind.HOLD)
    assert hold.state is State.UNKNOWN
    for _ in range(stripe_gateway.PAGE):
        await desk.vendor.v1.payment_intents.create_async(
            {"amount": 500, "currency": "usd", "customer": str(hold.params.body["customer"])}
        )
    found = await desk.gateway.find(hold)
    assert found is not None
    assert found.operation == "1:hold:1:1"
    assert await desk.gateway.find(replace(hold, attempt=2)) is None


async def test_what_is_not_there_is_none(desk: Desk) -> None:
    assert await desk.gateway.intent("pi_none") is None
    assert await desk.gateway.transfers_active("acct_none") is None


async def test_an_account_that_disconnected_itself_may_not_be_paid(desk: Desk) -> None:
    [practitioner] = await desk.control("people", {"role": "practitioner", "count": 1})
    assert await desk.gateway.transfers_active(practitioner["account"]) is True
    await desk.control("deauthorize", {"account": practitioner["account"]})
    assert not await desk.gateway.transfers_active(practitioner["account"])
