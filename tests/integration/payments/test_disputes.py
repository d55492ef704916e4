"""Disputes: transfers freeze, the bank is shown the metered time, and what it decides is booked."""

from typing import Any

import pytest

from billing.payment import Kind, State
from rooms.room import Room
from tests.integration.payments.desk import Desk
from tests.integration.payments.office import HOUR_MS, Office


async def disputed(desk: Desk, office: Office, room: Room, **options: Any) -> dict[str, Any]:
    """The guest's bank takes the money back, and the hub has heard of it."""
    opened: dict[str, Any] = await desk.control("dispute", {"session_id": room.id, **options})
    await office.hear("charge.dispute.created", opened["id"])
    return opened


async def decided(desk: Desk, office: Office, dispute: dict[str, Any], outcome: str) -> None:
    await desk.control("dispute/close", {"dispute": dispute["id"], "outcome": outcome})
    await office.hear("charge.dispute.closed", dispute["id"])


async def test_the_bank_is_shown_the_metered_time(desk: Desk, office: Office) -> None:
    room = await office.charged()
    dispute = await disputed(desk, office, room)
    await office.run()
    at_stripe = await desk.vendor.v1.disputes.retrieve_async(dispute["id"])
    assert (at_stripe.status, at_stripe.evidence_details.submission_count) == ("under_review", 1)
    evidence = at_stripe.evidence
    assert "4 min 0 s" in str(evidence.access_activity_log)
    assert "Charged: $12.00" in str(evidence.uncategorized_text)
    _, listed = await office.ask("GET", "/v1/admin/disputes?open=true")
    [shown] = [one for one in listed["items"] if one["id"] == dispute["id"]]
    assert (shown["amount_minor"], shown["evidence_state"]) == (1200, "succeeded")
    assert shown["evidence"]["access_activity_log"] == evidence.access_activity_log
    assert await desk.balance("disputed_funds", room) == 1200
    assert await office.broken() == []


async def test_a_transfer_waits_for_the_bank_and_goes_when_it_is_won(desk: Desk, office: Office) -> None:
    room = await office.charged()
    dispute = await disputed(desk, office, room)
    await office.run(2 * HOUR_MS)
    assert await desk.at_stripe("transfers", room) == []
    await decided(desk, office, dispute, "won")
    await office.run(2 * HOUR_MS)
    [transfer] = await desk.at_stripe("transfers", room)
    assert transfer["amount"] == 960
    assert await desk.balance("disputed_funds", room) == 0
    assert await desk.balance("stripe_clearing", room) == 240
    assert await office.broken() == []


async def test_a_lost_dispute_sends_nothing_on(desk: Desk, office: Office) -> None:
    room = await office.charged()
    dispute = await disputed(desk, office, room)
    await office.run()
    await decided(desk, office, dispute, "lost")
    await office.run(2 * HOUR_MS)
    assert await desk.at_stripe("transfers", room) == []
    for account in ("disputed_funds", "stripe_clearing", "practitioner_payable", "platform_fee"):
        assert await desk.balance(account, room) == 0
    assert await desk.cases(room) == ["dispute_lost"]
    assert (await office.refund(room, 1))[0] == 409
    assert await office.broken() == []


async def test_a_lost_dispute_brings_back_what_was_sent_on(desk: Desk, office: Office) -> None:
    room = await office.transferred()
    dispute = await disputed(desk, office, room, amount=600)
    await office.run()
    assert await desk.at_stripe("reversals", room) == []
    await decided(desk, office, dispute, "lost")
    await office.run()
    [reversal] = await desk.at_stripe("reversals", room)
    assert reversal["amount"] == 480
    assert await desk.balance("practitioner_payable", room) == 0
    assert await desk.balance("platform_fee", room) == -120
    assert await office.broken() == []


async def test_a_disputed_charge_is_not_refunded(desk: Desk, office: Office) -> None:
    room = await office.charged()
    _, waiting = await office.refund(room, 1100)
    await disputed(desk, office, room)
    assert (await office.refund(room, 5))[0] == 409
    approve = f"/v1/admin/refunds/{waiting['id']}/approve"
    assert (await office.ask("POST", approve, who=office.ben))[0] == 409
    await office.run()
    assert await desk.at_stripe("refunds", room) == []


