"""Sightings on record: once a day, with how many came with the same, as it was known at the time."""

from uuid import uuid4

import asyncpg

from rooms.ids import UserId
from store.postgres import fraud, fraud_facts
from store.postgres.fraud import DAY_MS, Seen

BEGIN = 1_790_000_000_000


async def people(owner: asyncpg.Pool, count: int) -> list[UserId]:
    made = [UserId(str(uuid4())) for _ in range(count)]
    for person in made:
        await owner.execute("insert into people (id, role, created_at_ms) values ($1, 'guest', 0)", person)
    return made


async def test_who_has_no_profile_yet_is_noted_the_next_time(pool: asyncpg.Pool, owner: asyncpg.Pool) -> None:
    [known], unknown = await people(owner, 1), UserId(str(uuid4()))
    seen = [Seen(person, "browser", "a" * 32, "b" * 32, 5) for person in (unknown, known, known)]
    await fraud.insert_sightings(pool, seen)
    rows = await owner.fetch("select person_id from fraud_sightings where at_ms = 5")
    assert [row["person_id"] for row in rows] == [known]


async def test_a_crowd_is_counted_up_to_the_moment_and_a_month_back(
    pool: asyncpg.Pool, owner: asyncpg.Pool
) -> None:
    september, october, november = "5" * 32, "6" * 32, "7" * 32
    first, second, third, fourth = await people(owner, 4)
    seen = [
        Seen(first, "network", october, september, BEGIN),
        Seen(first, "network", october, september, BEGIN + DAY_MS),
        Seen(second, "network", october, september, BEGIN + 2 * DAY_MS),
        # Under the next month's key it is the same network.
        Seen(third, "network", november, october, BEGIN + 10 * DAY_MS),
        Seen(fourth, "network", november, october, BEGIN + 31 * DAY_MS),
    ]
    await fraud.insert_sightings(pool, seen)
    found = await fraud_facts.sightings(pool, BEGIN - 1, BEGIN + 99 * DAY_MS, None)
    crowds = [(one.person_id, one.crowd) for one in sorted(found, key=lambda one: one.at_ms)]
    assert crowds == [(first, 1), (first, 1), (second, 2), (third, 3), (fourth, 3)]
    [one] = await fraud_facts.sightings(pool, BEGIN - 1, BEGIN + 99 * DAY_MS, [fourth])
    assert one.crowd == 3, "whomever is asked about"
