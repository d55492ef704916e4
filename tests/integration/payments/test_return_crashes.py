"""A worker that is killed while money goes back, and refunds that race a transfer: all of it happens once."""

import asyncio

import pytest

from billing.payment import Kind, State
from billing.recovery import SAME_KEY_MS
from hub.workers.payments import LEASE_MS
from sandbox.postgres import PostgresAddress
from tests.integration.payments.desk import MINUTE_MS, Desk, until
from tests.integration.payments.office import HOUR_MS, Office
from tests.integration.payments.test_crashes import POINTS, killed_at


async def due_now(desk: Desk) -> None:
    """The other process has a clock of its own, behind the desk's."""
    await desk.owner.execute("update payment_ops set next_at_ms = 0 where state = 'pending'")


@pytest.mark.parametrize("point", POINTS)
async def test_a_refund_is_made_once(
    point: str, database: PostgresAddress, desk: Desk, office: Office
) -> None:
    room = await office.transferred()
    await office.refund(room, 600)
    await due_now(desk)
    await killed_at(point, database, desk)
    await office.run(LEASE_MS)
    assert [one["amount"] for one in await desk.at_stripe("refunds", room)] == [600]
    assert [one["amount"] for one in await desk.at_stripe("reversals", room)] == [480]
    assert await desk.balance("stripe_clearing", room) == 120
    assert await office.broken() == []


@pytest.mark.parametrize("point", POINTS)
async def test_a_reversal_is_made_once(
    point: str, database: PostgresAddress, desk: Desk, office: Office
) -> None:
    room = await office.transferred()
    await office.refund(room, 600)
    await desk.payments().run_once()
    assert (await desk.one(room, Kind.REVERSAL)).state is State.PENDING
    await due_now(desk)
    await killed_at(point, database, desk)
    await office.run(LEASE_MS)
    assert [one["amount"] for one in await desk.at_stripe("reversals", room)] == [480]
    assert await desk.balance("practitioner_payable", room) == 0
    assert await office.broken() == []


@pytest.mark.parametrize("action", ["apply_then_drop", "500", "429", "hang"])
@pytest.mark.parametrize("path", ["/v1/refunds", "/v1/transfers/"])
async def test_whatever_stripe_answers_it_happens_once(
    action: str, path: str, desk: Desk, office: Office
) -> None:
    room = await office.transferred()
    await desk.fault(action, path, **({"ms": 4_000} if action == "hang" else {}))
    await office.refund(room, 600)

    async def all_over() -> bool:
        await office.run(MINUTE_MS)
        return bool(await desk.balance("stripe_clearing", room) == 120)

    await until(all_over, "the refund and its reversal")
    assert [one["amount"] for one in await desk.at_stripe("refunds", room)] == [600]
    assert [one["amount"] for one in await desk.at_stripe("reversals", room)] == [480]
    assert await desk.balance("practitioner_payable", room) == 0
    assert await office.broken() == []


async def test_a_refund_while_the_transfer_is_on_its_way_brings_its_part_back(
    desk: Desk, office: Office
) -> None:
    room = await office.charged()
    desk.wait(2 * HOUR_MS)
    await desk.fault("hang", "/v1/transfers", ms=1_500)
    sending = asyncio.create_task(desk.payments().run_once())
    await until(desk.no_fault_waits, "the transfer is with Stripe")
    await office.refund(room, 600)
    await desk.payments().run_once()
    assert len(await desk.at_stripe("refunds", room)) == 1
    await sending
    await office.run()
    [transfer] = await desk.at_stripe("transfers", room)
    assert (transfer["amount"], transfer["amount_reversed"]) == (960, 480)
    assert await desk.balance("practitioner_payable", room) == 0
    assert await office.broken() == []


async def test_refunds_and_a_transfer_that_begin_together_agree(desk: Desk, office: Office) -> None:
    room = await office.charged()
    desk.wait(2 * HOUR_MS)
    workers = [desk.payments().run_once() for _ in range(3)]
    await asyncio.gather(*(office.refund(room, 200) for _ in range(4)), *workers)
    for _ in range(3):
        await office.run(2 * HOUR_MS)
    [transfer] = await desk.at_stripe("transfers", room)
    assert transfer["amount"] - transfer["amount_reversed"] == 960 - 4 * 160
    assert await desk.balance("practitioner_payable", room) == 0
    assert await desk.cases(room) == []
    assert await office.broken() == []


async def test_a_reversal_that_hung_and_was_looked_for_after_a_day_is_made_once(
    desk: Desk, office: Office
) -> None:
    room = await office.transferred()
    await office.refund(room, 500)
    await desk.payments().run_once()
    await desk.fault("hang", "/v1/transfers/", ms=60_000)
    await desk.payments().run_once()
    desk.wait(MINUTE_MS // 2)
    await desk.payments().run_once()
    # The first call is still at work there: 409, and the answer stays unknown.
    assert (await desk.one(room, Kind.REVERSAL)).state is State.UNKNOWN
    desk.wait(SAME_KEY_MS)
    await desk.control("clock", {"advance_s": 25 * 3_600})
    await office.refund(room, 500)
    for _ in range(3):
        await office.run()
    assert await desk.cases(room) == ["payment_unknown"]
    assert [one["amount"] for one in await desk.at_stripe("reversals", room)] == [400, 400]
    assert [one.attempt for one in await desk.all(room, Kind.REVERSAL)] == [1, 1]
    assert await desk.balance("stripe_clearing", room) == 40
    assert await desk.balance("practitioner_debt", room) == 0
    assert await office.broken() == []
