"""What went wrong with money elsewhere, one test each: here it does not happen."""

import ast
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import stripe
from msgspec.structs import replace

from billing import price, webhook_signature
from billing.payment import Facts, Kind, Operation, Reply, State
from billing.stripe_gateway import StripeGateway
from hub.workers.payments import Payments
from hub.workers.settle import Settle
from rooms.room import Room
from store.postgres.statements import statements, topics
from store.redis.settlements import Entry
from tests.faults.money.killing import checkpointed, world
from tests.faults.money.worker import Forgotten, OneEntry
from tests.integration.payments.desk import ENVIRONMENT, KEY, SECRETS, Desk, until
from tests.model.money_world import World

ROOT = Path(__file__).parents[3]
IN_TRANSACTION = (
    "select count(*) from pg_stat_activity where usename = 'hub_worker' and state like 'idle in transaction%'"
)


async def a_whole_life(at: World) -> Room:
    """Held, captured, transferred, tipped, refunded and taken back."""
    desk = at.desk
    room = await desk.ended(4)
    await at.settle(room)
    for _ in range(2):
        await desk.payments().run_once()
        desk.wait(61_000)
    await at.afterwards.tip(room)
    await at.afterwards.refund(room, 2, 0)
    for _ in range(3):
        await desk.payments().run_once()
        desk.wait(61_000)
    return room


async def test_a_time_out_is_asked_again_under_the_same_key_with_the_same_parameters(desk: Desk) -> None:
    asked = await desk.request()
    wanted = await desk.one(asked, Kind.HOLD)
    for action in ("apply_then_drop", "429"):
        await desk.fault(action)
        await desk.payments().run_once()
        desk.wait(2_000)
    await desk.payments().run_once()
    sent = await desk.one(asked, Kind.HOLD)
    assert (sent.state, sent.attempt) == (State.SUCCEEDED, 1)
    assert (sent.idem_key, sent.params) == (wanted.idem_key, wanted.params)
    assert {event["request"]["idempotency_key"] for event in await events(desk)} == {wanted.idem_key}


def test_no_statement_changes_what_was_frozen() -> None:
    frozen = ("params =", "idem_key =", "amount_minor =", "currency =", "ordinal =")
    for topic in topics():
        for name, query in statements(topic).items():
            words = " ".join(query.lower().split())
            assert "delete from payment_ops" not in words, (topic, name)
            _, changes, rest = words.partition("update payment_ops set ")
            if changes:
                changed = rest.partition(" where ")[0].partition(" from ")[0]
                assert not [word for word in frozen if word in changed], (topic, name)


class Watching(StripeGateway):
    """Asks Stripe only once no transaction is open: who asks it inside of one waits for ever."""

    desk: Desk
    asked: int = 0

    async def _closed(self) -> None:
        await until(self._none_is_open, "the end of every transaction")
        self.asked += 1

    async def _none_is_open(self) -> bool:
        return not await self.desk.owner.fetchval(IN_TRANSACTION)

    async def send(self, operation: Operation) -> Reply:
        await self._closed()
        return await super().send(operation)

    async def find(self, operation: Operation) -> Facts | None:
        await self._closed()
        return await super().find(operation)

    async def intent(self, intent_id: str) -> Facts | None:
        await self._closed()
        return await super().intent(intent_id)


@asynccontextmanager
async def watched(desk: Desk) -> AsyncIterator[Watching]:
    gateway = Watching(KEY, api_base=f"{desk.base}/stripe")
    gateway.desk = desk
    kept, desk.gateway = desk.gateway, gateway
    yield gateway
    desk.gateway = kept
    await gateway.close()


async def test_no_transaction_is_open_while_stripe_is_asked(desk: Desk) -> None:
    at = await world(desk)
    async with watched(desk) as gateway:
        room = await a_whole_life(at)
        hold = await desk.one(room, Kind.HOLD)
        await desk.arrived("payment_intent.succeeded", str(hold.stripe_id))
        await desk.webhooks().run_once()
        await gateway.find(hold)
    kinds = {one.kind for kind in Kind for one in await desk.all(room, kind)}
    assert {Kind.HOLD, Kind.CAPTURE, Kind.TRANSFER, Kind.TIP, Kind.REFUND, Kind.REVERSAL} <= kinds
    assert gateway.asked > len(kinds)


async def test_every_call_about_money_has_a_key_of_ours(desk: Desk) -> None:
    room = await a_whole_life(await world(desk))
    about = [event for event in await events(desk) if event["data"]["object"].get("metadata", {})]
    keys = {event["request"]["idempotency_key"] for event in about}
    ours = {one.idem_key for kind in Kind for one in await desk.all(room, kind)}
    assert keys <= ours
    assert all(key.startswith(f"allinya:{ENVIRONMENT}:{room.id}:1:") for key in keys)


