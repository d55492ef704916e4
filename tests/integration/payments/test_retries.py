"""An admin wants again what failed at Stripe for good: with a reason, on record, only where it is right."""

from typing import Any

from billing.payment import Kind, State
from billing.recovery import ATTEMPTS_MAX
from rooms.room import Room
from tests.integration.payments.desk import Desk
from tests.integration.payments.office import HOUR_MS, Answer, Office
from tests.integration.payments.test_stand_ins import days_later, declined, taken_or_failed


async def retry(office: Office, operation_id: int) -> Answer:
    path = f"/v1/admin/operations/{operation_id}/retry"
    return await office.ask("POST", path, {"reason": "The account is open again."})


async def why(office: Office, operation_id: int) -> str:
    status, answer = await retry(office, operation_id)
    assert status == 409, answer
    return str(answer["error"]["fields"]["operation"])


async def refused_for_good(desk: Desk, office: Office) -> Room:
    """A session whose transfer Stripe has refused eight times."""
    account = await office.account()
    room = await office.charged(account=account)
    # The hub thinks that the account can be paid; Stripe knows better.
    await desk.control("capability", {"account": account, "transfers": "inactive"})
    await desk.owner.execute("update webhook_inbox set state = 'done'")
    for _ in range(ATTEMPTS_MAX + 2):
        await office.run(300 * HOUR_MS)
    transfers = await desk.all(room, Kind.TRANSFER)
    assert [one.state for one in transfers] == [State.FAILED] * ATTEMPTS_MAX
    await desk.control("capability", {"account": account, "transfers": "active"})
    return room


async def listed(office: Office, room: Room) -> list[dict[str, Any]]:
    _, answer = await office.ask("GET", f"/v1/admin/sessions/{room.id}/operations")
    items: list[dict[str, Any]] = answer["items"]
    return items


async def test_a_transfer_that_was_refused_for_good_is_wanted_again(desk: Desk, office: Office) -> None:
    room = await refused_for_good(desk, office)
    assert await desk.cases(room) == ["transfer_failed"]
    [last] = [one for one in await listed(office, room) if one["may_retry"]]
    assert (last["kind"], last["attempt"]) == ("transfer", ATTEMPTS_MAX)
    status, again = await retry(office, last["id"])
    assert (status, again["state"], again["attempt"]) == (200, "pending", ATTEMPTS_MAX + 1)
    assert await why(office, last["id"]) == "under_way"
    await office.run()
    assert [one["amount"] for one in await desk.at_stripe("transfers", room)] == [960]
    assert await why(office, last["id"]) == "took_effect"
    _, done = await office.ask("GET", "/v1/admin/actions?limit=1")
    assert done["items"][0]["action"] == "operation_retried"
    assert done["items"][0]["reason"] == "The account is open again."
    assert await desk.balance("practitioner_payable", room) == 0
    assert await office.broken() == []


async def test_what_went_back_meanwhile_is_not_sent(desk: Desk, office: Office) -> None:
    room = await refused_for_good(desk, office)
    last = (await desk.all(room, Kind.TRANSFER))[-1]
    await office.refund(room, 600)
    await office.run()
    assert (await retry(office, last.id))[0] == 200
    await office.run()
    assert [one["amount"] for one in await desk.at_stripe("transfers", room)] == [480]
    assert await office.broken() == []


async def test_nothing_due_is_not_wanted_again(desk: Desk, office: Office) -> None:
    room = await refused_for_good(desk, office)
    last = (await desk.all(room, Kind.TRANSFER))[-1]
    await office.refund(room, 600)
    await office.refund(room, 600, who=office.ben)
    await office.run()
    assert await why(office, last.id) == "not_due"


async def test_only_what_failed_for_good(desk: Desk, office: Office) -> None:
    room = await office.transferred()
    capture, transfer = await desk.one(room, Kind.CAPTURE), await desk.one(room, Kind.TRANSFER)
    assert await why(office, (await desk.one(room, Kind.HOLD)).id) == "not_retriable"
    assert await why(office, capture.id) == "not_failed"
    assert await why(office, transfer.id) == "not_failed"
    assert (await retry(office, 10**15))[0] == 404
    assert (await office.ask("POST", "/v1/admin/operations/x/retry", {"reason": "x"}))[0] == 404
    path = f"/v1/admin/operations/{transfer.id}/retry"
    assert (await office.ask("POST", path, {"reason": " "}))[0] == 400
    assert (await office.ask("POST", path, {"reason": "x"}, role="moderator"))[0] == 403


async def test_what_stripe_did_all_the_same_is_not_done_again(desk: Desk, office: Office) -> None:
    room = await office.transferred()
    transfer = await desk.one(room, Kind.TRANSFER)
    await desk.owner.execute("update payment_ops set state = 'failed' where id = $1", transfer.id)
    assert await why(office, transfer.id) == "took_effect"


async def test_without_stripe_nothing_is_decided(desk: Desk, office: Office) -> None:
    room = await refused_for_good(desk, office)
    last = (await desk.all(room, Kind.TRANSFER))[-1]
    match = {"method": "GET", "path_prefix": "/v1/transfers"}
    await desk.control("faults", {"vendor": "stripe", "action": "500", "match": match})
    assert (await retry(office, last.id))[0] == 503
    assert len(await desk.all(room, Kind.TRANSFER)) == ATTEMPTS_MAX


async def test_a_charge_that_every_card_refused_is_asked_for_once_more(desk: Desk, office: Office) -> None:
    room = await declined(desk, times=4)
    for days in (1, 3, 7):
        await days_later(desk, days)
    last = (await desk.all(room, Kind.CHARGE))[-1]
    assert (await retry(office, last.id))[0] == 200
    await desk.payments().run_once()
    assert await taken_or_failed(desk, room) == 1200
    assert await desk.balance("guest_receivable", room) == 0
    assert await office.broken() == []
