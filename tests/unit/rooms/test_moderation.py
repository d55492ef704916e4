"""What moderators and hosts do to a room: who is meant, what changes, who pays, and that twice is once."""

from typing import get_args

import pytest

from billing import who_pays
from billing.who_pays import Cause
from rooms import chat, deadlines, moderation
from rooms.errors import IllegalTransition, NotFound, NotLive
from rooms.ids import UserId
from rooms.moderation import Action, NeedsFlag, NotForDistress, Sanction, sanction
from rooms.news import Change, Muted
from rooms.room import OVER, Room, State
from tests.unit.rooms.stage import (
    GUEST,
    GUEST_SOCKET,
    HOST,
    HOST_SOCKET,
    LIVE_MS,
    OVER_MS,
    OVER_STAGES,
    STAGES,
    STRANGER,
    live,
    paused,
    waiting,
)

NOW_MS = LIVE_MS + 30_000
HEARD = {GUEST_SOCKET: NOW_MS, HOST_SOCKET: NOW_MS}
ACTIONS: tuple[Action, ...] = get_args(Action)


def done(
    room: Room, action: Action, user_id: UserId | None = None, reason: moderation.Reason = "conduct"
) -> Change:
    decided = Sanction(action, user_id, reason)
    return moderation.carry_out(room, decided, until_ms=None, proofs=HEARD, now_ms=NOW_MS)


# What an action means.


@pytest.mark.parametrize("action", ["warn", "mute", "remove", "suspend", "reject"])
def test_nobody_in_distress_is_punished(action: Action) -> None:
    with pytest.raises(NotForDistress):
        sanction(action, category="distress", subject=GUEST, at_fault=None)


def test_what_was_held_for_something_else_can_be_kept_back_from_somebody_in_distress() -> None:
    kept = sanction("reject", category="distress", subject=GUEST, at_fault=None, held=True)
    assert kept == Sanction("reject", GUEST, "none")
    with pytest.raises(NotForDistress):
        sanction("mute", category="distress", subject=GUEST, at_fault=None, held=True)


def test_a_session_of_somebody_in_distress_ends_without_anybodys_fault() -> None:
    assert sanction("end", category="distress", subject=GUEST, at_fault=None) == Sanction("end", None, "none")
    with pytest.raises(NotForDistress):
        sanction("end", category="distress", subject=GUEST, at_fault=GUEST)


@pytest.mark.parametrize("action", ["dismiss", "release", "unmute"])
def test_distress_is_answered_without_a_word_against_anybody(action: Action) -> None:
    assert sanction(action, category="distress", subject=GUEST, at_fault=None).reason == "none"


@pytest.mark.parametrize("action", ["dismiss", "release", "reject"])
def test_what_is_about_a_case_needs_one(action: Action) -> None:
    with pytest.raises(NeedsFlag):
        sanction(action, category=None, subject=None, at_fault=GUEST)


@pytest.mark.parametrize("action", ["warn", "mute", "remove", "suspend"])
def test_what_is_against_somebody_is_against_whom_the_case_is_about_unless_said(action: Action) -> None:
    assert sanction(action, category="scam", subject=GUEST, at_fault=None).user_id == GUEST
    assert sanction(action, category="scam", subject=GUEST, at_fault=HOST).user_id == HOST
    with pytest.raises(IllegalTransition):
        sanction(action, category=None, subject=None, at_fault=None)


def test_an_end_is_nobodys_fault_unless_said() -> None:
    assert sanction("end", category="scam", subject=GUEST, at_fault=None) == Sanction("end", None, "none")
    assert sanction("end", category=None, subject=None, at_fault=HOST) == Sanction("end", HOST, "conduct")


def test_a_minor_is_confirmed_by_suspending_whom_the_case_is_about() -> None:
    assert sanction("suspend", category="minor", subject=GUEST, at_fault=None).reason == "minor"
    assert sanction("suspend", category="minor", subject=GUEST, at_fault=HOST).reason == "conduct"
    assert sanction("warn", category="minor", subject=GUEST, at_fault=None).reason == "conduct"


# Who pays.


@pytest.mark.parametrize(
    ("action", "user_id", "cause"),
    [
        ("end", None, Cause.ENDED),
        ("end", HOST, Cause.PRACTITIONER_CONDUCT),
        ("end", GUEST, Cause.GUEST_CONDUCT),
        ("remove", HOST, Cause.PRACTITIONER_CONDUCT),
        ("remove", GUEST, Cause.GUEST_CONDUCT),
        ("suspend", HOST, Cause.PRACTITIONER_CONDUCT),
        ("suspend", GUEST, Cause.GUEST_CONDUCT),
    ],
)
def test_it_ends_and_says_who_pays(action: Action, user_id: UserId | None, cause: Cause) -> None:
    for room in (live(), paused()):
        over = done(room, action, user_id).room
        assert over.state is State.ENDED
        assert who_pays.cause(over.end_reason) is cause
        assert not any(person.present for person in over.people)


def test_every_reason_is_in_the_table_of_who_pays() -> None:
    assert who_pays.cause("ended_by_moderator") is Cause.ENDED
    assert "ended_by_moderator" in who_pays._CAUSES


def test_a_minor_pays_nothing() -> None:
    assert done(live(), "suspend", GUEST, "minor").room.end_reason == "minor"
    assert done(live(), "suspend", HOST, "minor").room.end_reason == "practitioner_fault"


def test_time_stops_in_the_same_change() -> None:
    over = done(live(), "end", HOST)
    assert over.room.ended_at_ms == NOW_MS
    assert {type(fact).__name__ for fact in over.news} == {"MeterChanged", "StateChanged"}


