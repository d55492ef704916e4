"""A tip: an intent of its own, all of it the practitioner's, its transfer tied to its charge."""

from billing import requests
from billing.payment import Kind, Share, State
from rooms.room import Room
from store.postgres import operations
from tests.integration.payments.desk import ENVIRONMENT, Desk
from tests.integration.payments.test_captures import account_of

DELAY_MS = 3_600_000


async def give(desk: Desk, *, share: bool = True) -> Room:
    """A charged session for which a tip of 500 is wanted, not sent."""
    room = await desk.ended(4)
    account = await account_of(desk)
    await desk.settle(room, destination=account)
    await desk.payments().run_once()
    hold = await desk.one(room, Kind.HOLD)
    wanted = requests.charge(
        room.id, 1, ordinal=1, amount_minor=500, currency="usd", kind=Kind.TIP, at_ms=desk.now_ms(),
        customer=str(hold.params.body["customer"]), payment_method=str(hold.params.body["payment_method"]),
        share=Share(500, account, desk.now_ms() + DELAY_MS) if share else None,
    )  # fmt: skip
    for _ in range(2):
        await operations.insert_operations(desk.pool, ENVIRONMENT, room.id, 1, [wanted], now_ms=desk.now_ms())
    return room


async def tips(desk: Desk, room: Room) -> list[int]:
    intents = await desk.at_stripe("payment_intents", room)
    return [i["amount_received"] for i in intents if i["metadata"]["operation"] == "1:tip:1:1"]


async def run(desk: Desk, times: int = 3) -> None:
    for _ in range(times):
        await desk.payments().run_once()
        desk.wait(61_000)


async def test_it_is_charged_once_and_passed_on_whole_after_the_delay(desk: Desk) -> None:
    room = await give(desk)
    await run(desk)
    tip = await desk.one(room, Kind.TIP)
    assert (tip.state, await tips(desk, room)) == (State.SUCCEEDED, [500])
    assert len(await desk.at_stripe("transfers", room)) == 1
    assert await desk.balance("practitioner_payable", room) == -500
    assert await desk.balance("platform_fee", room) == -240
    desk.wait(DELAY_MS)
    await run(desk)
    assert tip.outcome is not None
    passed = {t["source_transaction"]: t["amount"] for t in await desk.at_stripe("transfers", room)}
    assert passed[tip.outcome.charge] == 500
    assert await desk.balance("practitioner_payable", room) == 0
    assert await desk.balance("stripe_clearing", room) == 240
    assert await desk.cases(room) == []


async def test_a_declined_tip_moves_nothing_and_bothers_nobody(desk: Desk) -> None:
    room = await give(desk)
    await desk.control("faults", {"vendor": "stripe", "action": "decline_next"})
    await run(desk)
    assert ((await desk.one(room, Kind.TIP)).state, await tips(desk, room)) == (State.FAILED, [0])
    assert await desk.balance("stripe_clearing", room) == 1200 - 960
    assert await desk.cases(room) == []


async def test_a_lost_answer_does_not_charge_it_twice(desk: Desk) -> None:
    room = await give(desk)
    await desk.fault("apply_then_drop")
    await run(desk)
    assert ((await desk.one(room, Kind.TIP)).state, await tips(desk, room)) == (State.SUCCEEDED, [500])


async def test_without_an_account_it_stays_owed(desk: Desk) -> None:
    room = await give(desk, share=False)
    await run(desk)
    assert await desk.balance("practitioner_payable", room) == -500
