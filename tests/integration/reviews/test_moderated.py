"""Words that wait, are reported or refused: who decides, what follows, and what no edit gets around."""

import asyncio
import dataclasses
import shutil
from pathlib import Path

import pytest

from hub.edge.auth import Principal
from hub.errors import Refused
from hub.moderation import moderating
from hub.reviews import deciding, posting, wording
from hub.safety import reports, rules
from hub.safety.evidence import open_evidence
from hub.safety.judging import Safety
from hub.safety.snapshots import Snapshot
from hub.wire_moderation import Act
from hub.workers.flags import Voice
from hub.workers.reviews import ReviewTimeouts
from rooms.errors import RoomError
from rooms.ids import UserId
from rooms.moderation import Action as ActionName
from store.moderation_records import Flag
from store.postgres import acts, evidence, flags
from store.postgres import reviews as rows
from store.postgres.reviews import Version
from tests.integration.reviews.desk import DAY_MS, Desk, forgotten
from tests.integration.safety.office import principal

KIND = "She listened, and it helped me a lot."
PHONE = "Wonderful! Call me on +41 79 555 12 34 to talk about it."
HELPLESS = "Nothing helps, I want to kill myself tonight."
LINK = "Look at https://user:pass@evil.example/login first."
CARD = "Great, my card is 4242 4242 4242 4242, book me again."


async def written(desk: Desk, text: str, stars: int = 5) -> tuple[UserId, UserId, Version]:
    guest, host = await desk.person("guest"), await desk.practitioner()
    session_id = await desk.settled(guest, host)
    return guest, host, await posting.post(desk.hub, guest, session_id, stars, text, "en")


async def flag_of(desk: Desk, version: Version) -> Flag:
    flag_id = await flags.flag_of_message(desk.hub.pool, version.id)
    found = None if flag_id is None else await flags.flag(desk.hub.pool, flag_id)
    assert found is not None
    return found


async def act(desk: Desk, flag: Flag, action: ActionName, who: Principal | None = None) -> None:
    body = Act(flag.session_id, action, "because", flag_id=flag.id)
    await moderating.act(desk.hub, who or principal(), body)


async def states(desk: Desk, version: Version) -> list[str]:
    return [one.state for one in await rows.versions(desk.hub.pool, version.review_id, version.part)]


async def report(desk: Desk, who: UserId, version: Version) -> str:
    """As the route does."""
    review = await rows.review(desk.hub.pool, version.review_id)
    assert review is not None
    snapshot = Snapshot(
        review.session_id, who, version.author_id, version.id, "unfair", None, desk.clock.ms, [],
        review_id=review.id, text=KIND,
    )  # fmt: skip

    async def complete() -> Snapshot:
        return snapshot

    return await reports.file_once(desk.hub, principal("practitioner", who), snapshot, complete)


async def test_held_words_wait_and_a_moderator_releases_them(desk: Desk) -> None:
    _, host, made = await written(desk, PHONE)
    assert (made.state, await desk.rating(host)) == ("pending", (None, 0))
    assert await rows.shown(desk.hub.pool, host, before=None, limit=9, hidden=()) == []
    flag = await flag_of(desk, made)
    assert (flag.review_id, flag.verdict, flag.status) == (made.review_id, "hold", "open")
    (kept,) = await evidence.of_flag(desk.hub.pool, flag.id, limit=9)
    assert await open_evidence(desk.hub.keyring, kept) == PHONE.encode()
    mine = principal()
    await act(desk, flag, "release", mine)
    assert (await states(desk, made), await desk.rating(host)) == (["published"], (4.27, 1))
    await act(desk, flag, "release", mine)
    assert await desk.rating(host) == (4.27, 1)
    with pytest.raises(RoomError):
        await act(desk, flag, "reject")


