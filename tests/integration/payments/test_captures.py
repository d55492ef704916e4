from msgspec.structs import replace

from billing.payment import Kind, State
from tests.integration.payments.desk import TERMS, Desk


async def account_of(desk: Desk) -> str:
    [practitioner] = await desk.control("people", {"role": "practitioner", "count": 1})
    return str(practitioner["account"])


async def test_the_part_that_was_used_is_captured_and_the_session_settled(desk: Desk) -> None:
    room = await desk.ended(4)
    await desk.settle(room)
    await desk.payments().run_once()
    [intent] = await desk.at_stripe("payment_intents", room)
    assert (intent["status"], intent["amount_received"]) == ("succeeded", 1200)
    assert desk.settled == [room.id]
    assert await desk.balance("guest_receivable", room) == 0
    assert await desk.balance("stripe_clearing", room) == 1200
    assert await desk.balance("practitioner_payable", room) == -960
    assert await desk.balance("platform_fee", room) == -240
    assert await desk.cases(room) == []


async def test_the_practitioner_gets_their_part_of_the_charge(desk: Desk) -> None:
    account = await account_of(desk)
    room = await desk.ended(4)
    await desk.settle(room, destination=account)
    # The transfer waits for the capture, whichever of the two is taken up first.
    await desk.payments().run_once()
    desk.wait(61_000)
    await desk.payments().run_once()
    [transfer] = await desk.at_stripe("transfers", room)
    [intent] = await desk.at_stripe("payment_intents", room)
    assert (transfer["amount"], transfer["destination"]) == (960, account)
    assert transfer["source_transaction"] == intent["latest_charge"]
    assert await desk.balance("practitioner_payable", room) == 0
    assert await desk.balance("stripe_clearing", room) == 240


async def test_too_little_to_charge_is_released(desk: Desk) -> None:
    room = await desk.ended(0.1)
    await desk.settle(room)
    await desk.payments().run_once()
    [intent] = await desk.at_stripe("payment_intents", room)
    assert (intent["status"], intent["amount_received"]) == ("canceled", 0)
    assert desk.settled == [room.id]


async def test_a_capture_that_somebody_else_made_is_accepted(desk: Desk) -> None:
    room = await desk.ended(4)
    await desk.settle(room)
    hold = await desk.one(room, Kind.HOLD)
    assert hold.stripe_id is not None
    await desk.vendor.v1.payment_intents.capture_async(hold.stripe_id, {"amount_to_capture": 1200})
    await desk.payments().run_once()
    assert (await desk.one(room, Kind.CAPTURE)).state is State.SUCCEEDED
    assert await desk.balance("stripe_clearing", room) == 1200
    assert await desk.cases(room) == []


async def test_a_capture_of_another_amount_is_put_before_a_person(desk: Desk) -> None:
    room = await desk.ended(4)
    await desk.settle(room)
    hold = await desk.one(room, Kind.HOLD)
    assert hold.stripe_id is not None
    await desk.vendor.v1.payment_intents.capture_async(hold.stripe_id, {"amount_to_capture": 1100})
    await desk.payments().run_once()
    assert await desk.cases(room) == ["capture_differs"]
    assert await desk.balance("guest_receivable", room) == 100


async def test_a_refused_transfer_is_wanted_again_later_under_a_new_key(desk: Desk) -> None:
    account = await account_of(desk)
    room = await desk.ended(4)
    await desk.settle(room, destination=account)
    await desk.control("capability", {"account": account, "transfers": "inactive"})
    await desk.payments().run_once()
    desk.wait(61_000)
    await desk.payments().run_once()
    first, second = await desk.all(room, Kind.TRANSFER)
    assert (first.state, second.state) == (State.FAILED, State.PENDING)
    assert (first.attempt, second.attempt) == (1, 2)
    await desk.control("capability", {"account": account, "transfers": "active"})
    desk.wait(second.next_at_ms - desk.now_ms())
    await desk.payments().run_once()
    [transfer] = await desk.at_stripe("transfers", room)
    assert transfer["metadata"]["operation"] == "1:transfer:1:2"
    assert await desk.balance("practitioner_payable", room) == 0


async def test_a_currency_without_decimals_is_charged_as_it_is(desk: Desk) -> None:
    yen = replace(TERMS, currency="jpy", rate_minor_per_minute=400, cap_minor=50_000)
    room = await desk.ended(3, terms=yen)
    await desk.settle(room)
    await desk.payments().run_once()
    [intent] = await desk.at_stripe("payment_intents", room)
    assert (intent["currency"], intent["amount_received"]) == ("jpy", 1200)
