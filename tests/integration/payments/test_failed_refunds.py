"""Refunds that fail after they were made: the money is booked back, and the practitioner is paid again."""

from typing import Any

from billing.payment import Kind, State
from rooms.room import Room
from tests.integration.payments.desk import Desk
from tests.integration.payments.office import HOUR_MS, Office


async def fails(desk: Desk, office: Office, room: Room) -> dict[str, Any]:
    """The guest's bank sends the latest refund back, and the hub has heard of it."""
    refund: dict[str, Any] = await desk.control("refund/fail", {"session_id": room.id})
    await office.hear("refund.failed", refund["id"])
    return refund


async def state(desk: Desk, refund: dict[str, Any]) -> str:
    return str(await desk.owner.fetchval("select state from refunds where id = $1", refund["id"]))


async def test_the_money_is_the_platforms_again_and_the_practitioner_is_paid(
    desk: Desk, office: Office
) -> None:
    room = await office.transferred()
    _, asked = await office.refund(room, 600)
    await office.run()
    assert await desk.balance("stripe_clearing", room) == 120
    await fails(desk, office, room)
    assert await state(desk, asked) == "failed"
    assert (await desk.one(room, Kind.REFUND)).state is State.FAILED
    assert await desk.balance("stripe_clearing", room) == 720
    assert await desk.balance("practitioner_payable", room) == -480
    await office.run()
    assert sorted(one["amount"] for one in await desk.at_stripe("transfers", room)) == [480, 960]
    assert await desk.balance("practitioner_payable", room) == 0
    assert await desk.balance("stripe_clearing", room) == 240
    assert await desk.cases(room) == ["refund_failed"]
    assert await office.broken() == []


async def test_an_admin_sees_it_and_asks_again(desk: Desk, office: Office) -> None:
    room = await office.transferred()
    _, asked = await office.refund(room, 600)
    await office.run()
    await fails(desk, office, room)
    await office.run()
    _, listed = await office.ask("GET", "/v1/admin/refunds?state=failed")
    assert asked["id"] in [one["id"] for one in listed["items"]]
    # What failed gave nobody anything: it is no part of what one admin may give alone.
    status, again = await office.refund(room, 1000)
    assert (status, again["state"]) == (200, "approved")
    await office.run()
    standing = [one for one in await desk.at_stripe("refunds", room) if one["status"] == "succeeded"]
    assert [one["amount"] for one in standing] == [1000]
    # The practitioner had two transfers by then: the later one comes back first.
    assert sorted(one["amount"] for one in await desk.at_stripe("reversals", room)) == [320, 480, 480]
    assert await desk.balance("practitioner_payable", room) == 0
    assert await desk.balance("stripe_clearing", room) == 40
    assert await office.broken() == []


async def test_before_the_transfer_it_is_as_if_there_had_been_no_refund(desk: Desk, office: Office) -> None:
    room = await office.charged()
    await office.refund(room, 600)
    await office.run()
    await fails(desk, office, room)
    await office.run(2 * HOUR_MS)
    assert [one["amount"] for one in await desk.at_stripe("transfers", room)] == [960]
    assert await desk.balance("stripe_clearing", room) == 240
    assert await office.broken() == []


async def test_after_a_transfer_of_the_rest_the_rest_of_it_follows(desk: Desk, office: Office) -> None:
    room = await office.charged()
    await office.refund(room, 600)
    await office.run()
    await office.run(2 * HOUR_MS)
    assert [one["amount"] for one in await desk.at_stripe("transfers", room)] == [480]
    await fails(desk, office, room)
    await office.run()
    transfers = await desk.at_stripe("transfers", room)
    assert {one["metadata"]["operation"]: one["amount"] for one in transfers} == {
        "1:transfer:1:2": 480,
        "1:transfer:10001:1": 480,
    }
    assert await office.broken() == []


