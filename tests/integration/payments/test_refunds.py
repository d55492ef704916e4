"""Refunds: once, with the practitioner's part of them, whether it was sent on before or not."""

from typing import Any

from billing import requests
from billing.payment import Kind, Share, State
from store.postgres import operations
from tests.integration.payments.desk import ENVIRONMENT, Desk
from tests.integration.payments.office import HOUR_MS, Office


async def balances(desk: Desk, room: Any) -> dict[str, int]:
    names = (
        "stripe_clearing",
        "guest_receivable",
        "practitioner_payable",
        "platform_fee",
        "practitioner_debt",
    )
    return {name: held for name in names if (held := await desk.balance(name, room))}


async def test_a_refund_before_the_transfer_makes_it_smaller(desk: Desk, office: Office) -> None:
    room = await office.charged()
    status, refund = await office.refund(room, 600)
    assert (status, refund["state"]) == (200, "approved")
    await office.run()
    [sent] = await desk.at_stripe("refunds", room)
    assert (sent["amount"], sent["status"]) == (600, "succeeded")
    await office.run(2 * HOUR_MS)
    [transfer] = await desk.at_stripe("transfers", room)
    assert (transfer["amount"], transfer["metadata"]["operation"]) == (480, "1:transfer:1:2")
    assert await desk.at_stripe("reversals", room) == []
    assert await balances(desk, room) == {"stripe_clearing": 120, "platform_fee": -120}
    _, listed = await office.ask("GET", "/v1/admin/refunds?state=done")
    assert refund["id"] in [one["id"] for one in listed["items"]]
    assert await office.broken() == []


async def test_a_refund_after_the_transfer_reverses_the_practitioners_part(
    desk: Desk, office: Office
) -> None:
    room = await office.transferred()
    await office.refund(room, 400)
    await office.refund(room, 600)
    await office.run()
    assert sorted(one["amount"] for one in await desk.at_stripe("refunds", room)) == [400, 600]
    assert sorted(one["amount"] for one in await desk.at_stripe("reversals", room)) == [320, 480]
    assert await balances(desk, room) == {"stripe_clearing": 40, "platform_fee": -40}
    assert await desk.cases(room) == []
    assert await office.broken() == []


async def test_everything_back_leaves_nothing(desk: Desk, office: Office) -> None:
    room = await office.transferred()
    _, asked = await office.refund(room, 1200)
    assert asked["state"] == "pending_approval"
    await office.ask("POST", f"/v1/admin/refunds/{asked['id']}/approve", who=office.ben)
    await office.run()
    assert await balances(desk, room) == {}
    status, answer = await office.refund(room, 1)
    assert (status, answer["error"]["code"]) == (409, "conflict")
    assert await office.broken() == []


async def test_a_full_refund_before_the_transfer_sends_none(desk: Desk, office: Office) -> None:
    room = await office.charged()
    await office.refund(room, 600)
    await office.refund(room, 600, who=office.ben)
    await office.run()
    await office.run(2 * HOUR_MS)
    assert await desk.at_stripe("transfers", room) == []
    assert await balances(desk, room) == {}
    assert await desk.cases(room) == []
    assert await office.broken() == []


async def test_what_cannot_be_reversed_is_a_debt_that_later_earnings_pay(desk: Desk, office: Office) -> None:
    account = await office.account()
    room = await office.transferred(account=account)
    await desk.control("balance", {"account": account, "amount": -960})
    await office.refund(room, 1000)
    await office.run()
    [reversal] = await desk.all(room, Kind.REVERSAL)
    assert reversal.state is State.FAILED
    assert await balances(desk, room) == {
        "stripe_clearing": -760,
        "platform_fee": -40,
        "practitioner_debt": 800,
    }
    later = await desk.ended(10)
    await desk.owner.execute(
        "update sessions set practitioner_id = $2 where id = $1", later.id, room.practitioner.user_id
    )
    await office_settles(desk, later, account)
    await office.run()
    # Putting the session on record named its own practitioner again.
    await desk.owner.execute(
        "update sessions set practitioner_id = $2 where id = $1", later.id, room.practitioner.user_id
    )
    await office.run(2 * HOUR_MS)
    [transfer] = await desk.at_stripe("transfers", later)
    assert transfer["amount"] == 2400 - 800
    assert await desk.balance("practitioner_debt", room) + await desk.balance("practitioner_debt", later) == 0
    assert await desk.balance("practitioner_payable", later) == 0
    assert await office.broken() == []


async def office_settles(desk: Desk, room: Any, account: str) -> None:
    await desk.settle(room, destination=account)


async def test_a_refund_whose_answer_is_lost_is_made_once(desk: Desk, office: Office) -> None:
    room = await office.charged()
    await office.refund(room, 300)
    await desk.fault("apply_then_drop", "/v1/refunds")
    for _ in range(3):
        await office.run(2 * HOUR_MS)
    [sent] = await desk.at_stripe("refunds", room)
    assert sent["amount"] == 300
    # With a quarter gone back, the transfer was three quarters of what it would have been.
    assert await desk.balance("stripe_clearing", room) == 1200 - 300 - 720
    assert await office.broken() == []


async def test_a_tip_goes_back_last_and_all_of_it_was_the_practitioners(desk: Desk, office: Office) -> None:
    account = await office.account()
    room = await office.charged(account=account)
    hold = await desk.one(room, Kind.HOLD)
    tip = requests.charge(
        room.id,
        1,
        ordinal=1,
        amount_minor=500,
        currency="usd",
        customer=str(hold.params.body["customer"]),
        payment_method=str(hold.params.body["payment_method"]),
        share=Share(500, account, desk.now_ms()),
        at_ms=desk.now_ms(),
        kind=Kind.TIP,
    )
    await operations.insert_operations(desk.pool, ENVIRONMENT, room.id, 1, [tip], now_ms=desk.now_ms())
    await office.run(2 * HOUR_MS)
    assert sorted(one["amount"] for one in await desk.at_stripe("transfers", room)) == [500, 960]
    _, asked = await office.refund(room, 1500)
    await office.ask("POST", f"/v1/admin/refunds/{asked['id']}/approve", who=office.ben)
    await office.run()
    assert sorted(one["amount"] for one in await desk.at_stripe("refunds", room)) == [300, 1200]
    assert sorted(one["amount"] for one in await desk.at_stripe("reversals", room)) == [300, 960]
    assert await balances(desk, room) == {}
    assert (await office.refund(room, 201))[0] == 409
    _, earned = await office.ask("GET", "/v1/me/earnings", who=room.practitioner.user_id, role="practitioner")
    assert (earned["sessions"][0]["tip_minor"], earned["totals"][0]["earned_minor"]) == (500, 200)
    assert await office.broken() == []