async def test_an_edit_that_waits_leaves_what_is_shown(desk: Desk) -> None:
    guest, host, made = await written(desk, KIND)
    edited = await posting.change(desk.hub, guest, made.review_id, 1, 1, PHONE, "en")
    assert (edited.state, await states(desk, made)) == ("pending", ["published", "pending"])
    assert await desk.rating(host) == (4.27, 1)
    third = await posting.change(desk.hub, guest, made.review_id, 2, 2, f"{KIND} Really.", "en")
    assert (third.state, await states(desk, made)) == ("published", ["superseded", "superseded", "published"])
    with pytest.raises(RoomError):
        await act(desk, await flag_of(desk, edited), "release")


async def test_refused_words_go_and_what_follows_is_looked_at(desk: Desk) -> None:
    guest, host, made = await written(desk, KIND, 1)
    assert await report(desk, host, made) == await report(desk, host, made)
    flag = await flag_of(desk, made)
    assert (flag.category, flag.review_id, flag.reports, flag.user_id) == ("report", made.review_id, 1, guest)
    await act(desk, flag, "reject")
    assert (await states(desk, made), await desk.rating(host)) == (["rejected"], (None, 0))
    assert await desk.owner.fetchval("select outcome from reports where reporter_id = $1", host) == "upheld"
    desk.clock.ms += 1
    again = await posting.change(desk.hub, guest, made.review_id, 1, 1, f"{KIND} Now.", "en")
    assert again.state == "pending"
    assert (await flag_of(desk, again)).rule == "reviews.rewritten"
    await act(desk, await flag_of(desk, again), "release")
    assert await desk.rating(host) == (3.91, 1)


async def test_time_shows_nothing_in_place_of_refused_words(desk: Desk, tmp_path: Path) -> None:
    shutil.copytree(rules.FOLDER, tmp_path / "book")
    contact = tmp_path / "book" / "rules" / "contact.toml"
    contact.write_text(contact.read_text().replace('on_timeout = "reject"', 'on_timeout = "release"'))
    desk.hub = dataclasses.replace(desk.hub, safety=Safety(rules.load(tmp_path / "book"), held_ms=60_000))
    _, _, made = await written(desk, KIND, 1)
    waits = await posting.change(desk.hub, made.author_id, made.review_id, 1, 1, PHONE, "en")
    assert waits.on_timeout == "release"
    await act(desk, await flag_of(desk, waits), "reject")
    desk.clock.ms += 1
    again = await posting.change(desk.hub, made.author_id, made.review_id, 2, 1, f"{PHONE} Now.", "en")
    assert (again.state, again.on_timeout) == ("pending", "reject")


async def test_what_was_worded_after_the_decision_is_not_touched(desk: Desk) -> None:
    guest, host, made = await written(desk, KIND, 1)
    await report(desk, host, made)
    flag = await flag_of(desk, made)
    await act(desk, flag, "reject")
    action = await desk.owner.fetchval("select id from moderation_actions where flag_id = $1", flag.id)
    desk.clock.ms += 1
    again = await posting.change(desk.hub, guest, made.review_id, 1, 1, f"{KIND} Now.", "en")
    found = await acts.action(desk.hub.pool, str(action))
    assert found is not None
    await deciding.decide(desk.hub, found, flag)
    assert await states(desk, again) == ["rejected", "pending"]


async def test_a_report_of_something_decided_is_a_case_about_the_same_review(desk: Desk) -> None:
    _, host, made = await written(desk, PHONE)
    await act(desk, await flag_of(desk, made), "release")
    await report(desk, host, made)
    found = await desk.owner.fetchval(
        "select id from flags where review_id = $1 and status = 'open'", made.review_id
    )
    flag = await flags.flag(desk.hub.pool, str(found))
    assert flag is not None
    assert flag.message_id is None
    await act(desk, flag, "reject")
    assert await states(desk, made) == ["rejected"]


async def test_an_edit_and_a_decision_at_once(desk: Desk) -> None:
    guest, host, made = await written(desk, KIND, 1)
    await report(desk, host, made)
    flag = await flag_of(desk, made)
    for n in range(1, 6):
        edit = posting.change(desk.hub, guest, made.review_id, n, 1, f"{KIND} {n}", "en")
        done = await asyncio.gather(act(desk, flag, "reject"), edit, return_exceptions=True)
        assert all(not isinstance(one, Exception) or isinstance(one, Refused | RoomError) for one in done), (
            done
        )
        known = await states(desk, made)
        # Either it came first and was refused with the rest, or after, and waits. It is never simply shown.
        assert known[0] == "rejected" or known[0] == "superseded"
        assert "published" not in known
        desk.clock.ms += 1


