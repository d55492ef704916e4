"""Facts for rules about fraud, with everything that a test does not speak of filled in."""

from collections.abc import Sequence
from typing import Any

from billing.fraud import (
    Asked,
    Billed,
    Decline,
    Disputed,
    Facts,
    Finding,
    Mark,
    Moved,
    Rules,
    Saved,
    Sighting,
    Text,
    evaluate,
)
from billing.fraud_rules import KINDS
from hub.money import fraud_rules
from rooms.ids import SessionId, UserId

T0 = 1_790_000_000_000
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
PIA, GUS = UserId("pia"), UserId("gus")

RULES: Rules = fraud_rules.load(None)


def decline(at_ms: int, guest: str = GUS, card: str | None = "fp") -> Decline:
    return Decline(SessionId(f"s{at_ms}"), UserId(guest), PIA, card, at_ms)


def asked(at_ms: int, guest: str = GUS, *, known_ms: int = 90 * DAY, minutes: int = 120) -> Asked:
    return Asked(SessionId(f"s{at_ms}"), UserId(guest), PIA, at_ms - known_ms, 300, 300 * minutes, at_ms)


def billed(at_ms: int, guest: str = GUS, practitioner: str = PIA, **more: Any) -> Billed:
    told: dict[str, Any] = {
        "billed_ms": 40 * MINUTE, "charged_minor": 12_000, "currency": "usd", "guest_spoke": True,
        "practitioner_spoke": True,
    }  # fmt: skip
    return Billed(
        SessionId(f"s{at_ms}-{guest}"), UserId(guest), UserId(practitioner), at_ms=at_ms, **(told | more)
    )


def disputed(at_ms: int) -> Disputed:
    return Disputed(SessionId(f"s{at_ms}"), GUS, PIA, at_ms)


def sighting(at_ms: int, person: str, kind: Mark, mark: str, before: str = "", crowd: int = 2) -> Sighting:
    return Sighting(UserId(person), kind, mark, before or f"{mark} before", at_ms, crowd)


def saved(at_ms: int, card: str, person: str = GUS) -> Saved:
    return Saved(UserId(person), card, at_ms)


def moved(at_ms: int) -> Moved:
    return Moved(PIA, at_ms)


def text(at_ms: int, *, used: bool = False, prefix: str = "+88213") -> Text:
    return Text(prefix, used, at_ms)


def found(rule: str, among: Any = None, **facts: Sequence[Any]) -> list[Finding]:
    """What one rule finds, with the thresholds that the hub comes with."""
    told = Facts(**{name: tuple(of) for name, of in facts.items()})
    return [one for one in evaluate(told, RULES, KINDS, among=among) if one.rule == rule]
