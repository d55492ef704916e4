"""Which session may be reviewed, once, until when; and what becomes of the words."""

import asyncio
from collections.abc import Awaitable

import pytest

from hub.errors import Refused
from hub.reviews import posting, wording
from rooms.errors import NotFound
from rooms.ids import SessionId
from rooms.reviews import VERSIONS_MAX
from store.postgres import blocks
from store.postgres import reviews as rows
from store.postgres.reviews import Version
from tests.integration.reviews.desk import DAY_MS, MINUTE_MS, Desk, desk_of

KIND = "She listened, and it helped me a lot."


async def code_of(writing: Awaitable[object]) -> str:
    try:
        await writing
    except (Refused, NotFound) as refused:
        return str(refused.code)
    raise AssertionError("it was taken")


async def text(desk: Desk, version: Version) -> str | None:
    return await wording.opened(desk.hub.keyring, version.author_id, version.id, version.text)


async def test_a_review_is_shown_and_counts(desk: Desk) -> None:
    guest, host = await desk.person("guest"), await desk.practitioner()
    session_id = await desk.settled(guest, host)
    made = await posting.post(desk.hub, guest, session_id, 5, KIND, "en")
    assert (made.state, made.version, made.rating, await text(desk, made)) == ("published", 1, 5, KIND)
    assert KIND.encode() not in made.text
    assert await desk.rating(host) == (4.27, 1)
    again = await posting.post(desk.hub, guest, session_id, 5, KIND, "en")
    assert again == made
    assert await code_of(posting.post(desk.hub, guest, session_id, 4, KIND, "en")) == "conflict"
    assert [name for name, _ in desk.spawned] == ["rating.tell"]
    assert await desk.owner.fetchval("select count(*) from corrections where person_id = $1", host) == 1


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        ({"state": "ended"}, "conflict", "settled"),
        ({"settle": False}, "conflict", "settled"),
        ({"paid_ms": 4 * MINUTE_MS - 1}, "conflict", "four paid minutes"),
        ({"paid_ms": 2 * MINUTE_MS, "free_ms": 10 * MINUTE_MS}, "conflict", "four paid minutes"),
        ({"paid_ms": 0, "free_ms": 10 * MINUTE_MS}, "conflict", "paid"),
        ({"waived": "practitioner_fault"}, "conflict", "paid for"),
        ({"refunded_minor": 1_500}, "conflict", "paid for"),
    ],
)
async def test_not_every_session_has_one(desk: Desk, more: dict[str, object], code: str, words: str) -> None:
    guest, host = await desk.person("guest"), await desk.practitioner()
    session_id = await desk.settled(guest, host, **more)  # type: ignore[arg-type]
    with pytest.raises(Refused) as refused:
        await posting.post(desk.hub, guest, session_id, 1, KIND, "en")
    assert refused.value.code == code
    assert words in str(refused.value)
    assert await desk.rating(host) == (None, 0)


async def test_four_paid_minutes_and_a_part_given_back_are_enough(desk: Desk) -> None:
    guest, host = await desk.person("guest"), await desk.practitioner()
    session_id = await desk.settled(guest, host, paid_ms=4 * MINUTE_MS, refunded_minor=1_199)
    assert (await posting.post(desk.hub, guest, session_id, 3, KIND, "en")).state == "published"


async def test_time_runs_out(desk: Desk) -> None:
    guest, host = await desk.person("guest"), await desk.practitioner()
    first, second = await desk.settled(guest, host), await desk.settled(guest, host)
    desk.clock.ms += 7 * DAY_MS
    made = await posting.post(desk.hub, guest, first, 2, KIND, "en")
    desk.clock.ms += 1
    assert await code_of(posting.post(desk.hub, guest, second, 2, KIND, "en")) == "expired"
    assert await posting.post(desk.hub, guest, first, 2, KIND, "en") == made
    desk.clock.ms += 7 * DAY_MS - 1
    changed = await posting.change(desk.hub, guest, made.review_id, 1, 3, KIND, "en")
    desk.clock.ms += 1
    assert await code_of(posting.change(desk.hub, guest, made.review_id, 2, 1, KIND, "en")) == "expired"
    assert await posting.change(desk.hub, guest, made.review_id, 1, 3, KIND, "en") == changed


async def test_nobody_elses_session(desk: Desk) -> None:
    guest, host, other = await desk.person("guest"), await desk.practitioner(), await desk.person("guest")
    session_id = await desk.settled(guest, host)
    nowhere = SessionId(host)
    for who, where in ((other, session_id), (host, session_id), (guest, nowhere)):
        assert await code_of(posting.post(desk.hub, who, where, 1, KIND, "en")) == "not_found"
    made = await posting.post(desk.hub, guest, session_id, 5, KIND, "en")
    for who in (other, host):
        assert await code_of(posting.change(desk.hub, who, made.review_id, 1, 1, KIND, "en")) == "not_found"
    for who in (other, guest, await desk.practitioner()):
        assert await code_of(posting.answer(desk.hub, who, made.review_id, KIND, "en")) == "not_found"


