"""The rule book of chat, read from a folder and checked.

    book.toml              its version, and what the detectors are told
    rules/*.toml           the rules, by what they are about
    terms/<list>.<lang>.txt, allow/<list>.<lang>.txt
                           what a list looks for, and what makes it harmless: one line each, `#` comments
    help.toml              where people in distress are pointed to, by country

`read(folder)` gives plain values or raises one `BookError` that names every file, rule and key that is wrong.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$", max_length=64)]
Short = Annotated[str, Meta(min_length=1, max_length=200)]
Version = Annotated[str, Meta(pattern=r"^[0-9]{1,6}(\.[0-9]{1,6}){0,2}$")]
Host = Annotated[str, Meta(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)*$", max_length=253)]
Country = Annotated[str, Meta(pattern=r"^[A-Z]{2}$")]
Language = Annotated[str, Meta(pattern=r"^[a-z]{2}$")]
Amount = Annotated[int, Meta(ge=1, le=3_600)]

Category = Literal[
    "distress", "minor", "off_platform", "contact", "link", "card_number", "harassment", "sexual",
    "violence", "scam", "spam", "report", "fraud",
]  # fmt: skip
Detector = Literal[
    "age", "card", "email", "flood", "handle", "iban", "link", "phone", "repeated", "suspicious_link",
    "wallet",
]  # fmt: skip

LINES_MAX: Final = 20_000
LINE_MAX: Final = 2_000

T = TypeVar("T")


class BookError(Exception):
    """The book is not fit to start with. `problems` has a line each; `str()` lists them all."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(["bad rule book:", *(f"  {problem}" for problem in problems)]))


class Strict(Struct, frozen=True, forbid_unknown_fields=True):
    """A table in which every key is known."""


class WrittenRule(Strict, frozen=True):
    """A rule as it stands in a file: it names a `detector` or a `list` of terms with its languages."""

    id: Name
    version: Version
    category: Category
    severity: Literal["low", "medium", "high", "critical"]
    action: Literal["allow", "flag", "hold", "block"]
    mode: Literal["live", "shadow", "off"] = "live"
    on_timeout: Literal["release", "reject"] | None = None
    detector: Detector | None = None
    list: Name | None = None
    languages: tuple[Language, ...] = ()


class Rule(Struct, frozen=True):
    """A rule with its terms read."""

    id: str
    version: str
    category: str
    severity: str
    action: str
    mode: str
    on_timeout: str
    detector: str | None
    terms: tuple[str, ...]
    allowed: tuple[str, ...]


class Options(Strict, frozen=True):
    """What the detectors are told; see `book.toml` for what each is for."""

    phone_countries: tuple[Country, ...]
    allowed_phones: tuple[Short, ...]
    allowed_hosts: tuple[Host, ...]
    plain_suffixes: tuple[Host, ...]
    shorteners: tuple[Host, ...]
    flood_messages: Amount
    flood_within_s: Amount
    repeated_times: Amount
    repeated_within_s: Amount


class Line(Strict, frozen=True):
    """Somebody who answers: by voice (`phone`), by message (`text`), or on a page (`url`)."""

    name: Short
    phone: Short | None = None
    text: Short | None = None
    url: Annotated[str, Meta(pattern=r"^https://[^\s]+$", max_length=200)] | None = None
    hours: Short | None = None
    languages: tuple[Language, ...] = ()


class RuleBook(Struct, frozen=True):
    """A whole book. `rules` leaves out those that are off; `help` is by ISO country code.

    `help_everywhere` is for people of whom no country is known, or one without lines of its own.
    """

    version: str
    options: Options
    rules: tuple[Rule, ...]
    help: Mapping[str, tuple[Line, ...]]
    help_everywhere: tuple[Line, ...]


class _Head(Strict, frozen=True):
    version: Version
    options: Options


class _Rules(Strict, frozen=True):
    rule: tuple[WrittenRule, ...]


class _Help(Strict, frozen=True):
    everywhere: tuple[Line, ...]
    country: dict[Country, Annotated[tuple[Line, ...], Meta(min_length=1)]]