async def test_no_transfer_is_without_its_charge_and_no_refund_without_its_reversal(desk: Desk) -> None:
    room = await a_whole_life(await world(desk))
    charges = {charge["id"] for charge in await desk.at_stripe("charges", room)}
    transfers = await desk.at_stripe("transfers", room)
    assert len(transfers) == 2
    assert {transfer["source_transaction"] for transfer in transfers} <= charges
    [refund] = await desk.at_stripe("refunds", room)
    [reversal] = await desk.at_stripe("reversals", room)
    back_minor, total_minor = refund["amount"], 1_200
    assert reversal["amount"] == back_minor * 960 // total_minor


async def test_the_rate_is_that_of_the_request_and_the_bill_needs_no_live_store(desk: Desk) -> None:
    room = await desk.ended(4)
    await checkpointed(desk, room)
    await desk.owner.execute(
        "update practices set rate_minor_per_minute = 1999 where practitioner_id = $1",
        room.practitioner.user_id,
    )

    async def nothing(*_: object) -> None:
        return

    worker = Settle(
        pool=desk.pool,
        queue=OneEntry(Entry(room.id, room.guests[0].user_id, ""), nothing),
        rooms=Forgotten(),
        chat=Forgotten(),
        environment=ENVIRONMENT,
        now_ms=desk.now_ms,
        settled=nothing,
    )
    await worker.run_once()
    bill = await desk.owner.fetchrow("select * from settlements where session_id = $1", room.id)
    assert bill is not None
    assert (bill["rate_minor_per_minute"], bill["total_minor"]) == (300, 1_200)
    # The intervals on record are the meter: the bill can be made again from them alone.
    rows = await desk.owner.fetch(
        "select kind, from_ms, to_ms from intervals where session_id = $1 and kind = 'billed'", room.id
    )
    billed_ms = sum(row["to_ms"] - row["from_ms"] for row in rows)
    assert price.amount_minor(room.terms, billed_ms) == bill["total_minor"]


@pytest.mark.parametrize("package", ["rooms", "billing"])
def test_the_rules_know_no_wall_clock(package: str) -> None:
    """Time is handed to them: who reads it themselves bills by a clock that is set, or runs, differently."""
    asked = {"time", "monotonic", "perf_counter", "now", "utcnow", "today", "time_ns", "monotonic_ns"}
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not {name.name for name in node.names} & {"time"}, path.name
            if isinstance(node, ast.ImportFrom):
                assert node.module != "time", path.name
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = node.func.value
                if isinstance(owner, ast.Name) and owner.id in ("time", "datetime", "date"):
                    assert node.func.attr not in asked, path.name


async def test_an_object_of_the_sdk_has_no_get_and_the_gateway_gives_none_away(desk: Desk) -> None:
    room = await desk.funded()
    hold = await desk.one(room, Kind.HOLD)
    given: Any = await desk.vendor.v1.payment_intents.retrieve_async(str(hold.stripe_id))
    with pytest.raises(AttributeError):
        given.get("status")
    assert isinstance(await desk.gateway.intent(str(hold.stripe_id)), Facts)
    assert isinstance(await desk.gateway.find(hold), Facts)
    reply = await desk.gateway.send(hold)
    assert isinstance(reply.facts, Facts)


def test_a_signature_of_the_future_is_refused_although_the_sdk_takes_it() -> None:
    raw, secret, now_s = '{"id": "evt_1"}', SECRETS["stripe"], int(time.time())
    later_s = now_s + 3_600
    signed = stripe.WebhookSignature._compute_signature(f"{later_s}.{raw}", secret)
    header = f"t={later_s},v1={signed}"
    assert stripe.WebhookSignature.verify_header(raw, header, secret, tolerance=300)
    with pytest.raises(webhook_signature.BadSignature):
        webhook_signature.verify(raw.encode(), header, secret, now_s=now_s)


async def test_the_sdk_tries_nothing_again_by_itself(desk: Desk) -> None:
    """A call of its own accord would have a moment, and in its absence a key, that we know nothing of."""
    asked = await desk.request()
    await desk.fault("429", times=2)
    await desk.payments().run_once()
    assert not await desk.no_fault_waits()
    assert await desk.at_stripe("payment_intents", asked) == []


async def test_a_key_that_was_used_otherwise_leads_to_a_look_and_never_to_a_second_charge(desk: Desk) -> None:
    asked = await desk.funded()
    hold = await desk.one(asked, Kind.HOLD)
    other = replace(hold.params, body={**hold.params.body, "amount": 9_999})
    worker = Payments(desk.pool, desk.gateway, desk.outcomes(), now_ms=desk.now_ms)
    step = await worker._ask(replace(hold, params=other))
    assert (step.state, step.stripe_id) == (State.SUCCEEDED, hold.stripe_id)
    assert len(await desk.at_stripe("payment_intents", asked)) == 1


async def events(desk: Desk) -> list[dict[str, Any]]:
    """All that Stripe has told so far about payments, transfers and refunds."""
    async with desk.http.get(f"{desk.base}/control/stripe/events") as response:
        found: list[dict[str, Any]] = await response.json()
    return [
        event for event in found if event["type"].split(".")[0] in ("payment_intent", "transfer", "refund")
    ]