async def test_two_at_once_are_one(desk: Desk) -> None:
    guest, host = await desk.person("guest"), await desk.practitioner()
    session_id = await desk.settled(guest, host)
    made = await asyncio.gather(*(posting.post(desk.hub, guest, session_id, 5, KIND, "en") for _ in range(6)))
    assert len({version.id for version in made}) == 1
    assert await desk.rating(host) == (4.27, 1)
    answers = await asyncio.gather(
        *(posting.change(desk.hub, guest, made[0].review_id, 1, stars, KIND, "en") for stars in (1, 2, 3)),
        return_exceptions=True,
    )
    assert len([one for one in answers if isinstance(one, Version)]) == 1
    assert await desk.owner.fetchval("select count(*) from review_versions where author_id = $1", guest) == 2


async def test_edits_are_kept_and_the_last_is_shown(desk: Desk) -> None:
    guest, host = await desk.person("guest"), await desk.practitioner()
    made = await posting.post(desk.hub, guest, await desk.settled(guest, host), 5, KIND, "en")
    desk.clock.ms += 1
    changed = await posting.change(desk.hub, guest, made.review_id, 1, 1, "It did not help.", "en")
    assert await posting.change(desk.hub, guest, made.review_id, 1, 1, "It did not help.", "en") == changed
    assert await code_of(posting.change(desk.hub, guest, made.review_id, 1, 2, "Hm.", "en")) == "conflict"
    kept = await rows.versions(desk.hub.pool, made.review_id, "review")
    assert [(one.state, one.rating) for one in kept] == [("superseded", 5), ("published", 1)]
    assert await desk.rating(host) == (3.91, 1)


async def test_there_is_an_end_to_rewording(desk: Desk) -> None:
    guest, host = await desk.person("guest"), await desk.practitioner()
    made = await posting.post(desk.hub, guest, await desk.settled(guest, host), 5, KIND, "en")
    for seen in range(1, VERSIONS_MAX):
        await posting.change(desk.hub, guest, made.review_id, seen, 5, f"{KIND} {seen}", "en")
    changing = posting.change(desk.hub, guest, made.review_id, VERSIONS_MAX, 5, "Once more.", "en")
    assert await code_of(changing) == "conflict"


async def test_an_answer_can_be_worded_otherwise(desk: Desk) -> None:
    guest, host = await desk.person("guest"), await desk.practitioner()
    made = await posting.post(desk.hub, guest, await desk.settled(guest, host), 5, KIND, "en")
    first = await posting.answer(desk.hub, host, made.review_id, "Thank you.", "en")
    assert await posting.answer(desk.hub, host, made.review_id, "Thank you.", "en") == first
    second = await posting.answer(desk.hub, host, made.review_id, "Thank you, Ada.", "en")
    (shown,) = await rows.shown(desk.hub.pool, host, before=None, limit=10, hidden=())
    assert (shown.answer_id, second.version) == (second.id, 2)
    await blocks.insert_block(desk.hub.pool, guest, host, now_ms=1, most=9)
    assert await code_of(posting.answer(desk.hub, host, made.review_id, "What?", "en")) == "not_found"


@pytest.mark.parametrize("given", ["  ", "\u202e\u2066", "\u200d", "...", "x" * 2_001])
async def test_what_is_no_text(desk: Desk, given: str) -> None:
    guest, host = await desk.person("guest"), await desk.practitioner()
    session_id = await desk.settled(guest, host)
    assert await code_of(posting.post(desk.hub, guest, session_id, 5, given, "en")) == "bad_request"


async def test_markup_is_text_and_nothing_turns_it_around(desk: Desk) -> None:
    guest, host = await desk.person("guest"), await desk.practitioner()
    given = "<img src=x onerror=alert(1)> good\u202eevil\u2069\u0000 e\u0301a" + "\u0301" * 9
    made = await posting.post(desk.hub, guest, await desk.settled(guest, host), 5, given, "en")
    assert await text(desk, made) == "<img src=x onerror=alert(1)> goodevil \u00e9\u00e1" + "\u0301" * 3


async def test_writing_has_a_limit(desk: Desk) -> None:
    hub = desk.hub
    limited = desk_of(hub, desk.owner, hub.people._redis, desk.clock, per_hour=2)  # type: ignore[arg-type]
    guest, host = await desk.person("guest"), await desk.practitioner()
    for _ in range(2):
        await posting.post(limited.hub, guest, await desk.settled(guest, host), 1, KIND, "en")
    session_id = await desk.settled(guest, host)
    assert await code_of(posting.post(limited.hub, guest, session_id, 1, KIND, "en")) == "rate_limited"