async def test_all_of_it_gone_back_and_failed_pays_all_of_it(desk: Desk, office: Office) -> None:
    room = await office.charged()
    await office.refund(room, 600)
    await office.refund(room, 600, who=office.ben)
    await office.run()
    await office.run(2 * HOUR_MS)
    assert await desk.at_stripe("transfers", room) == []
    for _ in range(2):
        await fails(desk, office, room)
    await office.run(2 * HOUR_MS)
    assert sum(one["amount"] for one in await desk.at_stripe("transfers", room)) == 960
    assert await desk.cases(room) == ["refund_failed", "refund_failed"]
    assert await office.broken() == []


async def test_a_debt_is_paid_by_what_is_due_again(desk: Desk, office: Office) -> None:
    account = await office.account()
    room = await office.transferred(account=account)
    await desk.control("balance", {"account": account, "amount": -960})
    await office.refund(room, 600)
    await office.run()
    assert await desk.balance("practitioner_debt", room) == 480
    await fails(desk, office, room)
    await office.run()
    assert await desk.balance("practitioner_debt", room) == 0
    assert await desk.balance("practitioner_payable", room) == 0
    assert [one["amount"] for one in await desk.at_stripe("transfers", room)] == [960]
    assert await office.broken() == []


async def test_news_that_come_twice_book_once(desk: Desk, office: Office) -> None:
    await desk.control("faults", {"vendor": "stripe", "action": "duplicate_webhook", "times": 20})
    room = await office.transferred()
    await office.refund(room, 600)
    await office.run()
    refund = await fails(desk, office, room)
    await office.hear("charge.refund.updated", refund["id"])
    await office.run()
    assert await desk.balance("stripe_clearing", room) == 240
    assert len(await desk.at_stripe("transfers", room)) == 2


async def test_a_refund_that_stands_or_is_not_ours_changes_nothing(desk: Desk, office: Office) -> None:
    room = await office.charged()
    hold = await desk.one(room, Kind.HOLD)
    stray = await desk.vendor.v1.refunds.create_async({"payment_intent": hold.stripe_id or "", "amount": 5})
    await desk.control("refund/fail", {"refund": stray.id})
    await office.hear("refund.failed", stray.id)
    note = "select note from webhook_inbox where object_id = $1 and type = 'refund.failed'"
    assert await desk.owner.fetchval(note, stray.id) == "not ours"
    assert await desk.balance("stripe_clearing", room) == 1200


async def test_what_had_paid_a_debt_and_goes_back_is_owed_again(desk: Desk, office: Office) -> None:
    account = await office.account()
    room = await office.transferred(account=account)
    await desk.control("balance", {"account": account, "amount": -960})
    await office.refund(room, 1000)
    await office.run()
    assert await desk.balance("practitioner_debt", room) == 800
    later = await desk.ended(4)
    move = "update sessions set practitioner_id = $2 where id = $1"
    await desk.settle(later, destination=account)
    await desk.owner.execute(move, later.id, room.practitioner.user_id)
    await office.run()
    await office.run(2 * HOUR_MS)
    assert [one["amount"] for one in await desk.at_stripe("transfers", later)] == [160]
    await office.refund(later, 600)
    await office.run()
    # Half of 9.60 has to come back: what was sent on does, and the rest is owed.
    assert [one["amount"] for one in await desk.at_stripe("reversals", later)] == [160]
    assert await desk.balance("practitioner_debt", later) == -800 + 320
    await office.refund(later, 600, who=office.ben)
    await office.run()
    assert await desk.balance("practitioner_debt", later) == 0
    assert await desk.balance("practitioner_payable", later) == 0
    refund = await fails(desk, office, later)
    await office.run()
    # One of them comes back, and pays the debt of the first session as far as it goes.
    assert refund["amount"] == 600
    assert await desk.balance("practitioner_debt", later) == -480
    assert await desk.balance("practitioner_payable", later) == 0
    assert await office.broken() == []
