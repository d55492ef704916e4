"""Stripe calls: real deliveries of the sandbox, and calls that are not Stripe's."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from billing.payment import Kind, State
from tests.integration.payments.desk import SECRETS, Desk
from tests.integration.payments.test_captures import account_of

BODY_MAX = 256 * 1024


def event(**changes: Any) -> dict[str, Any]:
    return {
        "id": "evt_1",
        "object": "event",
        "type": "payment_intent.succeeded",
        "livemode": False,
        "created": 1,
        "data": {"object": {"id": "pi_1", "object": "payment_intent", "receipt_email": "gus@example.com"}},
        **changes,
    }


def signed(raw: bytes, secret: str, at_s: int) -> str:
    digest = hmac.new(secret.encode(), b"%d." % at_s + raw, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"


async def call(
    desk: Desk,
    raw: bytes,
    *,
    source: str = "stripe",
    secret: str | None = None,
    skew_s: int = 0,
    header: str | None = None,
) -> int:
    at_s = desk.now_ms() // 1000 + skew_s
    signature = signed(raw, secret or SECRETS[source], at_s) if header is None else header
    async with desk.http.post(
        f"{desk.hub}/webhooks/{source}", data=raw, headers={"Stripe-Signature": signature}
    ) as response:
        return response.status


async def kept(desk: Desk) -> int:
    return int(await desk.owner.fetchval("select count(*) from webhook_inbox"))


async def test_a_call_is_kept_once_and_without_what_it_says_of_people(desk: Desk) -> None:
    raw = json.dumps(event()).encode()
    assert [await call(desk, raw), await call(desk, raw)] == [200, 200]
    [row] = await desk.owner.fetch("select * from webhook_inbox")
    assert (row["object_id"], row["source"]) == ("pi_1", "stripe")
    assert "gus@example.com" not in str(dict(row))


@pytest.mark.parametrize("kind", ["customer.deleted", "payment_method.detached"])
async def test_an_event_about_a_person_or_a_card_names_neither(desk: Desk, kind: str) -> None:
    raw = json.dumps(event(type=kind, data={"object": {"id": "named_1"}})).encode()
    assert await call(desk, raw) == 200
    [row] = await desk.owner.fetch("select * from webhook_inbox")
    assert "named_1" not in str(dict(row))


@pytest.mark.parametrize("skew_s", [-301, 302])
async def test_a_call_signed_at_another_time_is_refused(desk: Desk, skew_s: int) -> None:
    assert await call(desk, json.dumps(event()).encode(), skew_s=skew_s) == 400
    assert await kept(desk) == 0


async def test_a_call_with_a_wrong_signature_is_refused(desk: Desk) -> None:
    raw = json.dumps(event()).encode()
    at_s = desk.now_ms() // 1000
    assert await call(desk, raw, secret="whsec_other") == 400
    assert await call(desk, raw, source="stripe-connect", secret=SECRETS["stripe"]) == 400
    for header in ("", "t=,v1=", f"t={at_s}", "v1=ab", "a" * 3_000, f"t={at_s},v1=é", "t=-1,v1=aa"):
        assert await call(desk, raw, header=header) == 400, header
    again = json.dumps(event(), indent=1).encode()
    assert await call(desk, again, header=signed(raw, SECRETS["stripe"], at_s)) == 400
    assert await kept(desk) == 0


async def test_an_event_of_the_other_mode_is_refused(desk: Desk) -> None:
    assert await call(desk, json.dumps(event(livemode=True)).encode()) == 400
    assert await kept(desk) == 0


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"[]", b"{", b'{"id": 1}', b"\xff\xfe", b"[" * 20_000,
        json.dumps(event(id="e" * 300)).encode(), json.dumps(event(id="a\0b")).encode(),
    ],
    ids=["empty", "list", "cut", "wrong type", "no text", "nested", "long id", "nul"],
)  # fmt: skip
async def test_a_signed_body_that_is_no_event_is_refused(desk: Desk, raw: bytes) -> None:
    assert await call(desk, raw) == 400
    assert await kept(desk) == 0


async def test_a_body_that_is_too_large_is_refused(desk: Desk) -> None:
    raw = json.dumps(event(padding="x" * BODY_MAX)).encode()
    assert await call(desk, raw) == 413


async def test_a_capture_whose_answer_was_lost_is_learned_from_the_event(desk: Desk) -> None:
    room = await desk.ended(4)
    await desk.settle(room)
    await desk.fault("apply_then_drop")
    await desk.payments().run_once()
    hold = await desk.one(room, Kind.HOLD)
    assert hold.stripe_id is not None
    await desk.arrived("payment_intent.succeeded", hold.stripe_id)
    await desk.webhooks().run_once()
    assert (await desk.one(room, Kind.CAPTURE)).state is State.SUCCEEDED
    assert await desk.balance("stripe_clearing", room) == 1200
    assert desk.settled == [room.id]


async def test_a_hold_whose_answer_was_lost_is_learned_from_the_event(desk: Desk) -> None:
    asked = await desk.request()
    await desk.fault("apply_then_drop")
    await desk.payments().run_once()
    [intent] = await desk.at_stripe("payment_intents", asked)
    await desk.arrived("payment_intent.amount_capturable_updated", intent["id"])
    await desk.webhooks().run_once()
    assert (await desk.one(asked, Kind.HOLD)).stripe_id == intent["id"]
    assert desk.rooms[asked.id].offered_at_ms is not None


async def test_events_twice_and_out_of_order_change_nothing(desk: Desk) -> None:
    duplicate = {"vendor": "stripe", "action": "duplicate_webhook", "times": 10}
    await desk.control("faults", duplicate)
    room = await desk.ended(4)
    await desk.settle(room)
    await desk.payments().run_once()
    hold = await desk.one(room, Kind.HOLD)
    assert hold.stripe_id is not None
    await desk.arrived("payment_intent.succeeded", hold.stripe_id)
    # The oldest news last: it says where to look, and what is there is the capture.
    await desk.owner.execute(
        "update webhook_inbox set next_at_ms = case type when 'payment_intent.succeeded' then 0 else 1 end"
    )
    while await desk.webhooks().run_once():
        pass
    [held_again] = await desk.all(room, Kind.HOLD)
    assert held_again.outcome == hold.outcome
    assert await desk.balance("stripe_clearing", room) == 1200
    assert await desk.owner.fetchval("select count(*) from webhook_inbox where state <> 'done'") == 0


async def test_an_event_before_our_own_record_comes_again(desk: Desk) -> None:
    metadata = {"session_id": "0192f0c1-2345-7000-8000-00000000beef", "operation": "1:hold:1:1"}
    intent = await desk.vendor.v1.payment_intents.create_async(
        {"amount": 500, "currency": "usd", "metadata": metadata}
    )
    assert await call(desk, json.dumps(event(data={"object": {"id": intent.id}})).encode()) == 200
    await desk.webhooks().run_once()
    row = await desk.owner.fetchrow("select * from webhook_inbox where event_id = 'evt_1'")
    assert row is not None
    assert row["state"] == "new"
    assert row["note"].startswith("TooEarly")
    assert row["next_at_ms"] > desk.now_ms()


@pytest.mark.parametrize("metadata", [{}, {"session_id": "somebody-else's"}])
async def test_an_event_about_somebody_elses_object_is_done_with(
    desk: Desk, metadata: dict[str, str]
) -> None:
    intent = await desk.vendor.v1.payment_intents.create_async(
        {"amount": 500, "currency": "usd", "metadata": metadata}
    )
    for number, object_id in enumerate((intent.id, "pi_none")):
        raw = json.dumps(event(id=f"evt_{number}", data={"object": {"id": object_id}})).encode()
        assert await call(desk, raw) == 200
    await desk.webhooks().run_once()
    assert await desk.owner.fetchval("select count(*) from webhook_inbox where note = 'not ours'") == 2


async def test_an_account_that_may_not_be_paid_any_more_is_noted(desk: Desk) -> None:
    account = await account_of(desk)
    person = "5f0c5a52-6a3e-4ad9-9c2f-1f7f3d0c8a01"
    await desk.owner.execute(
        "insert into people (id, role, created_at_ms) values ($1, 'practitioner', 0) on conflict do nothing",
        person,
    )
    await desk.owner.execute(
        "insert into practices (practitioner_id, rate_minor_per_minute, currency, stripe_account,"
        " transfers_active) values ($1, 300, 'usd', $2, true) on conflict (practitioner_id)"
        " do update set stripe_account = excluded.stripe_account",
        person,
        account,
    )
    active = "select transfers_active from practices where stripe_account = $1"
    await desk.control("capability", {"account": account, "transfers": "inactive"})
    await desk.arrived("account.updated", account)
    await desk.webhooks().run_once()
    assert await desk.owner.fetchval(active, account) is False
    await desk.owner.execute("delete from webhook_inbox")
    await desk.control("capability", {"account": account, "transfers": "active"})
    await desk.arrived("account.updated", account)
    await desk.webhooks().run_once()
    assert await desk.owner.fetchval(active, account) is True
