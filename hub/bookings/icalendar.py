"""Bookings as iCalendar (RFC 5545): names and times, and nothing of what is talked about."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final
from unicodedata import category

from msgspec import Struct

OCTETS_MAX: Final = 75
"""A line is folded after so many octets, its line break apart."""
PRODUCT: Final = "-//Allinya//Session hub//EN"


class Entry(Struct, frozen=True):
    """One session in a calendar. `sequence` counts its changes."""

    uid: str
    summary: str
    starts_at_ms: int
    ends_at_ms: int
    created_at_ms: int
    changed_at_ms: int
    sequence: int
    cancelled: bool


def calendar(entries: Iterable[Entry], *, name: str | None = None) -> bytes:
    """A whole calendar, ready to be served as `text/calendar; charset=utf-8`."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        f"PRODID:{PRODUCT}",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        *([] if name is None else [f"X-WR-CALNAME:{_escaped(name)}"]),
    ]
    for entry in entries:
        lines.extend(_event(entry))
    lines.append("END:VCALENDAR")
    return b"".join(folded + b"\r\n" for line in lines for folded in _folded(line))


def _event(entry: Entry) -> list[str]:
    return [
        "BEGIN:VEVENT",
        f"UID:{entry.uid}",
        f"DTSTAMP:{_utc(entry.changed_at_ms)}",
        f"CREATED:{_utc(entry.created_at_ms)}",
        f"LAST-MODIFIED:{_utc(entry.changed_at_ms)}",
        f"SEQUENCE:{entry.sequence}",
        f"DTSTART:{_utc(entry.starts_at_ms)}",
        f"DTEND:{_utc(entry.ends_at_ms)}",
        f"SUMMARY:{_escaped(entry.summary)}",
        f"STATUS:{'CANCELLED' if entry.cancelled else 'CONFIRMED'}",
        f"TRANSP:{'TRANSPARENT' if entry.cancelled else 'OPAQUE'}",
        "END:VEVENT",
    ]


def _utc(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y%m%dT%H%M%SZ")


def _escaped(text: str) -> str:
    """A value of type TEXT (RFC 5545, 3.3.11). Control characters have no place in it, nor has what some
    readers take for the end of a line.
    """
    plain = "".join(c for c in text if c in "\n\t" or category(c) not in ("Cc", "Zl", "Zp"))
    for special in ("\\", ";", ","):
        plain = plain.replace(special, "\\" + special)
    return plain.replace("\n", "\\n")


def _folded(line: str) -> Iterator[bytes]:
    """The line in pieces of OCTETS_MAX at most, never within a character (RFC 5545, 3.1)."""
    piece = b""
    for character in line:
        octets = character.encode()
        if len(piece) + len(octets) > OCTETS_MAX:
            yield piece
            piece = b" "
        piece += octets
    yield piece