async def test_news_that_come_twice_and_late_change_nothing(desk: Desk, office: Office) -> None:
    await desk.control("faults", {"vendor": "stripe", "action": "duplicate_webhook", "times": 20})
    room = await office.charged()
    dispute = await desk.control("dispute", {"session_id": room.id})
    await desk.control("dispute/close", {"dispute": dispute["id"], "outcome": "won"})
    for kind in ("created", "closed", "funds_withdrawn", "funds_reinstated"):
        await office.hear(f"charge.dispute.{kind}", dispute["id"])
    assert await desk.balance("stripe_clearing", room) == 1200
    assert await desk.balance("disputed_funds", room) == 0
    status = await desk.owner.fetchval("select status from disputes where id = $1", dispute["id"])
    assert status == "won"


async def test_a_dispute_before_our_own_record_comes_again(desk: Desk, office: Office) -> None:
    room = await desk.ended(4)
    await desk.settle(room)
    hold = await desk.one(room, Kind.HOLD)
    assert hold.stripe_id is not None
    await desk.vendor.v1.payment_intents.capture_async(hold.stripe_id, {"amount_to_capture": 1200})
    dispute = await desk.control("dispute", {"session_id": room.id})
    await desk.arrived("charge.dispute.created", dispute["id"])
    await desk.owner.execute("delete from webhook_inbox where type <> 'charge.dispute.created'")
    await desk.webhooks().run_once()
    note = "select note from webhook_inbox where object_id = $1 and state = 'new'"
    assert str(await desk.owner.fetchval(note, dispute["id"])).startswith("TooEarly")
    await desk.payments().run_once()
    assert (await desk.one(room, Kind.CAPTURE)).state is State.SUCCEEDED
    desk.wait(60_000)
    await desk.webhooks().run_once()
    assert await desk.balance("disputed_funds", room) == 1200


@pytest.mark.parametrize("query", ["?open=maybe", "?cursor=a%20b", "?limit=0", "?what=1"])
async def test_bad_queries_are_refused(office: Office, query: str) -> None:
    status, answer = await office.ask("GET", f"/v1/admin/disputes{query}")
    assert (status, answer["error"]["code"]) == (400, "bad_request")


async def test_what_is_decided_before_the_evidence_goes_out_needs_none(desk: Desk, office: Office) -> None:
    room = await office.charged()
    dispute = await disputed(desk, office, room)
    assert (await desk.one(room, Kind.EVIDENCE)).state is State.PENDING
    await decided(desk, office, dispute, "won")
    await office.run()
    evidence = await desk.one(room, Kind.EVIDENCE)
    assert (evidence.state, evidence.outcome and evidence.outcome.code) == (State.FAILED, "not_needed")
    assert evidence.first_sent_at_ms is None
    assert await desk.cases(room) == []
    _, listed = await office.ask("GET", "/v1/admin/disputes")
    assert [one["evidence_state"] for one in listed["items"] if one["id"] == dispute["id"]] == ["not_needed"]
    assert await office.broken() == []


@pytest.mark.parametrize("outcome", ["won", "lost"])
async def test_a_decision_that_is_read_when_stripe_refuses_the_evidence(
    outcome: str, desk: Desk, office: Office
) -> None:
    room = await office.charged()
    dispute = await disputed(desk, office, room)
    await desk.control("dispute/close", {"dispute": dispute["id"], "outcome": outcome})
    # The hub has not heard of it, and asks.
    await office.run()
    evidence = await desk.one(room, Kind.EVIDENCE)
    assert (evidence.state, evidence.outcome and evidence.outcome.code) == (State.FAILED, "not_needed")
    assert evidence.first_sent_at_ms is not None
    assert await desk.cases(room) == []
    await office.hear("charge.dispute.closed", dispute["id"])
    assert await desk.cases(room) == (["dispute_lost"] if outcome == "lost" else [])
    assert await office.broken() == []
