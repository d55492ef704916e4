"""`python -m hub check`: each invariant holds after a whole session, and notices what breaks it."""

import asyncpg
import pytest

from store.postgres import invariant
from tests.integration.payments.desk import Desk
from tests.integration.payments.office import HOUR_MS, Office

BREAKS = {
    "billed_time_is_presence": "update intervals set to_ms = to_ms - 1"
    " where session_id = $1 and participant_no = 0",
    "captured_is_settlement": "update payment_ops set outcome = jsonb_set(outcome, '{amount_minor}', '1201')"
    " where session_id = $1 and kind = 'capture'",
    "collected_only_when_settled": "delete from settlements where session_id = $1",
    "one_effect_an_operation": "insert into payment_ops (session_id, participant_no, kind, ordinal, attempt,"
    " currency, params, idem_key, state, stripe_id, outcome, next_at_ms, created_at_ms)"
    " select session_id, participant_no, kind, ordinal, 9, currency, params, idem_key || '9', state,"
    " stripe_id, outcome, 0, 0 from payment_ops where session_id = $1 and kind = 'capture'",
    "operations_have_outcomes": "update payment_ops set outcome = null"
    " where session_id = $1 and kind = 'refund'",
    "operations_come_to_an_end": "update payment_ops set state = 'unknown', first_sent_at_ms = 1"
    " where session_id = $1 and kind = 'refund'",
    "money_that_moved_is_booked": "update payment_ops set outcome = jsonb_set(outcome, '{amount_minor}', '1')"
    " where session_id = $1 and kind = 'reversal'",
    "bookings_have_operations": "delete from payment_ops where session_id = $1 and kind = 'transfer'",
    "promotions_are_paid_once": "update payment_ops set params = '{\"body\": {}}'"
    " where session_id = $1 and kind = 'transfer'",
    "promotions_are_settled": "insert into ledger_entries select id, 9, 'platform_promotions', 1, 'usd'"
    " from ledger_transactions where session_id = $1 and kind = 'capture'",
    "transfers_within_captured": "update payment_ops"
    " set outcome = jsonb_set(outcome, '{amount_minor}', '9999') where session_id = $1 and kind = 'transfer'",
    "failed_refunds_are_booked_back": "update payment_ops set state = 'failed'"
    " where session_id = $1 and kind = 'refund'",
    "fees_are_booked_once": "insert into stripe_fees (id, session_id, participant_no, ordinal, source,"
    " amount_minor, currency, created_at_ms) values ('txn_x', $1, 1, 99, 'ch_x', 7, 'usd', 0)",
    "refunds_within_captured": "update deductions set amount_minor = 1201 where session_id = $1",
    "refunds_reach_practitioners": "insert into ledger_entries"
    " select transaction_id, line + 9, account, 1000, currency"
    " from ledger_entries join ledger_transactions t on t.id = transaction_id"
    " where session_id = $1 and account = 'practitioner_payable' and kind = 'settlement'",
    "holds_have_a_cause": "insert into fraud_reviews (id, subject_kind, subject, state, opened_at_ms,"
    " decided_by, decided_at_ms, reason)"
    " values (gen_random_uuid(), 'practitioner', $1::uuid::text, 'held', 0, gen_random_uuid(), 0, 'x')",
    "second_admin_is_another": "insert into refunds (id, session_id, participant_no, amount_minor, currency,"
    " reason, state, requested_by, created_at_ms)"
    " values (gen_random_uuid(), $1, 1, 1, 'usd', 'x', 'rejected', gen_random_uuid(), 0)",
    "settled_once": "delete from settlements where session_id = $1",
    "settlements_add_up": "update settlements set fee_minor = fee_minor + 1 where session_id = $1",
    "ledger_sums_to_zero": "insert into ledger_entries select id, 9, 'platform_fee', 1, 'usd'"
    " from ledger_transactions where session_id = $1 and kind = 'capture'",
    "debts_are_not_negative": "insert into ledger_entries select id, 9, 'practitioner_debt', -1, 'usd'"
    " from ledger_transactions where session_id = $1 and kind = 'capture'",
    "disputed_funds_are_open_disputes": "insert into ledger_entries select id, 9, 'disputed_funds', 1, 'usd'"
    " from ledger_transactions where session_id = $1 and kind = 'capture'",
    "missed_fees_were_agreed": "update settlements set kind = 'missed' where session_id = $1",
    "no_orphan_holds": "delete from payment_ops where session_id = $1 and kind = 'capture'",
}


