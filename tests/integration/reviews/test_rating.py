"""The rating is always what the formula makes of the reviews that are shown, whatever happened to them."""

import asyncio
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import asyncpg
import uuid_utils
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.reviews import posting
from rooms.ids import UserId
from rooms.reviews import State
from sandbox.postgres import PostgresAddress
from store.postgres import reviews as rows
from store.postgres.pool import connect
from tests.integration.reviews.desk import Desk, forgotten

PRIOR, WEIGHT = Fraction(42, 10), 10


def formula(counted: list[int]) -> tuple[float | None, int]:
    """The mean, with so many reviews of the prior taken for granted; rounded half up to a hundredth."""
    n = len(counted)
    if not n:
        return None, 0
    exact = (PRIOR * WEIGHT + sum(counted)) / (WEIGHT + n)
    return int(exact * 100 + Fraction(1, 2)) / 100, n


@dataclass
class Naive:
    """What is shown, as a list: (author, session) with its stars, in the order of writing."""

    shown: dict[tuple[int, int], int | None] = field(default_factory=dict)

    def counted(self) -> list[int]:
        of_author: dict[int, int] = {}
        for (author, _), stars in self.shown.items():
            if stars is not None:
                of_author[author] = stars
        return list(of_author.values())


AUTHORS, SESSIONS = 3, 2
STEP = st.tuples(
    st.sampled_from(["write", "write", "write", "refuse", "wait", "publish", "erase"]),
    st.integers(0, AUTHORS - 1),
    st.integers(0, SESSIONS - 1),
    st.integers(1, 5),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(STEP, max_size=14))
def test_it_is_the_formula_over_any_history(database: PostgresAddress, history: list[Any]) -> None:
    asyncio.run(play(database, history))


async def play(database: PostgresAddress, history: list[tuple[str, int, int, int]]) -> None:
    pool = await connect(database.owner_dsn, size=2)
    try:
        world = Desk(None, pool, None)  # type: ignore[arg-type]
        world.clock = Moment()  # type: ignore[assignment]
        host = await world.practitioner()
        authors = [await world.person("guest") for _ in range(AUTHORS)]
        sessions = [[await world.settled(author, host) for _ in range(SESSIONS)] for author in authors]
        naive = Naive()
        for at_ms, (what, author, session, stars) in enumerate(history, start=1):
            where = (author, session)
            known = await rows.of_session(pool, sessions[author][session], authors[author])
            if what == "write":
                await write(pool, authors[author], host, sessions[author][session], stars, at_ms)
                naive.shown[where] = stars
            elif what == "wait" and known is not None:
                await add(pool, known, stars, "pending", at_ms)
            elif what == "publish" and known is not None:
                for version in await rows.versions(pool, known.id, "review"):
                    if version.state == "pending":
                        await rows.give_way(pool, version.id)
                        await rows.publish(pool, version.id, now_ms=at_ms)
                        naive.shown[where] = version.rating
            elif what == "refuse" and known is not None:
                await rows.refuse_all(pool, known.id, authors[author], until_ms=at_ms, now_ms=at_ms)
                naive.shown[where] = None
            elif what == "erase":
                await forgotten(pool, authors[author])
                naive.shown = {key: said for key, said in naive.shown.items() if key[0] != author}
            assert await world.rating(host) == formula(naive.counted()), history[:at_ms]
    finally:
        await pool.close()


class Moment:
    ms = 0


async def write(
    pool: asyncpg.Pool, author: UserId, host: UserId, session_id: Any, stars: int, at_ms: int
) -> None:
    review = rows.ReviewRecord(new_id(), session_id, author, host, 0, at_ms)
    if not await rows.insert_review(pool, review):
        known = await rows.of_session(pool, session_id, author)
        assert known is not None
        review = known
    await add(pool, review, stars, "published", at_ms)


async def add(pool: asyncpg.Pool, review: rows.ReviewRecord, stars: int, state: State, at_ms: int) -> None:
    number = len(await rows.versions(pool, review.id, "review")) + 1
    due_at_ms = at_ms if state == "pending" else None
    await rows.supersede(pool, review.id, "review", state)
    version = rows.Version(
        id=new_id(),
        review_id=review.id,
        part="review",
        version=number,
        author_id=review.author_id,
        rating=stars,
        text=b"x",
        state=state,
        because=None,
        on_timeout="reject",
        due_at_ms=due_at_ms,
        created_at_ms=at_ms,
    )
    await rows.insert_version(pool, version)


def new_id() -> str:
    return str(uuid_utils.uuid7())


async def test_many_at_once_are_all_counted(desk: Desk) -> None:
    host = await desk.practitioner()
    stars = [1 + n % 5 for n in range(12)]
    guests = [await desk.person("guest") for _ in stars]
    sessions = [await desk.settled(guest, host) for guest in guests]
    await asyncio.gather(
        *(
            posting.post(desk.hub, guest, session_id, given, "It was good.", "en")
            for guest, session_id, given in zip(guests, sessions, stars, strict=True)
        )
    )
    assert await desk.rating(host) == formula(stars)


async def test_accounts_without_a_paid_session_count_for_nothing(desk: Desk) -> None:
    host = await desk.practitioner()
    bombers = [await desk.person("guest") for _ in range(20)]
    sessions = [await desk.settled(guest, host, paid_ms=0, free_ms=600_000) for guest in bombers]
    done = await asyncio.gather(
        *(
            posting.post(desk.hub, guest, session_id, 1, "Never again.", "en")
            for guest, session_id in zip(bombers, sessions, strict=True)
        ),
        return_exceptions=True,
    )
    assert all(isinstance(one, Exception) for one in done)
    assert await desk.rating(host) == (None, 0)
