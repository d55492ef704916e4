"""Rows as CSV that a spreadsheet opens without harm.

A spreadsheet takes a cell that begins with one of a few signs for a formula and may run it when the file is
opened, so text of that kind gets an apostrophe before it. Numbers are numbers, negative ones too. Many take a
semicolon or a tab for the end of a cell, and any line break for the end of a row, whatever is quoted: what
follows one of these is looked at as well.
"""

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

FORMULA: Final = frozenset("=+-@\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b\u2212")
"""What a formula begins with, and wide, small and typographic forms that a program may take for it."""
PARTS: Final = frozenset(";\t\r\n")
"""Where a program that separates otherwise begins another cell, in the middle of a text."""
_UNSEEN: Final = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})


def cell(value: Any) -> str | int | float | Decimal:
    """One value as a cell: nothing is empty, lists and objects are JSON, dates are as in the JSON file."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return value
    return harmless(value if isinstance(value, str) else _written(value))


def harmless(text: str) -> str:
    """The text, with an apostrophe before whatever of it a spreadsheet might take for a formula."""
    if not text:
        return text
    if not PARTS.isdisjoint(text):
        text = "".join(_parted(text))
    # A tab or a line break at the beginning is dropped by some programs, and what follows counts.
    if text[0] in "\t\r\n":
        return f"'{text}"
    for sign in text:
        if sign in FORMULA:
            return f"'{text}"
        if unicodedata.category(sign) not in _UNSEEN:
            break
    return text


def _parted(text: str) -> Iterator[str]:
    """The signs of a text, with an apostrophe where another cell would begin with a formula."""
    beginning = False
    for sign in text:
        if beginning and sign in FORMULA:
            yield "'"
        # What nobody sees, and the quotation mark that opens a cell, are not yet its beginning.
        unseen = sign == '"' or unicodedata.category(sign) in _UNSEEN
        beginning = sign in PARTS or (beginning and unseen)
        yield sign


def lines(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, head: bool) -> bytes:
    """The rows in UTF-8, lines ended as RFC 4180 says; with `head`, the names of the columns first."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    if head:
        writer.writerow(columns)
    writer.writerows([cell(row.get(column)) for column in columns] for row in rows)
    return out.getvalue().encode("utf-8", "replace")


def _written(value: Any) -> str:
    plain = msgspec.to_builtins(value)
    return plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()
