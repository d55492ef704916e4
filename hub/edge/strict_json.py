"""JSON from strangers: stricter than JSON itself, and nearly as fast as not looking.

Refused are: nesting deeper than 16, NaN and infinities (also `1e999`), a key given twice, half a surrogate
pair, NUL, and integers beyond ±2**53 (a JavaScript client could not have meant them exactly). Whatever
passes comes back as text in Unicode normalisation form C, so **every string that enters the hub is NFC**
and no struct needs to think of it.

The quick way: a text that, decoded and encoded again, gives the very same text cannot have carried a key
twice, an odd number or a needless escape. Only what is unusual takes the slow, exact way.
"""

import json
import re
import unicodedata
from typing import Any, NoReturn

import msgspec

DEPTH_MAX = 16
INTEGER_MAX = 2**53
UNUSUAL = re.compile(r"\\u0000|[0-9]{16}")
"""Could be a NUL or a large integer; the slow way decides, as a text may rightly contain these."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class BadJsonError(ValueError):
    """The text is not JSON, or not JSON that we take; the words say why and quote nothing."""


def strict(text: str) -> str:
    """The same JSON, normalised to NFC. Raises `BadJsonError`."""
    try:
        value = _decode(text)
    except RecursionError:
        raise BadJsonError("nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeError):
        raise BadJsonError("not valid JSON") from None
    canonical = _encode(value).decode()
    if canonical != text or UNUSUAL.search(text) or text.count("[") + text.count("{") > DEPTH_MAX:
        _inspect(text)
    if canonical.isascii():
        return canonical
    # Composition never touches JSON's own characters: none of them combines with a mark.
    return unicodedata.normalize("NFC", canonical)


def _inspect(text: str) -> None:
    """The exact way. What gets here decoded once, so its syntax is right."""
    _check_depth(text)
    _check_value(_exact.decode(text))


_BRACKET_OR_STRING = re.compile(r'[\[\]{}]|"(?:[^"\\]|\\.)*+"')


def _check_depth(text: str) -> None:
    depth = 0
    for found in _BRACKET_OR_STRING.finditer(text):
        mark = found.group()
        if mark in "[{":
            depth += 1
            if depth > DEPTH_MAX:
                raise BadJsonError("nested too deeply")
        elif mark in "]}":
            depth -= 1


def _check_value(value: object) -> None:
    match value:
        case str():
            if "\0" in value:
                raise BadJsonError("a string contains NUL")
        case bool() | None | float():
            pass
        case int():
            if not -INTEGER_MAX <= value <= INTEGER_MAX:
                raise BadJsonError("an integer is out of range")
        case list():
            for item in value:
                _check_value(item)
        case dict():
            for key, item in value.items():
                _check_value(key)
                _check_value(item)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadJsonError("a key is given twice")
    return found


def _integer(digits: str) -> int:
    if len(digits) > len(str(INTEGER_MAX)) + 1:
        raise BadJsonError("an integer is out of range")
    return int(digits)


def _no_constant(_name: str) -> NoReturn:
    raise BadJsonError("not a number")


_exact = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_integer, parse_constant=_no_constant)