async def test_time_decides_as_the_rule_says(desk: Desk) -> None:
    teller = Voice(desk.hub.notices, desk.hub.pool)
    duty = ReviewTimeouts(teller, now_ms=desk.clock)
    _, host, made = await written(desk, PHONE)
    desk.clock.ms += 3 * DAY_MS - 1
    while await duty.run_once():
        """What other tests left."""
    assert await states(desk, made) == ["pending"]
    desk.clock.ms += 1
    assert sum(await asyncio.gather(duty.run_once(), duty.run_once())) == 1
    assert (await states(desk, made), made.on_timeout) == (["rejected"], "reject")
    _, host, made = await written(desk, KIND)
    await desk.owner.execute(
        "update review_versions set state = 'pending', due_at_ms = 1, on_timeout = 'release' where id = $1",
        made.id,
    )
    assert await desk.rating(host) == (None, 0)
    assert await duty.run_once() == 1
    assert await desk.rating(host) == (4.27, 1)


async def test_blocked_words_are_refused_with_words_and_one_case(desk: Desk) -> None:
    guest, host = await desk.person("guest"), await desk.practitioner()
    session_id = await desk.settled(guest, host)
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            await posting.post(desk.hub, guest, session_id, 1, LINK, "en")
        assert (refused.value.code, refused.value.fields) == ("bad_request", {"text": "link"})
        assert "cannot stand in a review. It holds a link" in str(refused.value)
    (flag_id,) = await desk.owner.fetch("select id from flags where user_id = $1", guest)
    flag = await flags.flag(desk.hub.pool, str(flag_id["id"]))
    assert flag is not None
    assert (flag.verdict, flag.review_id) == ("block", None)
    with pytest.raises(RoomError):
        await act(desk, flag, "release")
    assert await desk.owner.fetchval("select count(*) from reviews where author_id = $1", guest) == 0


async def test_despair_is_not_shown_and_its_writer_is_helped(desk: Desk) -> None:
    guest, _, made = await written(desk, HELPLESS)
    assert (made.state, made.on_timeout, made.because) == ("pending", "reject", None)
    assert "distress.care" in [name for name, _ in desk.spawned]
    flag = await flag_of(desk, made)
    assert (flag.category, flag.user_id) == ("distress", guest)
    await act(desk, flag, "dismiss")
    assert await states(desk, made) == ["pending"]


async def test_card_numbers_are_masked(desk: Desk) -> None:
    _, _, made = await written(desk, CARD)
    said = await wording.opened(desk.hub.keyring, made.author_id, made.id, made.text)
    assert said is not None
    assert "4242 4242 4242 4242" not in said


async def test_nobody_decides_about_their_own(desk: Desk) -> None:
    guest, host, made = await written(desk, KIND)
    await report(desk, host, made)
    flag = await flag_of(desk, made)
    for own in (guest, host):
        with pytest.raises(RoomError):
            await moderating.act(
                desk.hub,
                principal(user_id=own),
                Act(flag.session_id, "reject", "mine", flag_id=flag.id),
            )


async def test_whoever_acts_against_the_author_lets_nothing_through(desk: Desk) -> None:
    _, _, made = await written(desk, PHONE)
    await act(desk, await flag_of(desk, made), "warn")
    assert await states(desk, made) == ["rejected"]


async def test_the_erased_say_nothing_and_count_no_more(desk: Desk) -> None:
    guest, host, made = await written(desk, KIND)
    await posting.answer(desk.hub, host, made.review_id, "Thanks.", "en")
    await forgotten(desk.hub.pool, host)
    assert await states(desk, made) == ["published"]
    await forgotten(desk.hub.pool, guest)
    assert await rows.review(desk.hub.pool, made.review_id) is None
    assert await desk.rating(host) == (None, 0)
