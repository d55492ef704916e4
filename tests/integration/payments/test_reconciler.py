"""The reconciler: events that never came, and every difference between Stripe and our record opens a case."""

from typing import Any

import pytest

from billing import stripe_gateway
from billing.payment import Kind
from hub.workers.failed_refunds import NEWS as REFUND_NEWS
from hub.workers.reconciler import SETTLED_S, Reconciler
from hub.workers.webhooks import INTENT_NEWS
from rooms.room import Room
from tests.integration.payments.desk import Desk
from tests.integration.payments.office import HOUR_MS, Office


@pytest.fixture
def reconciler(desk: Desk) -> Reconciler:
    return Reconciler(desk.pool, desk.gateway, wanted=INTENT_NEWS | REFUND_NEWS, now_ms=desk.now_ms)


@pytest.fixture(autouse=True)
async def nothing_read_yet(desk: Desk) -> None:
    await desk.owner.execute("truncate reconciled, balances_compared, platform_movements, movements_kept")


async def cases(desk: Desk) -> list[tuple[str, str | None]]:
    rows = await desk.owner.fetch("select kind, subject from cases order by kind, subject")
    return [(row["kind"], row["subject"]) for row in rows]


async def whole(desk: Desk, office: Office) -> Room:
    """A session with a refund, a transfer, a reversal and a dispute, all heard of."""
    room = await office.transferred()
    await office.refund(room, 600)
    await office.run()
    dispute = await desk.control("dispute", {"session_id": room.id, "amount": 100})
    await office.hear("charge.dispute.created", dispute["id"])
    await office.run()
    return room


