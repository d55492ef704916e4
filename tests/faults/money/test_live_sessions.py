"""Running sessions whose hub, live store or worker dies: ended at the last proof, and charged once."""

import asyncio
import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from sandbox.postgres import PostgresAddress
from store.redis.connect import connect
from store.redis.hubs import Hubs
from tests.faults.scene import Record, Scene, connected, scene
from tests.stack import Stack

SETTINGS = {"RECONNECT_GRACE_S": "15"}
UNBALANCED = (
    "select count(*) from (select transaction_id from ledger_entries group by transaction_id, currency"
    " having sum(amount_minor) <> 0) as wrong"
)
LEDGER = (
    "select account, sum(amount_minor)::bigint as minor from ledger_entries join ledger_transactions"
    " on ledger_transactions.id = transaction_id where session_id = $1 group by account"
)


@pytest.fixture(scope="module")
def stack(database: PostgresAddress, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two hubs and a worker, with a grace that a test can wait for."""
    running = Stack(tmp_path_factory.mktemp("stack"), database, settings=SETTINGS).start()
    yield running
    running.stop()


async def talk_a_while(playing: Scene) -> None:
    playing.talk()
    await playing.said(8)
    await playing.hush()


async def proven_ms(stack: Stack) -> int:
    """The latest moment that the store can prove of anybody, by what the hubs' heartbeats said."""
    redis = connect(stack.valkey.url)
    try:
        hubs = Hubs(redis)
        return max([at_ms for hub in await hubs.last_beats() for at_ms in (await hubs.proofs(hub)).values()])
    finally:
        await redis.aclose()


async def checkpointed(playing: Scene) -> int:
    """Wait until some of the time together is written down; when that was."""
    live_ms = playing.guest.events["session:state"][-1]["session"]["live_at_ms"]
    query = "select at_ms from checkpoints where session_id = $1 and at_ms > $2"
    async with asyncio.timeout(30), connected(playing.stack) as db:
        while True:
            at_ms = await db.fetchval(query, playing.session_id, live_ms + 1_500)
            if at_ms is not None:
                return int(at_ms)
            # A hub writes every few seconds, and tells nobody.
            await asyncio.sleep(0.05)


async def charged_once(playing: Scene, record: Record) -> None:
    """Settlement, ledger and Stripe say the same, and no card is held any more."""
    [settlement] = record.settlements
    url = f"{playing.stack.sandbox_url}/control/stripe/payment_intents"
    async with playing.http.get(url, params={"session_id": playing.session_id}) as answer:
        intents = await answer.json()
    assert sum(intent["amount_received"] for intent in intents) == settlement["total_minor"]
    assert {intent["status"] for intent in intents} <= {"succeeded", "canceled"}
    async with connected(playing.stack) as db:
        assert await db.fetchval(UNBALANCED) == 0
        accounts = {row["account"]: row["minor"] for row in await db.fetch(LEDGER, playing.session_id)}
    assert accounts.get("stripe_clearing", 0) == settlement["total_minor"]
    assert accounts.get("guest_receivable", 0) == 0
    assert -accounts.get("practitioner_payable", 0) == settlement["practitioner_minor"]


async def test_the_hubs_die_in_the_middle_and_nobody_comes_back(stack: Stack) -> None:
    async with scene(stack) as playing:
        await talk_a_while(playing)
        playing.guest.resting = playing.host.resting = True
        urls = list(stack.hub_urls)
        for url in urls:
            stack.kill(stack.webs[url])
        limit_ms = await proven_ms(stack)
        for url in urls:
            await asyncio.to_thread(stack.start_web, urlsplit(url).port)
        record = await playing.settled_once(reason="line_lost")
        [billed] = (row for row in record.intervals if row["kind"] == "billed")
        assert billed["to_ms"] <= limit_ms
        await charged_once(playing, record)


async def test_the_live_store_loses_everything_and_the_session_goes_on(stack: Stack) -> None:
    async with scene(stack) as playing:
        playing.talk(0.1)
        limit_ms = await checkpointed(playing)
        await playing.said(12)
        stack.valkey.kill()
        shutil.rmtree(stack.valkey.directory / "appendonlydir")
        await asyncio.to_thread(stack.valkey.restart)
        await playing.said(8)
        await playing.hush()
        await playing.end()
        # What was said is another suite's matter.
        record = await playing.settled()
        # Time is billed up to the last that was written down, and again from when both were back.
        first, *others = (row for row in record.intervals if row["kind"] == "billed")
        assert others
        assert first["to_ms"] - first["from_ms"] > 0
        assert all(first["to_ms"] < row["from_ms"] and limit_ms < row["from_ms"] for row in others)
        await charged_once(playing, record)


async def test_the_worker_dies_as_the_session_ends(stack: Stack) -> None:
    async with scene(stack) as playing:
        await talk_a_while(playing)
        ending = asyncio.create_task(playing.end())
        stack.kill(stack.workers[-1])
        await ending
        stack.start_worker()
        await charged_once(playing, await playing.settled_once())
