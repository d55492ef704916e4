"""A rule book as the rules need it: plain values, read and checked before they come here."""

from typing import Literal

from msgspec import Struct

from rooms.safety.verdict import Action, Category, OnTimeout, Severity

Mode = Literal["live", "shadow"]


class Rule(Struct, frozen=True):
    """A detector, or terms with the phrases that make them harmless. In `shadow` it decides nothing."""

    id: str
    version: str
    category: Category
    severity: Severity
    action: Action
    mode: Mode = "live"
    on_timeout: OnTimeout = "reject"
    detector: str | None = None
    terms: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()


class Options(Struct, frozen=True):
    """What detectors are told.

    `phone_countries` are ISO codes; `allowed_phones` may be written by anyone, such as crisis lines.
    `plain_suffixes` are public suffixes that make a link of a bare name.
    """

    phone_countries: tuple[str, ...]
    allowed_phones: tuple[str, ...]
    allowed_hosts: tuple[str, ...]
    plain_suffixes: tuple[str, ...]
    shorteners: tuple[str, ...]
    flood_messages: int
    flood_within_s: int
    repeated_times: int
    repeated_within_s: int


class Book(Struct, frozen=True):
    """All rules, in the order in which they decide among equals."""

    version: str
    options: Options
    rules: tuple[Rule, ...]
