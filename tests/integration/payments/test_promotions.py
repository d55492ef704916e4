"""Free time is paid to the practitioner by the platform: once, by a transfer of its own, once it can."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace

from billing.payment import Kind, Operation, State, Wanted
from billing.refunding import NOT_DUE
from billing.requests import PROMOTION
from hub.workers.promotions import BALANCE_SHORT, PROMOTIONS_MANY
from hub.workers.reconciler import Reconciler
from hub.workers.unpaid import Unpaid
from hub.workers.webhooks import INTENT_NEWS
from rooms.room import Room
from store.postgres import invariant, operations
from tests.integration.payments.desk import ENVIRONMENT, MINUTE_MS, TERMS, Desk, until
from tests.integration.payments.office import HOUR_MS, Office
from tests.integration.payments.test_disputes import decided, disputed

FREE = replace(TERMS, free_ms=MINUTE_MS)
DAY_MS = 24 * HOUR_MS


@dataclass
class Free:
    """A session with free time that is on record; its captures are done, its transfers wait."""

    desk: Desk
    office: Office
    room: Room
    account: str

    async def transfers(self) -> dict[str, int]:
        """What Stripe passed on, by the operation that wanted it."""
        found = await self.desk.at_stripe("transfers", self.room)
        return {one["metadata"]["operation"]: one["amount"] for one in found}

    async def promotions(self) -> list[Operation]:
        return [one for one in await self.desk.all(self.room, Kind.TRANSFER) if one.ordinal == PROMOTION]

    async def balance(self, account: str) -> int:
        return await self.desk.balance(account, self.room)


async def ended(desk: Desk, office: Office, minutes: float = 4, *, free_minutes: int = 1) -> Free:
    account = await office.account()
    room = await desk.ended(minutes, terms=replace(TERMS, free_ms=free_minutes * MINUTE_MS))
    await office.practise(room, account)
    return Free(desk, office, room, account)


async def charged(desk: Desk, office: Office, minutes: float = 4, *, free_minutes: int = 1) -> Free:
    free = await ended(desk, office, minutes, free_minutes=free_minutes)
    await desk.settle(free.room, destination=free.account)
    # Of the transfers only those of captures wait for anything: all are to be due later.
    await desk.owner.execute(
        "update payment_ops set next_at_ms = $2 where session_id = $1 and kind = 'transfer'",
        free.room.id,
        desk.now_ms() + MINUTE_MS,
    )
    await office.run()
    assert await free.transfers() == {}
    return free


async def platform_has(desk: Desk, available: int) -> None:
    await desk.control("balance", {"currency": "usd", "available": available})


async def test_a_session_that_is_free_in_part_is_paid_from_both_sides(desk: Desk, office: Office) -> None:
    free = await charged(desk, office)
    assert await free.balance("platform_promotions") == 240
    await office.run(HOUR_MS)
    assert await free.transfers() == {"1:transfer:1:1": 720, "1:transfer:3001:1": 240}
    [paid] = [one for one in await desk.at_stripe("transfers", free.room) if one["amount"] == 240]
    assert (paid["source_transaction"], paid["destination"]) == (None, free.account)
    assert paid["transfer_group"] == f"session_{free.room.id}"
    assert await free.balance("practitioner_payable") == 0
    assert await free.balance("stripe_clearing") == 900 - 720 - 240
    assert await desk.cases(free.room) == []
    assert await office.broken() == []


async def test_a_session_that_is_free_altogether_is_settled_and_paid(desk: Desk, office: Office) -> None:
    free = await charged(desk, office, free_minutes=10)
    assert desk.settled == [free.room.id]
    [intent] = await desk.at_stripe("payment_intents", free.room)
    assert intent["status"] == "canceled"
    await office.run(HOUR_MS)
    assert await free.transfers() == {"1:transfer:3001:1": 960}
    assert await free.balance("practitioner_payable") == 0
    assert await office.broken() == []


async def test_a_price_below_the_minimum_is_waived_and_the_free_time_paid(desk: Desk, office: Office) -> None:
    free = await charged(desk, office, 1.1)
    [row] = await desk.owner.fetch("select * from settlements where session_id = $1", free.room.id)
    assert (row["waived"], row["total_minor"], row["promotion_minor"]) == ("below_minimum", 0, 240)
    await office.run(HOUR_MS)
    assert await free.transfers() == {"1:transfer:3001:1": 240}
    assert await office.broken() == []


async def test_the_practitioner_sees_it_as_a_line_of_its_own(desk: Desk, office: Office) -> None:
    free = await charged(desk, office)
    who = free.room.practitioner.user_id

    async def earned() -> tuple[dict[str, Any], dict[str, Any]]:
        _, answer = await office.ask("GET", "/v1/me/earnings", who=who, role="practitioner")
        return answer["totals"][0], answer["sessions"][0]

    total, session = await earned()
    assert (total["earned_minor"], total["promotion_minor"], total["pending_minor"]) == (960, 240, 960)
    assert (session["earned_minor"], session["promotion_minor"], session["transferred_minor"]) == (
        720,
        240,
        0,
    )
    await office.run(HOUR_MS)
    total, session = await earned()
    assert (total["pending_minor"], total["transferred_minor"], session["transferred_minor"]) == (0, 960, 960)


# What it waits for.


@pytest.mark.parametrize(("outcome", "kept"), [("won", 720), ("lost", 0)])
async def test_it_waits_for_a_bank_and_goes_whatever_the_bank_decides(
    outcome: str, kept: int, desk: Desk, office: Office
) -> None:
    free = await charged(desk, office)
    dispute = await disputed(desk, office, free.room)
    await office.run(2 * HOUR_MS)
    assert await free.transfers() == {}
    await decided(desk, office, dispute, outcome)
    for _ in range(2):
        await office.run(2 * HOUR_MS)
    assert sum((await free.transfers()).values()) == 240 + kept
    assert await free.balance("practitioner_payable") == 0
    assert await office.broken() == []


async def test_it_waits_for_a_refund_that_is_not_decided_and_loses_nothing_by_it(
    desk: Desk, office: Office
) -> None:
    free = await charged(desk, office)
    await desk.owner.execute(
        "insert into refunds (id, session_id, participant_no, amount_minor, currency, reason, state,"
        " requested_by, created_at_ms)"
        " values (gen_random_uuid(), $1, 1, 1, 'usd', 'x', 'pending_approval', gen_random_uuid(), 0)",
        free.room.id,
    )
    await office.run(2 * HOUR_MS)
    assert await free.transfers() == {}
    await desk.owner.execute("update refunds set state = 'rejected' where session_id = $1", free.room.id)
    await office.refund(free.room, 900)
    for _ in range(2):
        await office.run(2 * HOUR_MS)
    assert await free.transfers() == {"1:transfer:3001:1": 240}
    assert await free.balance("practitioner_payable") == 0


async def test_it_waits_for_an_account_that_is_not_ready_and_follows_to_another(
    desk: Desk, office: Office
) -> None:
    free = await charged(desk, office, free_minutes=10)
    other = await office.account()
    practice = "update practices set transfers_active = $2, stripe_account = $3 where practitioner_id = $1"
    who = free.room.practitioner.user_id
    await desk.owner.execute(practice, who, False, free.account)
    await office.run(2 * HOUR_MS)
    assert await free.transfers() == {}
    await desk.owner.execute(practice, who, True, other)
    await office.run(2 * HOUR_MS)
    [paid] = await desk.at_stripe("transfers", free.room)
    assert (paid["amount"], paid["destination"]) == (960, other)
    assert paid["metadata"]["operation"] == "1:transfer:3001:2"
    assert await office.broken() == []


async def test_without_an_account_it_is_owed_and_goes_once_there_is_one(desk: Desk, office: Office) -> None:
    room = await desk.ended(4, terms=replace(FREE, free_ms=10 * MINUTE_MS))
    await office.practise(room, None, active=False)
    await desk.settle(room)
    await office.run()
    unpaid = Unpaid(desk.pool, environment=ENVIRONMENT, delay_ms=HOUR_MS, now_ms=desk.now_ms)
    await unpaid.run_once()
    assert await desk.all(room, Kind.TRANSFER) == []
    assert await desk.balance("practitioner_payable", room) == -960
    account = await office.account()
    await desk.owner.execute(
        "update practices set stripe_account = $2, transfers_active = true where practitioner_id = $1",
        room.practitioner.user_id,
        account,
    )
    await asyncio.gather(*(unpaid.run_once() for _ in range(3)))
    assert (await desk.one(room, Kind.TRANSFER)).state is State.PENDING
    await office.run(2 * HOUR_MS)
    [paid] = await desk.at_stripe("transfers", room)
    assert (paid["amount"], paid["destination"]) == (960, account)
    assert await unpaid.run_once() == 0
    assert await office.broken() == []


# Debts.


async def test_a_debt_is_kept_from_it(desk: Desk, office: Office) -> None:
    free = await charged(desk, office)
    await office.run(HOUR_MS)
    assert len(await free.transfers()) == 2
    # The account is empty when the guest gets everything back, so all of the guest's part is owed.
    await desk.control("balance", {"account": free.account, "amount": -960})
    await office.refund(free.room, 900)
    await office.run()
    assert await free.balance("practitioner_debt") == 720
    later = await ended(desk, office, free_minutes=10)
    as_before = "update sessions set practitioner_id = $2 where id = $1"
    await desk.settle(later.room, destination=later.account)
    await desk.owner.execute(as_before, later.room.id, free.room.practitioner.user_id)
    await office.run()
    await office.run(2 * HOUR_MS)
    [paid] = await desk.at_stripe("transfers", later.room)
    assert paid["amount"] == 960 - 720
    [row] = await desk.owner.fetch("select * from deductions where session_id = $1", later.room.id)
    assert (row["kind"], row["charge"], row["practitioner_minor"]) == ("netting", None, 720)
    assert await free.balance("practitioner_debt") + await later.balance("practitioner_debt") == 0
    assert await later.balance("practitioner_payable") == 0
    assert await office.broken() == []


# The platform's balance.


async def test_a_balance_that_is_short_delays_it_until_it_is_topped_up(desk: Desk, office: Office) -> None:
    free = await charged(desk, office)
    await platform_has(desk, 239)
    await office.run(MINUTE_MS)
    assert await free.transfers() == {"1:transfer:1:1": 720}, "what a charge pays for needs no balance"
    for _ in range(12):
        await office.run(DAY_MS)
    tried = await free.promotions()
    assert [one.attempt for one in tried] == list(range(1, 15))
    assert {one.state for one in tried[:-1]} == {State.FAILED}
    assert tried[-1].state is State.PENDING
    about = await desk.owner.fetch("select subject, detail from cases where kind = $1", BALANCE_SHORT)
    assert [case["subject"] for case in about] == ["usd"], "one case, whoever waits"
    assert about[0]["detail"]["session_id"] == free.room.id
    assert await desk.cases(free.room) == []
    assert await free.balance("practitioner_payable") == -240
    assert await office.broken() == []
    await platform_has(desk, 240)
    await office.run(DAY_MS)
    assert await free.transfers() == {"1:transfer:1:1": 720, "1:transfer:3001:14": 240}
    assert await free.balance("practitioner_payable") == 0
    assert await office.broken() == []
    await platform_has(desk, 10_000_000)


# However it is sent.


@pytest.mark.parametrize("action", ["apply_then_drop", "500", "429", "hang"])
async def test_whatever_stripe_answers_it_is_paid_once(action: str, desk: Desk, office: Office) -> None:
    free = await charged(desk, office, free_minutes=10)
    await desk.fault(action, "/v1/transfers", **({"ms": 4_000} if action == "hang" else {}))

    async def is_paid() -> bool:
        await office.run(MINUTE_MS)
        return await free.balance("practitioner_payable") == 0

    await until(is_paid, "the free time was paid")
    assert sum((await free.transfers()).values()) == 960
    assert len(await free.transfers()) == 1
    assert await office.broken() == []


async def test_many_workers_pay_it_once(desk: Desk, office: Office) -> None:
    free = await charged(desk, office)
    desk.wait(HOUR_MS)
    await asyncio.gather(*(desk.payments().run_once() for _ in range(4)))
    await office.run(HOUR_MS)
    assert await free.transfers() == {"1:transfer:1:1": 720, "1:transfer:3001:1": 240}
    assert await office.broken() == []


async def test_wanted_once_more_it_is_not_sent_again(desk: Desk, office: Office) -> None:
    free = await charged(desk, office, free_minutes=10)
    await office.run(HOUR_MS)
    [paid] = await free.promotions()
    again = Wanted(Kind.TRANSFER, PROMOTION, paid.amount_minor, "usd", paid.params, desk.now_ms(), 2)
    await operations.insert_operations(desk.pool, ENVIRONMENT, free.room.id, 1, [again], now_ms=desk.now_ms())
    await office.run(HOUR_MS)
    assert len(await free.transfers()) == 1
    ended_unsent = (await free.promotions())[-1]
    assert ended_unsent.outcome is not None
    assert (ended_unsent.outcome.code, ended_unsent.first_sent_at_ms) == (NOT_DUE, None)
    assert await office.broken() == []


async def test_the_reconciler_knows_it(desk: Desk, office: Office) -> None:
    await desk.owner.execute("truncate reconciled")
    free = await charged(desk, office)
    await office.run(HOUR_MS)
    reconciler = Reconciler(desk.pool, desk.gateway, wanted=INTENT_NEWS, now_ms=desk.now_ms)
    await reconciler.run_once()
    compared = "select count(*) from payment_ops where session_id = $1 and reconciled_at_ms is not null"
    assert await desk.owner.fetchval(f"{compared} and ordinal = 3001", free.room.id) == 1
    assert await desk.owner.fetchval("select count(*) from cases where kind <> 'clearing_differs'") == 0
    # What only Stripe or only we know of opens a case.
    [paid] = [one for one in await desk.at_stripe("transfers", free.room) if one["amount"] == 240]
    await desk.owner.execute("update payment_ops set stripe_id = 'tr_x' where stripe_id = $1", paid["id"])
    await desk.owner.execute("truncate reconciled")
    assert await reconciler.run_once() > 0
    assert {"transfer_differs", "movement_unknown"} <= set(await case_kinds(desk))


async def case_kinds(desk: Desk) -> list[str]:
    return [row["kind"] for row in await desk.owner.fetch("select kind from cases")]


# The checks can fail.

BREAKS = {
    "promotions_are_paid_once": "update payment_ops set outcome = jsonb_set(outcome, '{amount_minor}', '241')"
    " where session_id = $1 and kind = 'transfer' and ordinal = 3001",
    "promotions_are_settled": "delete from settlements where session_id = $1",
    "settlements_add_up": "update settlements set promotion_minor = 241 where session_id = $1",
    "transfers_within_captured": "update settlements set promotion_minor = 0 where session_id = $1",
    "money_that_moved_is_booked": "update ledger_transactions set ordinal = 9"
    " where session_id = $1 and kind = 'transfer' and ordinal = 3001",
    "bookings_have_operations": "delete from payment_ops where session_id = $1 and ordinal = 3001",
}
FORGOTTEN = "update payment_ops set state = 'failed' where session_id = $1 and ordinal = 3001"


@pytest.mark.parametrize("name", [*BREAKS, "forgotten"])
async def test_each_check_notices_free_time_that_is_paid_wrongly(
    name: str, desk: Desk, office: Office
) -> None:
    free = await charged(desk, office, 2.5 if name == "transfers_within_captured" else 4)
    await office.run(HOUR_MS)
    assert await office.broken() == []
    checked = "promotions_are_paid_once" if name == "forgotten" else name
    async with desk.owner.acquire() as connection:
        change = connection.transaction()
        await change.start()
        await connection.execute("set local session_replication_role = replica")
        await connection.execute(BREAKS.get(name, FORGOTTEN), free.room.id)
        found = await invariant.broken(connection, checked, now_ms=desk.now_ms())
        assert [row for row in found if row.get("session_id") == free.room.id]
        await change.rollback()


async def test_more_than_a_days_free_time_waits_until_a_person_has_looked(desk: Desk, office: Office) -> None:
    free = await charged(desk, office, 4)
    await desk.owner.execute(
        "update settlements set promotion_minor = 50_001 where session_id = $1", free.room.id
    )
    for _ in range(3):
        await office.run(HOUR_MS)
    assert await free.transfers() == {"1:transfer:1:1": 720}
    assert await desk.cases(free.room) == [PROMOTIONS_MANY]
    await desk.owner.execute(
        "update settlements set promotion_minor = 240 where session_id = $1", free.room.id
    )
    other = await desk.ended(1, terms=FREE)
    await desk.settle(other)
    await desk.owner.execute(
        "update settlements set promotion_minor = 50_000 where session_id = $1", other.id
    )
    await desk.owner.execute(
        "update sessions set practitioner_id = $2 where id = $1", other.id, free.room.practitioner.user_id
    )
    await desk.owner.execute(
        "update settlements set created_at_ms = (select created_at_ms from settlements where session_id = $1)"
        " where session_id = $2",
        free.room.id,
        other.id,
    )
    await office.run(HOUR_MS)
    assert len(await free.transfers()) == 1
    await desk.owner.execute("update cases set closed_at_ms = 1 where session_id = $1", free.room.id)
    await office.run(HOUR_MS)
    assert (await free.transfers())["1:transfer:3001:1"] == 240