def test_what_was_never_live_is_cancelled() -> None:
    assert done(waiting(), "end").room.state is State.CANCELLED


# Again, and too late.


@pytest.mark.parametrize("stage", OVER_STAGES)
def test_what_is_over_stays_as_it_is(stage: str) -> None:
    room = STAGES[stage]()
    ends: tuple[Action, ...] = ("end", "remove", "suspend")
    for action in ends:
        assert done(room, action, GUEST) == Change(room)
    mutes: tuple[Action, ...] = ("mute", "unmute")
    for action in mutes:
        with pytest.raises(NotLive):
            done(room, action, GUEST)


@pytest.mark.parametrize("action", ACTIONS)
def test_the_second_time_changes_nothing(action: Action) -> None:
    once = done(live(), action, GUEST).room
    if action in ("mute", "unmute") or once.state in OVER or once == live():
        assert done(once, action, GUEST) == Change(once)


@pytest.mark.parametrize("action", ["mute", "unmute", "remove", "end", "suspend"])
def test_nobody_who_has_no_part_in_it(action: Action) -> None:
    with pytest.raises(NotFound):
        done(live(), action, STRANGER)


@pytest.mark.parametrize("action", ["dismiss", "warn", "release", "reject"])
def test_what_leaves_the_room_alone(action: Action) -> None:
    assert done(live(), action, GUEST) == Change(live())


# Mutes.


def test_who_is_muted_may_not_write_and_the_other_may() -> None:
    muted = moderation.mute(live(), GUEST, by="moderator", until_ms=NOW_MS + 5_000, now_ms=NOW_MS)
    assert chat.voices(muted.room) == {GUEST: "muted", HOST: "open"}
    assert muted.news == (Muted(GUEST, True, NOW_MS + 5_000),)


@pytest.mark.parametrize("begun", [live, waiting, paused])
def test_time_lifts_it(begun: object) -> None:
    assert callable(begun)
    room: Room = begun()
    until_ms = room.clock_ms + 1_000
    muted = moderation.mute(room, GUEST, by="moderator", until_ms=until_ms, now_ms=room.clock_ms).room
    assert deadlines.next_due_ms(muted) == until_ms
    assert deadlines.tick(muted, now_ms=until_ms - 1) == Change(muted)
    lifted = deadlines.tick(muted, now_ms=until_ms)
    assert lifted.news == (Muted(GUEST, False),)
    assert lifted.room.state is room.state
    assert lifted.room.participant(GUEST) == room.participant(GUEST)
    assert deadlines.next_due_ms(lifted.room) == deadlines.next_due_ms(room)


def test_a_mute_delays_no_other_deadline() -> None:
    room = paused()
    due_ms = deadlines.next_due_ms(room)
    assert due_ms is not None
    muted = moderation.mute(room, GUEST, by="moderator", until_ms=due_ms + 1, now_ms=room.clock_ms).room
    assert deadlines.next_due_ms(muted) == due_ms
    assert deadlines.tick(muted, now_ms=due_ms).room.state is State.ENDED


def test_one_without_an_end_lasts_until_it_is_taken_back() -> None:
    muted = moderation.mute(live(), GUEST, by="moderator", now_ms=NOW_MS).room
    assert deadlines.next_due_ms(muted) == deadlines.next_due_ms(live())
    freed = moderation.unmute(muted, GUEST, by="moderator", now_ms=NOW_MS)
    assert freed.news == (Muted(GUEST, False),)
    assert chat.voices(freed.room)[GUEST] == "open"


def test_a_later_mute_takes_the_place_of_an_earlier() -> None:
    first = moderation.mute(live(), GUEST, by="moderator", until_ms=NOW_MS + 1, now_ms=NOW_MS).room
    second = moderation.mute(first, GUEST, by="moderator", until_ms=NOW_MS + 9, now_ms=NOW_MS).room
    assert deadlines.tick(second, now_ms=NOW_MS + 5) == Change(second)


def test_a_host_mutes_a_guest_and_nobody_else() -> None:
    muted = moderation.host_mutes(live(), HOST, GUEST, now_ms=NOW_MS).room
    assert chat.voices(moderation.host_unmutes(muted, HOST, GUEST, now_ms=NOW_MS).room)[GUEST] == "open"
    for who, user_id in ((GUEST, HOST), (GUEST, GUEST), (HOST, HOST), (STRANGER, GUEST), (HOST, STRANGER)):
        with pytest.raises(NotFound):
            moderation.host_mutes(live(), who, user_id, now_ms=NOW_MS)


def test_a_host_does_not_take_back_what_a_moderator_decided() -> None:
    muted = moderation.mute(live(), GUEST, by="moderator", until_ms=NOW_MS + 9, now_ms=NOW_MS).room
    with pytest.raises(IllegalTransition):
        moderation.host_unmutes(muted, HOST, GUEST, now_ms=NOW_MS)
    assert moderation.host_mutes(muted, HOST, GUEST, now_ms=NOW_MS) == Change(muted)


def test_a_moderator_takes_back_what_a_host_decided() -> None:
    muted = moderation.host_mutes(live(), HOST, GUEST, now_ms=NOW_MS).room
    assert chat.voices(moderation.unmute(muted, GUEST, by="moderator", now_ms=NOW_MS).room)[GUEST] == "open"


def test_a_host_who_removes_their_only_guest_has_ended_the_session() -> None:
    heard = {GUEST_SOCKET: OVER_MS, HOST_SOCKET: OVER_MS}
    removed = moderation.host_removes(live(), HOST, GUEST, proofs=heard, now_ms=OVER_MS).room
    assert (removed.state, removed.end_reason) == (State.ENDED, "ended_by_practitioner")
