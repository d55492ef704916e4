"""A minor's money goes back in full before they are removed, whoever is killed; then nothing names them."""

from collections.abc import AsyncIterator
from functools import partial
from uuid import uuid4

import aiohttp
import pytest
import stripe

from hub.workers.erasures import LEASE_MS, WAIT_MS
from hub.workers.payments import LEASE_MS as PAYMENT_LEASE_MS
from rooms import session
from rooms.ids import UserId
from store.postgres import fraud, free_time
from store.postgres.pool import connect
from tests.integration.vendors.counter import KEY, Counter
from tests.integration.vendors.past import CounterDesk, Past

HOUR_MS = 3_600_000


@pytest.fixture
async def past(counter: Counter) -> AsyncIterator[Past]:
    sdk_http = stripe.AIOHTTPClient(timeout=10)
    vendor = stripe.StripeClient(KEY, base_addresses={"api": f"{counter.base}/stripe"}, http_client=sdk_http)
    owner = await connect(counter.database.owner_dsn, size=2)
    async with aiohttp.ClientSession() as http:
        desk = CounterDesk(
            counter.pool,
            owner,
            counter.gateway,
            vendor,
            http,
            counter.base,
            "http://127.0.0.1:9",
            counter=counter,
        )
        guest = await counter.person("guest")
        query = "select fingerprint from cards where person_id = $1"
        guest["fingerprint"] = await owner.fetchval(query, guest["id"])
        yield Past(desk, guest, await counter.person("practitioner"))
    await owner.close()
    await sdk_http.close_async()  # type: ignore[no-untyped-call]


async def test_all_of_it_goes_back_and_only_then_they_are_removed(past: Past) -> None:
    desk = past.desk
    first = await past.pay(4)
    await past.tip(first)
    desk.wait(2 * HOUR_MS)
    await desk.pay()
    assert await past.with_host_minor(first) == 960 + 500
    second = await past.pay(8)
    running, proofs = await past.begin()
    await past.order(running)
    await past.life.go_on()
    assert not await past.life.done(), "one session is still running"
    assert await past.customer_is_there()
    assert [await past.kept_minor(room) for room in past.paid] == [0, 0]

    stop = partial(session.stop, because="minor", proofs=proofs, now_ms=desk.now_ms())
    desk.change(running, stop)
    await desk.settle(desk.rooms[running.id], destination=past.host["account"])
    await past.goes_on()
    assert await past.life.done()
    assert not await past.customer_is_there()
    for room in (first, second, running):
        assert await past.kept_minor(room) == 0
        assert await past.with_host_minor(room) == 0
        for account in ("stripe_clearing", "practitioner_payable", "platform_fee", "guest_receivable"):
            assert await desk.balance(account, room) == 0, account
    assert sorted(one["amount"] for one in await desk.at_stripe("reversals", first)) == [500, 960]
    intents = await desk.at_stripe("payment_intents", running)
    assert [(one["status"], one["amount_received"]) for one in intents] == [("canceled", 0)]
    assert await past.broken() == []


@pytest.mark.parametrize(
    ("duty", "point"),
    [
        ("restitution", "over"),
        ("payments", "refund-committed"),
        ("payments", "refund-answered"),
        ("payments", "refund-recorded"),
        ("payments", "reversal-answered"),
    ],
)
async def test_killed_on_the_way_it_goes_back_once(past: Past, duty: str, point: str) -> None:
    desk, counter = past.desk, past.desk.at
    room = await past.pay(4)
    desk.wait(2 * HOUR_MS)
    await desk.pay()
    await past.order(room)
    if duty == "payments":
        await counter.restitutions().run_once()
    if point.startswith("reversal"):
        await counter.payments().run_once()
    async with counter.killed(duty, point):
        await counter.erasures(counter.supabase()).run_once()
        assert not await past.life.done()
        assert await past.customer_is_there(), "nothing of them goes before their money is back"
    counter.wait(max(PAYMENT_LEASE_MS, LEASE_MS, WAIT_MS) + 1)
    await past.goes_on()
    assert await past.life.done()
    refunds = await desk.at_stripe("refunds", room)
    assert [one["amount"] for one in refunds] == [1_200]
    assert [one["amount"] for one in await desk.at_stripe("reversals", room)] == [960]
    assert await past.broken() == []


async def test_afterwards_nothing_names_the_person_or_the_card(past: Past) -> None:
    desk = past.desk
    room = await past.pay(4)
    await past.noted()
    await past.free()
    found = {line.partition(": ")[0] for line in await past.named()}
    assert found >= {
        "cards",
        "fraud_cards",
        "fraud_findings",
        "fraud_reviews",
        "payment_ops",
        "people",
    }
    assert "free_grants" not in found
    await past.order(room)
    await past.goes_on()
    assert await past.life.done()
    assert await past.named() == []
    count = "select count(*) from {} where {} = $1"
    for table, column in (
        ("fraud_sightings", "person_id"), ("fraud_cards", "person_id"), ("cards", "person_id"),
        ("customers", "person_id"), ("fraud_findings", "subject"), ("fraud_reviews", "subject"),
    ):  # fmt: skip
        assert await desk.owner.fetchval(count.format(table, column), past.life.id) == 0, table
    # What waited in some hub's memory comes too late.
    await fraud.insert_sightings(desk.pool, [fraud.Seen(past.life.id, "browser", "cd" * 16, "cd" * 16, 1)])
    assert not await desk.owner.fetchval("select count(*) from fraud_sightings where mark = $1", "cd" * 16)
    # The books are as they were, and the card has had its free seconds for whoever brings it next.
    assert await past.broken() == []
    another, ring = UserId(str(uuid4())), desk.at.keyring()
    assert await free_time.had_free(desk.pool, another, ring.card_mark(past.guest["fingerprint"]))
    assert not await free_time.had_free(desk.pool, another, ring.card_mark("another card"))


async def test_a_card_that_somebody_else_has_too_stays_under_review(past: Past) -> None:
    desk, card = past.desk, past.guest["fingerprint"]
    other = await desk.at.person("guest")
    await past.noted()
    await desk.owner.execute(
        "update fraud_cards set fingerprint = $2 where person_id = $1", other["id"], card
    )
    room = await past.pay(4)
    await past.order(room)
    await past.goes_on()
    assert await past.life.done()
    kinds = await desk.owner.fetch(
        "select subject_kind from fraud_reviews where subject in ($1, $2)", card, past.life.id
    )
    assert [row["subject_kind"] for row in kinds] == ["card"]