def read(folder: Path) -> RuleBook:
    """The book in `folder`. Raises BookError."""
    problems: list[str] = []
    head = _file(folder / "book.toml", _Head, problems)
    help_ = _file(folder / "help.toml", _Help, problems)
    written = [
        (path, rule)
        for path in sorted((folder / "rules").glob("*.toml"))
        if (read_rules := _file(path, _Rules, problems)) is not None
        for rule in read_rules.rule
    ]
    if not written and not problems:
        problems.append("rules: there is no rule")
    for path, rule in written:
        problems += (f"rules/{path.name}: rule {rule.id}: {why}" for why in _wrong(rule))
    problems += (f"rule {name}: there are two of this id" for name in _twice(written))
    rules = [_with_terms(folder, path, rule, problems) for path, rule in written]
    problems += _unused(folder, [rule for _, rule in written])
    if problems or head is None or help_ is None:
        raise BookError(problems)
    phones = (line.phone for lines in (*help_.country.values(), help_.everywhere) for line in lines)
    allowed = dict.fromkeys((*head.options.allowed_phones, *filter(None, phones)))
    return RuleBook(
        version=head.version,
        options=msgspec.structs.replace(head.options, allowed_phones=tuple(allowed)),
        rules=tuple(rule for rule in rules if rule.mode != "off"),
        help=help_.country,
        help_everywhere=help_.everywhere,
    )


def _file(path: Path, kind: type[T], problems: list[str]) -> T | None:
    name = path.name if path.parent.name != "rules" else f"rules/{path.name}"
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        problems.append(f"{name}: is missing")
        return None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problems.append(f"{name}: is no TOML: {error}")
        return None
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        problems.append(f"{name}: {_rule_in(raw, str(error))}{error}")
        return None


def _rule_in(raw: dict[str, Any], message: str) -> str:
    """The id of the rule that an error points at, which says more than its place in the file."""
    place = re.search(r"\$\.rule\[(\d+)\]", message)
    if place is None:
        return ""
    return f"rule {raw['rule'][int(place.group(1))].get('id', '(without id)')}: "


def _wrong(rule: WrittenRule) -> Iterator[str]:
    if (rule.detector is None) == (rule.list is None):
        yield "detector, list: one of them must be given, and not both"
    if (rule.list is None) != (not rule.languages):
        yield "languages: belongs to a list, and every list has some"
    if (rule.on_timeout is None) == (rule.action == "hold"):
        yield "on_timeout: must be given where the action is hold, and nowhere else"
    # Whoever asks for help is never kept waiting, and never silenced.
    if rule.category == "distress" and rule.action not in ("allow", "flag"):
        yield "action: distress is never more than flagged"


def _twice(written: list[tuple[Path, WrittenRule]]) -> list[str]:
    return [name for name, count in Counter(rule.id for _, rule in written).items() if count > 1]


def _with_terms(folder: Path, path: Path, rule: WrittenRule, problems: list[str]) -> Rule:
    terms: list[str] = []
    allowed: list[str] = []
    for language in rule.languages if rule.list else ():
        name = f"{rule.list}.{language}.txt"
        if (folder / "terms" / name).exists():
            terms += _lines(folder / "terms" / name, problems)
        else:
            problems.append(f"rules/{path.name}: rule {rule.id}: languages: there is no terms/{name}")
        if (folder / "allow" / name).exists():
            allowed += _lines(folder / "allow" / name, problems)
    return Rule(
        id=rule.id,
        version=rule.version,
        category=rule.category,
        severity=rule.severity,
        action=rule.action,
        mode=rule.mode,
        on_timeout=rule.on_timeout or "reject",
        detector=rule.detector,
        terms=tuple(terms),
        allowed=tuple(allowed),
    )


def _lines(path: Path, problems: list[str]) -> list[str]:
    name = f"{path.parent.name}/{path.name}"
    try:
        written = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError:
        problems.append(f"{name}: is not UTF-8")
        return []
    lines = [line.strip() for line in written if line.strip() and not line.startswith("#")]
    if len(lines) > LINES_MAX:
        problems.append(f"{name}: has {len(lines)} lines, and none may have more than {LINES_MAX}")
    long = (line for line in lines if len(line) > LINE_MAX)
    problems += (f"{name}: '{line[:40]}…' is longer than {LINE_MAX} characters" for line in long)
    problems += (f"{name}: '{line}' is there twice" for line, count in Counter(lines).items() if count > 1)
    return lines


def _unused(folder: Path, rules: list[WrittenRule]) -> Iterator[str]:
    """A list that no rule reads is a slip of the pen, and would protect nobody."""
    used = {f"{rule.list}.{language}.txt" for rule in rules if rule.list for language in rule.languages}
    for kind in ("terms", "allow"):
        for path in sorted((folder / kind).glob("*")):
            if path.name not in used:
                yield f"{kind}/{path.name}: no rule reads it"
