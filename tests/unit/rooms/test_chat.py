import pytest
from msgspec.structs import replace

from rooms.chat import flagged_for, in_distress, outcome, voices
from rooms.safety.verdict import Action, Category, Finding, Severity, Verdict
from tests.unit.rooms.stage import GUEST, HOST, HOST_SOCKET, LIVE_MS, STAGES, enter, guest_of, live, waiting


def test_both_speak_in_a_live_room() -> None:
    assert voices(live()) == {HOST: "open", GUEST: "open"}


def test_whoever_is_not_in_the_room_has_no_voice() -> None:
    assert voices(waiting()) == {}
    assert voices(enter(waiting(), HOST, HOST_SOCKET, LIVE_MS)) == {HOST: "open"}
    assert voices(STAGES["paused"]()) == {HOST: "open"}


def test_a_muted_person_is_told_apart_from_an_absent_one() -> None:
    room = live()
    muted = room.with_participant(replace(guest_of(room), muted=True))
    assert voices(muted) == {HOST: "open", GUEST: "muted"}


@pytest.mark.parametrize("stage", [name for name in STAGES if name not in ("waiting", "live", "paused")])
def test_chat_is_closed_outside_the_open_states(stage: str) -> None:
    room = STAGES[stage]()
    assert voices(room) == {}
    # Even a socket that should not be there gives no voice.
    haunted = room.with_participant(replace(room.practitioner, anchors=live().practitioner.anchors))
    assert voices(haunted) == {}


def found(category: Category, action: Action = "flag", severity: Severity = "high") -> Finding:
    return Finding(str(category), "1", category, severity, action, 0, 1)


BLOCKED, HELD = found(Category.CONTACT, "block"), found(Category.VIOLENCE, "hold")
DISTRESS, MINOR = found(Category.DISTRESS), found(Category.MINOR)
OF_EARLIER = found(Category.DISTRESS, severity="medium")


@pytest.mark.parametrize(
    ("verdict", "status", "flagged", "distress"),
    [
        (Verdict("allow", "t"), "sent", None, False),
        (Verdict("flag", "t", MINOR), "sent", MINOR, False),
        (Verdict("hold", "t", HELD), "held", HELD, False),
        (Verdict("block", "t", BLOCKED), "blocked", BLOCKED, False),
        (Verdict("flag", "t", DISTRESS, also=(BLOCKED,)), "sent", DISTRESS, True),
        # What somebody tells of earlier days is looked at, and is no alarm.
        (Verdict("flag", "t", OF_EARLIER), "sent", OF_EARLIER, False),
        (Verdict("flag", "t", OF_EARLIER, also=(DISTRESS,)), "sent", DISTRESS, True),
        # Whatever a rule asks for: nobody's cry for help waits.
        (
            Verdict("hold", "t", found(Category.DISTRESS, "hold")),
            "sent",
            found(Category.DISTRESS, "hold"),
            True,
        ),
        (Verdict("hold", "t", HELD, also=(DISTRESS,)), "held", DISTRESS, True),
        (Verdict("block", "t", BLOCKED, also=(HELD, MINOR)), "blocked", MINOR, False),
        (Verdict("block", "t", BLOCKED, also=(MINOR, DISTRESS)), "blocked", DISTRESS, True),
    ],
)
def test_what_becomes_of_a_message_and_who_looks_at_it(
    verdict: Verdict, status: str, flagged: Finding | None, distress: bool
) -> None:
    assert outcome(verdict) == status
    assert flagged_for(verdict) == flagged
    assert in_distress(verdict) == distress
