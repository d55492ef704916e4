"""Which bytes of a file a request asks for (RFC 9110, section 14)."""

import re
from typing import Final

from msgspec import Struct

_ONE: Final = re.compile(r"bytes=([0-9]{0,20})-([0-9]{0,20})")


class Span(Struct, frozen=True):
    """The bytes from `start` up to and without `end`; `partial` unless they were not asked for one by one."""

    start: int
    end: int
    partial: bool


class Unsatisfiable(Exception):
    """None of the bytes that are asked for are there."""


def wanted(asked: str | None, if_range: str | None, *, etag: str, size_bytes: int) -> Span:
    """What to send. Raises Unsatisfiable.

    Several ranges, another unit, or what nobody can read are answered with all of it, as the standard allows:
    of several ranges a small request could make a large answer. A range for another version of the file, too.
    """
    everything = Span(0, size_bytes, partial=False)
    found = None if asked is None else _ONE.fullmatch(asked.strip())
    if found is None or (if_range is not None and if_range.strip() != etag):
        return everything
    first, last = found.groups()
    if first == "":
        return everything if last == "" else _tail(int(last), size_bytes)
    start = int(first)
    if last != "" and int(last) < start:
        return everything
    if start >= size_bytes:
        raise Unsatisfiable
    end = size_bytes if last == "" else min(size_bytes, int(last) + 1)
    return Span(start, end, partial=True)


def _tail(length: int, size_bytes: int) -> Span:
    if length == 0:
        raise Unsatisfiable
    return Span(max(0, size_bytes - length), size_bytes, partial=True)
