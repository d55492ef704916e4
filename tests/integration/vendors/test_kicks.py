"""Somebody is put out of a media channel exactly once, whatever dies and whatever the vendor does."""

from uuid import uuid4

import aiohttp
import pytest

from hub.moderation import kicking
from hub.vendors.agora import AgoraRest
from hub.vendors.asking import VendorRefused, VendorUnavailable
from hub.workers.kicks import LEASE_MS
from tests.integration.vendors.counter import APP_ID, Counter

HOUR_S = 3_600


async def ordered(counter: Counter, seconds: int = HOUR_S) -> str:
    """An order; its channel."""
    channel, session_id, user_id = uuid4().hex, str(uuid4()), str(uuid4())
    async with counter.pool.acquire() as connection, connection.transaction():
        for _ in range(2):
            await kicking.order(
                connection, session_id=session_id, user_id=user_id, channel=channel, uid=2, seconds=seconds,
                now_ms=counter.now_ms(),
            )  # fmt: skip
    return channel


async def state(counter: Counter, channel: str) -> str:
    found: str = await counter.pool.fetchval("select state from media_kicks where channel = $1", channel)
    return found


async def test_an_order_is_carried_out_once(counter: Counter) -> None:
    channel = await ordered(counter)
    assert await counter.kicks(counter.agora()).run_once() == 1
    counter.wait(LEASE_MS)
    assert await counter.kicks(counter.agora()).run_once() == 0
    (rule,) = await counter.rules()
    assert (rule["cname"], rule["uid"], rule["time"]) == (channel, 2, 60)
    assert rule["privileges"] == ["join_channel"]
    assert await state(counter, channel) == "done"


async def test_a_longer_order_after_the_first_is_carried_out_too(counter: Counter) -> None:
    session_id, user_id, channel = str(uuid4()), str(uuid4()), uuid4().hex
    for seconds in (HOUR_S, 2 * HOUR_S, 2 * HOUR_S):
        async with counter.pool.acquire() as connection, connection.transaction():
            await kicking.order(
                connection, session_id=session_id, user_id=user_id, channel=channel, uid=2, seconds=seconds,
                now_ms=counter.now_ms(),
            )  # fmt: skip
        await counter.kicks(counter.agora()).run_once()
        assert await state(counter, channel) == "done"
    assert sorted(rule["time"] for rule in await counter.rules()) == [60, 120]


async def test_an_order_falls_with_its_transaction(counter: Counter) -> None:
    async with counter.pool.acquire() as connection:
        change = connection.transaction()
        await change.start()
        await kicking.order(
            connection, session_id=str(uuid4()), user_id=str(uuid4()), channel="c", uid=1, seconds=60,
            now_ms=counter.now_ms(),
        )  # fmt: skip
        await change.rollback()
    assert await counter.kicks(counter.agora()).run_once() == 0


async def test_without_agora_there_is_no_channel_to_be_in(counter: Counter) -> None:
    channel = await ordered(counter)
    await counter.kicks(None).run_once()
    assert await state(counter, channel) == "not_needed"


@pytest.mark.parametrize("action", ["500", "429"])
async def test_it_is_asked_again_until_the_vendor_knows(counter: Counter, action: str) -> None:
    channel = await ordered(counter)
    await counter.control("faults", {"vendor": "agora", "action": action, "times": 3})
    kicks = counter.kicks(counter.agora())
    for _ in range(8):
        await kicks.run_once()
        counter.wait(10_000)
    assert await state(counter, channel) == "done"
    assert len(await counter.rules()) == 1


async def test_when_the_answer_is_lost_no_second_rule_is_made(counter: Counter) -> None:
    channel = await ordered(counter)
    await counter.control("faults", {"vendor": "agora", "action": "apply_then_drop"})
    kicks = counter.kicks(counter.agora())
    await kicks.run_once()
    assert await state(counter, channel) == "pending"
    counter.wait(10_000)
    await kicks.run_once()
    assert await state(counter, channel) == "done"
    assert len(await counter.rules()) == 1


@pytest.mark.parametrize("point", ["leased", "sent"])
async def test_a_worker_killed_in_the_middle_leaves_it_to_the_next(counter: Counter, point: str) -> None:
    channel = await ordered(counter)
    async with counter.killed("kicks", point):
        # Before the lease is over nobody else sends it.
        assert await counter.kicks(counter.agora()).run_once() == 0
    counter.wait(LEASE_MS + 1)
    await counter.kicks(counter.agora()).run_once()
    assert await state(counter, channel) == "done"
    assert len(await counter.rules()) == 1


async def test_it_is_given_up_when_the_token_is_worth_nothing_anyway(counter: Counter) -> None:
    channel = await ordered(counter, seconds=60)
    await counter.control("faults", {"vendor": "agora", "action": "500"})
    kicks = counter.kicks(counter.agora())
    await kicks.run_once()
    counter.wait(61_000)
    await kicks.run_once()
    assert await state(counter, channel) == "gave_up"


async def test_the_client_has_two_ways_to_fail(counter: Counter) -> None:
    async with aiohttp.ClientSession() as http:
        nobody = AgoraRest(
            http, base="http://127.0.0.1:9", app_id=APP_ID, customer_id="i", customer_secret="s"
        )
        with pytest.raises(VendorUnavailable):
            await nobody.kick("c", 1, minutes=1)
        nameless = AgoraRest(
            http, base=f"{counter.base}/agora", app_id="", customer_id="i", customer_secret="s"
        )
        with pytest.raises(VendorRefused):
            await nameless.kick("c", 1, minutes=1)