def test_each_has_something_that_breaks_it() -> None:
    assert sorted(BREAKS) == invariant.names()


@pytest.mark.parametrize("name", invariant.names())
async def test_it_prepares_for_the_role_that_asks(desk: Desk, name: str) -> None:
    assert invariant.text(name).startswith("-- ")
    async with desk.pool.acquire() as connection:
        await connection.prepare(invariant.text(name))


async def test_all_hold_after_a_whole_session_and_each_notices_what_breaks_it(
    desk: Desk, office: Office
) -> None:
    room = await office.transferred()
    await office.refund(room, 600)
    await office.run(2 * HOUR_MS)
    assert await office.broken() == []
    for name, damage in BREAKS.items():
        async with desk.owner.acquire() as connection:
            change = connection.transaction()
            await change.start()
            try:
                # What the schema itself forbids is let through here: the check is the second line.
                await connection.execute("set local session_replication_role = replica")
                await connection.execute(damage, room.id)
                found = await invariant.broken(connection, name, now_ms=desk.now_ms())
                assert [row for row in found if row.get("session_id", room.id) == room.id], name
            finally:
                await change.rollback()
    assert await office.broken() == []


async def test_the_schema_forbids_more_back_than_was_charged(desk: Desk, office: Office) -> None:
    room = await office.charged()
    with pytest.raises(asyncpg.CheckViolationError):
        await desk.pool.execute(
            "insert into refunds (id, session_id, participant_no, amount_minor, currency, reason, state,"
            " requested_by, created_at_ms)"
            " values (gen_random_uuid(), $1, 1, 1201, 'usd', 'x', 'pending_approval', gen_random_uuid(), 0)",
            room.id,
        )


async def test_what_admins_did_stays(desk: Desk, office: Office) -> None:
    room = await office.charged()
    await office.refund(room, 5)
    for change in ("update admin_actions set reason = 'x'", "delete from admin_actions"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await desk.owner.execute(change)


UNRELATED = (
    "insert into cases (kind, session_id, detail, created_at_ms) values ('refund_failed', $1, '{}', 1)"
)
UNDER_WAY = (
    "update payment_ops set state = 'unknown', first_sent_at_ms = 1 where session_id = $1 and kind = 'refund'"
    " returning id"
)
LOST = (
    "update payment_ops set state = 'failed', outcome = '{\"status\": \"declined\"}'"
    " where session_id = $1 and kind = 'capture' returning id"
)
TOLD = (
    "insert into cases (kind, session_id, detail, created_at_ms, closed_at_ms)"
    " values ($2, $1, jsonb_build_object('operation', $3::text, 'operation_id', $4::bigint), 1, $5)"
)


@pytest.mark.parametrize(
    ("name", "damage", "kind", "operation", "closed_ms"),
    [
        ("operations_come_to_an_end", UNDER_WAY, "payment_unknown", "1:refund:1:1", None),
        ("captured_is_settlement", LOST, "capture_failed", "1:capture:1:1", None),
        ("captured_is_settlement", LOST, "charge_failed", "1:charge:1:1", 5),
    ],
)
async def test_only_a_case_about_it_explains_what_is_missing(
    desk: Desk, office: Office, name: str, damage: str, kind: str, operation: str, closed_ms: int | None
) -> None:
    room = await office.transferred()
    await office.refund(room, 600)
    await office.run(2 * HOUR_MS)
    async with desk.owner.acquire() as connection:
        change = connection.transaction()
        await change.start()
        try:
            await connection.execute("set local session_replication_role = replica")
            operation_id = await connection.fetchval(damage, room.id)

            async def is_broken() -> bool:
                found = await invariant.broken(connection, name, now_ms=desk.now_ms())
                return any(row["session_id"] == room.id for row in found)

            await connection.execute(UNRELATED, room.id)
            assert await is_broken()
            await connection.execute(TOLD, room.id, kind, operation, operation_id, closed_ms)
            assert not await is_broken()
        finally:
            await change.rollback()


async def test_a_case_about_what_is_under_way_explains_it_only_while_it_is_open(
    desk: Desk, office: Office
) -> None:
    room = await office.transferred()
    await office.refund(room, 600)
    await office.run(2 * HOUR_MS)
    operation_id = await desk.owner.fetchval(UNDER_WAY, room.id)
    await desk.owner.execute(TOLD, room.id, "payment_unknown", "1:refund:1:1", operation_id, 5)
    assert "operations_come_to_an_end" in await office.broken()
    await desk.owner.execute("update payment_ops set state = 'succeeded' where id = $1", operation_id)