async def test_where_all_is_known_there_is_no_case(
    desk: Desk, office: Office, reconciler: Reconciler
) -> None:
    await whole(desk, office)
    desk.wait(HOUR_MS // 2)
    assert await reconciler.run_once() == 0
    assert await reconciler.run_once() == 0
    assert await cases(desk) == []
    left = (
        "select count(*) from payment_ops where reconciled_at_ms is null and kind not in ('hold', 'evidence')"
    )
    assert await desk.owner.fetchval(f"{left} and state = 'succeeded'") == 0


async def test_an_event_that_never_came_is_applied(
    desk: Desk, office: Office, reconciler: Reconciler
) -> None:
    asked = await desk.request()
    await desk.fault("apply_then_drop")
    await desk.payments().run_once()
    [intent] = await desk.at_stripe("payment_intents", asked)
    await desk.arrived("payment_intent.amount_capturable_updated", intent["id"])
    await desk.owner.execute("delete from webhook_inbox")
    desk.wait(HOUR_MS // 2)
    await reconciler.run_once()
    await desk.webhooks().run_once()
    assert (await desk.one(asked, Kind.HOLD)).stripe_id == intent["id"]


async def test_money_that_somebody_else_moved_opens_a_case_and_nothing_more(
    desk: Desk, office: Office, reconciler: Reconciler
) -> None:
    room = await office.charged()
    hold = await desk.one(room, Kind.HOLD)
    refund = await desk.vendor.v1.refunds.create_async({"payment_intent": hold.stripe_id or "", "amount": 5})
    stray = await desk.vendor.v1.transfers.create_async(
        {
            "amount": 7,
            "currency": "usd",
            "destination": await office.account(),
            "metadata": {"session_id": room.id, "operation": "1:transfer:9:1"},
        }
    )
    desk.wait(HOUR_MS // 2)
    assert await reconciler.run_once() == 3
    movements = {refund.balance_transaction, stray.balance_transaction}
    assert {subject for kind, subject in await cases(desk) if kind == "movement_unknown"} == movements
    assert ("transfer_unknown", stray.id) in await cases(desk)
    fee_minor = await desk.balance("stripe_fees", room)
    assert await desk.balance("stripe_clearing", room) + fee_minor == 1200, "nothing is mended silently"


async def test_a_movement_that_comes_before_its_operations_answer_is_booked_later(
    desk: Desk, office: Office, reconciler: Reconciler
) -> None:
    await reconciler.run_once()
    room = await desk.ended(4)
    await desk.settle(room)
    await desk.fault("apply_then_drop", times=2)
    await desk.payments().run_once()
    desk.wait(HOUR_MS * 3 // 4)
    await reconciler.run_once()
    assert await cases(desk) == []
    for _ in range(6):
        await office.run(HOUR_MS // 2)
    await reconciler.run_once()
    await reconciler.run_once()
    assert await cases(desk) == []
    assert await desk.owner.fetchval("select count(*) from stripe_fees where session_id = $1", room.id) == 1
    assert await desk.owner.fetchval("select count(*) from movements_kept") == 0


async def test_an_operation_without_its_object_opens_a_case(
    desk: Desk, office: Office, reconciler: Reconciler
) -> None:
    room = await office.charged()
    await desk.owner.execute(
        "update payment_ops set outcome = jsonb_set(outcome, '{amount_minor}', '1100')"
        " where session_id = $1 and kind = 'capture'",
        room.id,
    )
    desk.wait(HOUR_MS // 2)
    await reconciler.run_once()
    found = [kind for kind, _ in await cases(desk)]
    assert found == ["movement_differs", "operation_differs"]


async def test_an_intent_that_names_a_session_of_ours_and_no_operation(
    desk: Desk, office: Office, reconciler: Reconciler
) -> None:
    room = await desk.funded()
    metadata: Any = {"session_id": room.id, "operation": "1:hold:7:1"}
    intent = await desk.vendor.v1.payment_intents.create_async(
        {"amount": 500, "currency": "usd", "metadata": metadata}
    )
    for name in ("nonsense", "a:b:c:d", "1:hold:1"):
        await desk.vendor.v1.payment_intents.create_async(
            {"amount": 500, "currency": "usd", "metadata": {"session_id": "x", "operation": name}}
        )
    desk.wait(HOUR_MS // 2)
    await reconciler.run_once()
    kinds = await cases(desk)
    assert ("intent_unknown", intent.id) in kinds
    assert {kind for kind, _ in kinds} == {"intent_unknown"}


async def test_without_stripe_it_goes_on_where_it_was(
    desk: Desk, office: Office, reconciler: Reconciler
) -> None:
    await office.charged()
    desk.wait(HOUR_MS // 2)
    match = {"method": "GET", "path_prefix": "/v1/balance_transactions"}
    await desk.control("faults", {"vendor": "stripe", "action": "500", "match": match, "times": 1})
    await reconciler.run_once()
    assert await desk.owner.fetchval("select count(*) from reconciled where list = 'movements'") == 0
    await reconciler.run_once()
    assert await desk.owner.fetchval("select count(*) from reconciled where list = 'movements'") == 1
    assert await cases(desk) == []


async def test_a_case_is_closed_once_with_a_reason(
    desk: Desk, office: Office, reconciler: Reconciler
) -> None:
    room = await office.charged()
    hold = await desk.one(room, Kind.HOLD)
    await desk.vendor.v1.refunds.create_async({"payment_intent": hold.stripe_id or "", "amount": 5})
    desk.wait(HOUR_MS // 2)
    await reconciler.run_once()
    _, listed = await office.ask("GET", "/v1/admin/cases?open=true&limit=1")
    [case] = listed["items"]
    path = f"/v1/admin/cases/{case['id']}/close"
    assert (await office.ask("POST", path, {}))[0] == 400
    status, closed = await office.ask("POST", path, {"reason": "Refunded by hand."})
    assert (status, closed["closed_at_ms"] is not None) == (200, True)
    assert (await office.ask("POST", path, {"reason": "Again."}))[1] == closed
    _, done = await office.ask("GET", "/v1/admin/actions?limit=1")
    assert done["items"][0]["subject"] == case["id"]
    assert done["items"][0]["reason"] == "Refunded by hand."
    assert case["id"] not in [
        one["id"] for one in (await office.ask("GET", "/v1/admin/cases?open=true"))[1]["items"]
    ]
    assert (await office.ask("POST", f"/v1/admin/cases/{room.id}/close", {"reason": "x"}))[0] == 404


async def test_what_stripe_keeps_is_booked_once(desk: Desk, office: Office, reconciler: Reconciler) -> None:
    room = await whole(desk, office)
    desk.wait(HOUR_MS // 2)
    for _ in range(2):
        await reconciler.run_once()
        await desk.owner.execute("truncate reconciled")
    # 2.9 % of 12.00 and 0.30 for the charge, 15.00 for the dispute; nothing for what goes back or on.
    assert await desk.balance("stripe_fees", room) == 65 + 1_500
    assert await desk.balance("stripe_clearing", room) == 1200 - 600 - 960 + 480 - 100 - 65 - 1_500
    booked = "select count(*) from stripe_fees where session_id = $1"
    assert await desk.owner.fetchval(booked, room.id) == 2
    assert await office.broken() == []


async def usd(desk: Desk) -> dict[str, int]:
    """How the balance in dollars compared the last time."""
    row = await desk.owner.fetchrow(
        "select opening_minor, difference_minor from balances_compared where currency = 'usd'"
    )
    assert row is not None
    return dict(row)


async def test_the_balance_is_what_all_movements_add_up_to(
    desk: Desk, office: Office, reconciler: Reconciler
) -> None:
    await reconciler.run_once()
    first = await usd(desk)
    assert first["difference_minor"] == 0
    room = await whole(desk, office)
    await desk.control("balance", {"amount": 7_000})
    # What is young is known by looking, before it is read for good.
    assert await reconciler.run_once() == 0
    assert await usd(desk) == first
    # Stripe's clock comes up with the hub's.
    await desk.control("clock", {"advance_s": desk.offset_ms // 1000})
    # Young and not booked: a refund that came back. Young and booked, but for its fee: another charge.
    await desk.control("refund/fail", {"session_id": room.id})
    await office.charged()
    assert await reconciler.run_once() == 0
    assert await usd(desk) == first
    desk.wait(HOUR_MS // 2)
    for _ in range(3):
        await reconciler.run_once()
        await desk.webhooks().run_once()
    assert await usd(desk) == first
    assert {kind for kind, _ in await cases(desk)} == {"refund_failed"}


async def test_a_balance_that_differs_twice_opens_one_case(
    desk: Desk, office: Office, reconciler: Reconciler
) -> None:
    await reconciler.run_once()
    room = await office.charged()
    desk.wait(HOUR_MS // 2)
    assert await reconciler.run_once() == 0
    await desk.owner.execute(
        "with lost as (insert into ledger_transactions"
        " (session_id, participant_no, kind, ordinal, created_at_ms)"
        " values ($1, 1, 'lost', 1, 0) returning id) insert into ledger_entries"
        " select id, line, account, amount, 'usd' from lost, (values (1, 'stripe_clearing', 5),"
        " (2, 'platform_fee', -5)) as sides (line, account, amount)",
        room.id,
    )
    assert [await reconciler.run_once() for _ in range(4)] == [0, 1, 0, 0]
    assert await cases(desk) == [("balance_differs", "usd")]
    await desk.owner.execute("update cases set closed_at_ms = 1")
    assert await reconciler.run_once() == 0, "who closed it has seen it"


async def test_a_refund_that_failed_unheard_is_found(
    desk: Desk, office: Office, reconciler: Reconciler
) -> None:
    room = await office.transferred()
    await office.refund(room, 600)
    await office.run()
    refund = await desk.control("refund/fail", {"session_id": room.id})
    await desk.arrived("charge.refund.updated", refund["id"])
    await desk.owner.execute("update webhook_inbox set state = 'done'")
    desk.wait(HOUR_MS // 2)
    assert await reconciler.run_once() == 0
    assert await desk.webhooks().run_once() > 0
    assert await desk.cases(room) == ["refund_failed"]
    await office.run()
    assert await desk.balance("practitioner_payable", room) == 0
    assert await reconciler.run_once() == 0
    assert await office.broken() == []


async def test_the_first_run_looks_back_two_days_and_the_next_ones_go_on(
    desk: Desk, office: Office, reconciler: Reconciler
) -> None:
    room = await office.charged()
    hold = await desk.one(room, Kind.HOLD)
    stray = await desk.vendor.v1.refunds.create_async({"payment_intent": hold.stripe_id or "", "amount": 5})
    desk.wait(47 * HOUR_MS)
    await reconciler.run_once()
    assert ("movement_unknown", stray.balance_transaction) in await cases(desk)
    read = await desk.owner.fetchval("select until_s from reconciled where list = 'movements'")
    assert read == desk.now_ms() // 1000 - SETTLED_S


async def test_a_window_that_holds_too_much_is_read_in_parts(
    desk: Desk, office: Office, reconciler: Reconciler, monkeypatch: pytest.MonkeyPatch
) -> None:
    await whole(desk, office)
    await desk.control("clock", {"advance_s": 7_000})
    await desk.control("balance", {"amount": 7_000})
    desk.wait(3 * HOUR_MS)
    monkeypatch.setattr(stripe_gateway, "PAGE", 8)
    monkeypatch.setattr(stripe_gateway, "PAGES_MAX", 1)
    await reconciler.run_once()
    assert await desk.owner.fetchval("select count(*) from platform_movements") == 1
    assert await cases(desk) == []
