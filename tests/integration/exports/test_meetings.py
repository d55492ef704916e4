"""Bookings, reviews and live rooms in an archive: one's own words are readable, and nobody else's."""

from uuid import uuid4

import uuid_utils

from store.privacy.bindings import booking_aad, live_room_aad, wording_aad
from tests.integration.exports.workshop import OWN, THEIRS, Life, Workshop, loaded

WHY = "this-is-why-i-do-not-come"
REVIEW = "this-is-what-i-say-of-it"
TITLE = "this-is-what-i-call-it"


async def booked(workshop: Workshop, life: Life, by: str) -> str:
    """A booking that one of the two cancelled, with words."""
    booking_id, key = str(uuid_utils.uuid7()), await workshop.keyring().load(by)
    await workshop.pool.execute(
        "insert into bookings (id, practitioner_id, guest_id, request_id, reason, reason_by, starts_at_ms,"
        " ends_at_ms, state, price_kind, currency, rate_minor_per_minute, free_ms, fee_bps, minimum_minor,"
        " cap_minor, hold_minutes, missed_minor, free_until_ms, created_at_ms, changed_at_ms, due_at_ms,"
        " ended_at_ms, end_reason) select $1, $2, $3, $4, $6, $7, at_ms, at_ms + 1, 'cancelled', 'free',"
        " 'usd', 0, 0, 0, 0, 0, 10, 0, at_ms, at_ms, at_ms, at_ms, at_ms, 'booking_cancelled_early'"
        " from (select $5::bigint) as made (at_ms)",
        booking_id, life.other_id, life.id, str(uuid4()), workshop.time_ms,
        key.seal(booking_aad(booking_id), f"{WHY} {by}".encode()), by,
    )  # fmt: skip
    return booking_id


async def test_why_one_cancelled_is_readable_and_why_the_other_did_is_not(workshop: Workshop) -> None:
    life = await workshop.life()
    mine, theirs = [await booked(workshop, life, by) for by in (life.id, life.other_id)]
    archive = await workshop.made(life.id)
    rows = {row["id"]: row["reason"] for row in loaded(archive, "data/bookings.json")}
    assert rows == {mine: f"{WHY} {life.id}", theirs: None}
    assert f"{WHY} {life.id}" in archive.read("data/bookings.csv").decode()


async def test_reviews_are_readable_by_who_wrote_them_alone(workshop: Workshop) -> None:
    life = await workshop.life()
    review_id, pool = str(uuid_utils.uuid7()), workshop.pool
    await pool.execute(
        "insert into reviews values ($1, $2, $3, $4, $5, $5)",
        review_id, life.session_id, life.id, life.other_id, workshop.time_ms,
    )  # fmt: skip
    for part, author, rating in (("review", life.id, 5), ("answer", life.other_id, None)):
        version_id, key = str(uuid_utils.uuid7()), await workshop.keyring().load(author)
        await pool.execute(
            "insert into review_versions (id, review_id, part, version, author_id, rating, text, state,"
            " created_at_ms) values ($1, $2, $3, 1, $4, $5, $6, 'published', $7)",
            version_id, review_id, part, author, rating,
            key.seal(wording_aad(version_id), f"{REVIEW} {part}".encode()), workshop.time_ms,
        )  # fmt: skip
    for who, part in ((life.id, "review"), (life.other_id, "answer")):
        archive = await workshop.made(who)
        [row] = loaded(archive, "data/review_versions.json")
        assert (row["part"], row["text"]) == (part, f"{REVIEW} {part}")
        assert len(loaded(archive, "data/reviews.json")) == (1 if part == "review" else 0)


async def test_a_hosts_titles_are_readable(workshop: Workshop) -> None:
    life = await workshop.life()
    key = await workshop.keyring().load(life.other_id)
    sealed = key.seal(live_room_aad(life.session_id), TITLE.encode())
    await workshop.pool.execute(
        "insert into live_rooms (session_id, practitioner_id, title, history, created_at_ms)"
        " values ($1, $2, $3, 'all', $4)",
        life.session_id, life.other_id, sealed, workshop.time_ms,
    )  # fmt: skip
    [row] = loaded(await workshop.made(life.other_id), "data/live_rooms.json")
    assert row["title"] == TITLE
    assert loaded(await workshop.made(life.id), "data/live_rooms.json") == []


async def test_a_guest_has_what_was_said_while_they_were_in_and_only_their_own_words(
    workshop: Workshop,
) -> None:
    life = await workshop.life()
    until = life.said[4].at_ms
    await workshop.pool.execute(
        "update participants set entered_at_ms = 1, from_seq = 2, part_ended_at_ms = $3"
        " where session_id = $1 and user_id = $2",
        life.session_id, life.id, until,
    )  # fmt: skip
    archive = await workshop.made(life.id)
    transcript = loaded(archive, f"transcripts/{life.session_id}.json")
    seen = [(one["seq"], one["text"]) for one in transcript["messages"]]
    assert seen == [(3, f"{OWN} 3"), (4, None), (5, f"{OWN} 5")]
    for path in archive.namelist():
        assert THEIRS.encode() not in archive.read(path), path
