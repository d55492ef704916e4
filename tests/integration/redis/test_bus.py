"""The bus on a real server: in order, and over as many lives of that server as it takes."""

import asyncio
from collections.abc import AsyncIterator, Sized
from contextlib import asynccontextmanager
from functools import partial
from operator import eq

from redis.asyncio import Redis

from sandbox.valkey import ValkeyProcess
from store.redis.bus import Bus
from store.redis.command import command
from store.redis.connect import connect
from tests.integration.redis.scene import until


@asynccontextmanager
async def running(redis: Redis, restored: list[int]) -> AsyncIterator[Bus]:
    """A bus that runs."""
    bus = Bus(redis, on_restored=lambda: restored.append(1))
    task = asyncio.create_task(bus.run())
    try:
        yield bus
    finally:
        task.cancel()
        await asyncio.wait([task])


def has(collected: Sized, count: int) -> bool:
    """Whether so many were collected."""
    return len(collected) == count


async def subscribers(redis: Redis, channel: str) -> int:
    """Who hears a channel."""
    _, count = await command(redis, "PUBSUB", "SHARDNUMSUB", channel)
    return int(count)


async def test_messages_come_in_the_order_in_which_they_were_published(redis: Redis) -> None:
    heard: list[bytes] = []
    async with running(redis, []) as bus:
        await asyncio.gather(*(bus.subscribe(f"c{n}", heard.append) for n in range(20)))
        for n in range(400):
            await command(redis, "SPUBLISH", f"c{n % 20}", f"{n}")
        await until(lambda: len(heard) == 400)
    assert heard == [f"{n}".encode() for n in range(400)]


async def test_a_confirmed_subscription_misses_nothing_from_then_on(redis: Redis) -> None:
    async with running(redis, []) as bus:
        for n in range(30):
            heard: list[bytes] = []
            await bus.subscribe(f"c{n}", heard.append)
            await command(redis, "SPUBLISH", f"c{n}", "first")
            await until(partial(eq, heard, [b"first"]))


async def test_who_unsubscribes_hears_no_more(redis: Redis) -> None:
    heard: list[bytes] = []
    async with running(redis, []) as bus:
        await bus.subscribe("left", heard.append)
        await bus.subscribe("kept", heard.append)
        bus.unsubscribe("left")
        bus.unsubscribe("never")
        await command(redis, "SPUBLISH", "left", "no")
        await command(redis, "SPUBLISH", "kept", "yes")
        await until(lambda: bool(heard))
        assert heard == [b"yes"]
        assert await subscribers(redis, "left") == 0
        # Gone and back in one turn of the loop: the last word counts.
        bus.unsubscribe("kept")
        await bus.subscribe("kept", heard.append)
        await command(redis, "SPUBLISH", "kept", "again")
        await until(lambda: heard == [b"yes", b"again"])


async def test_a_handler_that_fails_does_not_make_the_bus_deaf(redis: Redis) -> None:
    heard: list[bytes] = []

    def fail(message: bytes) -> None:
        raise ValueError(message)

    async with running(redis, []) as bus:
        await bus.subscribe("bad", fail)
        await bus.subscribe("good", heard.append)
        await command(redis, "SPUBLISH", "bad", "1")
        await until_heard(redis, heard)


async def until_heard(redis: Redis, heard: list[bytes]) -> None:
    """Publish until it is heard."""
    async with asyncio.timeout(20):
        while not heard:
            await command(redis, "SPUBLISH", "good", "2")
            await asyncio.sleep(0.05)


async def test_after_the_server_was_killed_everything_is_heard_again(mortal: ValkeyProcess) -> None:
    redis = connect(mortal.url)
    heard: list[bytes] = []
    restored: list[int] = []
    try:
        async with running(redis, restored) as bus:
            channels = [f"c{n}" for n in range(5)]
            for channel in channels:
                await bus.subscribe(channel, heard.append)
            for life in range(3):
                mortal.kill()
                mortal.restart()
                await until(partial(has, restored, life + 1))
                for channel in channels:
                    # `on_restored` comes when everything is asked for; the server answers a moment later.
                    await bus.subscribe(channel, heard.append)
                    await subscribed(redis, channel)
                    await command(redis, "SPUBLISH", channel, f"{life}")
                await until(partial(has, heard, 5 * (life + 1)))
            clients = await redis.client_list(_type="pubsub")
            assert len(clients) == 1
    finally:
        await redis.aclose()


async def subscribed(redis: Redis, channel: str) -> None:
    """Wait until the server knows somebody hears the channel."""
    async with asyncio.timeout(20):
        while not await subscribers(redis, channel):  # noqa: ASYNC110  The server has no event for it.
            await asyncio.sleep(0.01)


async def test_a_bus_cut_off_again_and_again_leaves_no_client_behind(redis: Redis) -> None:
    restored: list[int] = []
    heard: list[bytes] = []
    async with running(redis, restored) as bus:
        await bus.subscribe("c", heard.append)
        before = len(await redis.client_list())
        for cut in range(5):
            await command(redis, "CLIENT", "KILL", "TYPE", "pubsub")
            await until(partial(has, restored, cut + 1))
            await subscribed(redis, "c")
        await command(redis, "SPUBLISH", "c", "still here")
        await until(lambda: heard == [b"still here"])
        assert len(await redis.client_list()) <= before
        assert len(await redis.client_list(_type="pubsub")) == 1


async def test_a_subscription_made_while_the_server_is_away_is_confirmed_when_it_is_back(
    mortal: ValkeyProcess,
) -> None:
    redis = connect(mortal.url)
    heard: list[bytes] = []
    restored: list[int] = []
    try:
        async with running(redis, restored) as bus:
            await bus.subscribe("old", heard.append)
            mortal.kill()
            await until(lambda: not bus.connected.is_set())
            asked = asyncio.create_task(bus.subscribe("new", heard.append))
            await asyncio.sleep(0)
            mortal.restart()
            await asked
            await command(redis, "SPUBLISH", "new", "hello")
            await until(lambda: heard == [b"hello"])
    finally:
        await redis.aclose()
