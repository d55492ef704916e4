"""A sender's window: what was said anywhere counts once, whichever way it is heard of."""

import json

import pytest

from hub.delivery import Follow
from hub.safety.judging import SEED_MESSAGES, Safety, Said
from rooms.ids import SessionId, UserId
from rooms.room import Participant
from rooms.safety.verdict import Finding, Verdict
from rooms.safety.window import Window
from store.redis.chat import Appended, Delivered

ANNA, BEN = UserId("anna"), UserId("ben")
NOW_MS = 1_000_000


class Spy:
    """Rules that only note what they are shown."""

    version = "spy"

    def __init__(self) -> None:
        self.seen: list[list[str]] = []

    def check(self, text: str, window: Window, *, now_ms: int) -> Verdict:
        self.seen.append([said.text for said in window.since(0)])
        return Verdict("allow", text, shadow=(Finding("r", "1", "spam", "low", "flag", 0, 1),))  # type: ignore[arg-type]


@pytest.fixture
def spy() -> Spy:
    return Spy()


@pytest.fixture
def safety(spy: Spy) -> Safety:
    return Safety(spy, held_ms=60_000)  # type: ignore[arg-type]


@pytest.fixture
def room() -> Follow:
    return Follow(SessionId("s"))


def deliver(room: Follow, seq: int, sender: UserId, text: str, id_: str | None = None) -> None:
    """The room is told of a message, as hubs hear it."""
    told = Delivered(seq, seq, NOW_MS + seq, id_ or f"m{seq}", 1, "c", b"sealed", sender)
    room.tail.append((told, json.dumps({"id": told.id, "text": text})[1:-1].encode()))


def say(safety: Safety, room: Follow, id_: str, text: str, place: Appended | None = None) -> None:
    """A message from here, taken by the store."""
    safety.check(room, ANNA, text, now_ms=NOW_MS)
    with safety.said(room, ANNA).saying(id_, text) as saying:
        saying.place = place or Appended(0, NOW_MS, id_)


def window(safety: Safety, spy: Spy, room: Follow, who: UserId = ANNA) -> list[str]:
    safety.check(room, who, "?", now_ms=NOW_MS)
    return spy.seen[-1]


def test_own_words_count_before_the_bus_brings_them_back_and_once(
    safety: Safety, spy: Spy, room: Follow
) -> None:
    say(safety, room, "m1", "one", Appended(1, NOW_MS, "m1"))
    assert window(safety, spy, room) == ["one"]
    deliver(room, 1, ANNA, "one", "m1")
    say(safety, room, "m2", "two", Appended(2, NOW_MS, "m2"))
    deliver(room, 2, ANNA, "two", "m2")
    assert window(safety, spy, room) == ["one", "two"]
    assert window(safety, spy, room, BEN) == []


def test_words_over_another_hub_count_in_their_order(safety: Safety, spy: Spy, room: Follow) -> None:
    deliver(room, 1, ANNA, "one")
    deliver(room, 2, BEN, "mine")
    deliver(room, 3, ANNA, "two")
    assert window(safety, spy, room) == ["one", "two"]
    deliver(room, 4, ANNA, "three")
    assert window(safety, spy, room) == ["one", "two", "three"]
    assert window(safety, spy, room, BEN) == ["mine"]


def test_what_was_held_counts_once_also_when_it_is_released(safety: Safety, spy: Spy, room: Follow) -> None:
    say(safety, room, "h1", "held", Appended(0, NOW_MS, "h1", "held", "contact"))
    say(safety, room, "b1", "blocked", Appended(0, NOW_MS, "b1", "blocked", "contact"))
    deliver(room, 1, ANNA, "held", "h1")
    assert window(safety, spy, room) == ["held", "blocked"]


def test_a_repeat_and_a_refusal_were_never_said(safety: Safety, spy: Spy, room: Follow) -> None:
    say(safety, room, "m1", "one", Appended(1, NOW_MS, "m1"))
    say(safety, room, "m9", "one", Appended(1, NOW_MS, "m1"))
    with pytest.raises(ValueError, match="muted"), safety.said(room, ANNA).saying("m3", "never"):
        raise ValueError("muted")
    assert window(safety, spy, room) == ["one"]


def test_what_is_under_way_from_another_line_is_seen_and_does_not_stay(
    safety: Safety, spy: Spy, room: Follow
) -> None:
    with safety.said(room, ANNA).saying("m1", "half"):
        assert window(safety, spy, room) == ["half"]
    assert window(safety, spy, room) == []


def test_a_window_begins_with_the_transcript_and_goes_on_from_there(
    safety: Safety, spy: Spy, room: Follow
) -> None:
    anna = Participant(1, ANNA, "Anna", "guest")
    for seq in range(1, 4):
        deliver(room, seq, ANNA, f"{seq}")
    safety.seed(room, anna, [("0", NOW_MS), ("1", NOW_MS), ("2", NOW_MS)], head_seq=2)
    assert window(safety, spy, room) == ["0", "1", "2", "3"]
    # Somebody who joins again on this hub does not begin anew.
    safety.seed(room, anna, [("other", NOW_MS)], head_seq=9)
    assert window(safety, spy, room) == ["0", "1", "2", "3"]


def test_windows_end_with_the_following_of_their_room(safety: Safety, spy: Spy) -> None:
    room = Follow(SessionId("s"))
    say(safety, room, "m1", "one")
    assert safety.knows(room, ANNA)
    assert len(safety._said) == 1
    del room
    assert len(safety._said) == 0


def test_a_window_is_bounded(room: Follow) -> None:
    said = Said(ANNA)
    for n in range(10 * SEED_MESSAGES):
        with said.saying(f"m{n}", f"{n}") as saying:
            saying.place = Appended(n, NOW_MS, f"m{n}")
    assert len(said.window(NOW_MS)) < SEED_MESSAGES
