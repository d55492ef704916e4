"""So many an hour, whoever counts and however many at once."""

import asyncio

from redis.asyncio import Redis

from rooms.ids import UserId
from store.redis.allowances import HOUR_MS, Allowances

ANN, BOB = UserId("a"), UserId("b")


async def test_the_next_one_comes_with_time(redis: Redis) -> None:
    allowances = Allowances(redis)
    waits = await asyncio.gather(*(allowances.take(ANN, "report", per_hour=10) for _ in range(25)))
    assert waits.count(0) == 10
    assert all(0 < wait_ms <= HOUR_MS // 10 for wait_ms in waits if wait_ms)


async def test_people_and_things_are_counted_apart(redis: Redis) -> None:
    allowances = Allowances(redis)
    assert await allowances.take(ANN, "report", per_hour=1) == 0
    assert await allowances.take(ANN, "report", per_hour=1) > 0
    assert await allowances.take(BOB, "report", per_hour=1) == 0
    assert await allowances.take(ANN, "export", per_hour=1) == 0


async def test_a_limit_of_nothing_is_lifted(redis: Redis) -> None:
    allowances = Allowances(redis)
    assert [await allowances.take(ANN, "report", per_hour=0) for _ in range(5)] == [0] * 5
    assert await redis.keys() == []


async def test_it_is_forgotten_when_it_says_nothing_any_more(redis: Redis) -> None:
    allowances = Allowances(redis)
    await allowances.take(ANN, "report", per_hour=4)
    (key,) = await redis.keys()
    assert 0 < await redis.pttl(key) <= HOUR_MS // 4
