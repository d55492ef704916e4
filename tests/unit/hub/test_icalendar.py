"""Bookings as iCalendar: read back by a reader of the standard that knows nothing of the writer."""

import re
from datetime import UTC, datetime
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.bookings.icalendar import Entry, calendar

AT = int(datetime(2027, 3, 28, 1, 30, tzinfo=UTC).timestamp()) * 1000


def entry(summary: str = "Session with Ada", *, cancelled: bool = False, sequence: int = 0) -> Entry:
    return Entry(
        "0192f0c1-2345-7000-8000-00000000beef@hub.example.com",
        summary,
        AT,
        AT + 1_800_000,
        AT - 9_000,
        AT - 5_000,
        sequence,
        cancelled,
    )


def read(raw: bytes) -> list[dict[str, str]]:
    """The events of a calendar: unfolded, split and unescaped as RFC 5545 says."""
    assert raw.endswith(b"\r\n")
    for folded in raw.split(b"\r\n"):
        assert len(folded) <= 75
        folded.decode()
        assert b"\n" not in folded
        assert b"\r" not in folded
    lines = re.sub(r"\r\n[ \t]", "", raw.decode()).split("\r\n")[:-1]
    assert (lines[0], lines[-1]) == ("BEGIN:VCALENDAR", "END:VCALENDAR")
    events: list[dict[str, str]] = []
    for line in lines[1:-1]:
        name, _, value = line.partition(":")
        if line == "BEGIN:VEVENT":
            events.append({})
        elif events and name != "END":
            assert name not in events[-1]
            events[-1][name] = re.sub(r"\\(.)", lambda m: "\n" if m[1] in "nN" else m[1], value)
    return events


def test_an_event_has_what_calendars_need() -> None:
    (event,) = read(calendar([entry()], name="Allinya"))
    assert event == {
        "UID": "0192f0c1-2345-7000-8000-00000000beef@hub.example.com",
        "DTSTAMP": "20270328T012955Z",
        "CREATED": "20270328T012951Z",
        "LAST-MODIFIED": "20270328T012955Z",
        "SEQUENCE": "0",
        "DTSTART": "20270328T013000Z",
        "DTEND": "20270328T020000Z",
        "SUMMARY": "Session with Ada",
        "STATUS": "CONFIRMED",
        "TRANSP": "OPAQUE",
    }


def test_what_is_cancelled_says_so_with_a_higher_sequence() -> None:
    (event,) = read(calendar([entry(cancelled=True, sequence=2)]))
    assert (event["STATUS"], event["SEQUENCE"], event["TRANSP"]) == ("CANCELLED", "2", "TRANSPARENT")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x7f"), max_size=300))
def test_any_name_comes_back_but_for_control_characters(name: str) -> None:
    events = read(calendar([entry(name), entry("the next")]))
    plain = "".join(c for c in name if category(c) not in ("Cc", "Zl", "Zp") or c in "\n\t")
    assert [event["SUMMARY"] for event in events] == [plain, "the next"]


def test_nothing_breaks_out_of_its_line() -> None:
    events = read(calendar([entry("x\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:evil")]))
    assert len(events) == 1
    assert events[0]["UID"].startswith("0192f0c1")


def test_the_field_s_own_library_reads_it() -> None:
    library = pytest.importorskip("icalendar")
    name = "Zoë; \\ , “q” " + "é" * 90
    parsed = library.Calendar.from_ical(calendar([entry(name), entry(cancelled=True)], name="A,b"))
    first, second = parsed.walk("VEVENT")
    assert str(first["SUMMARY"]) == name
    assert first["DTSTART"].dt == datetime(2027, 3, 28, 1, 30, tzinfo=UTC)
    assert str(second["STATUS"]) == "CANCELLED"


@pytest.mark.parametrize("breaks", ["\x85", "\u2028", "\u2029", "\x0b", "\x1c"])
def test_nothing_that_some_reader_takes_for_a_line_break_is_in_it(breaks: str) -> None:
    said = f"Ada{breaks}BEGIN:VEVENT{breaks}SUMMARY:Evil"
    assert breaks not in calendar([entry(said)], name=said).decode()
