"""Rules that make a vendor misbehave on demand, a counted number of times."""

import secrets
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Action = Literal[
    "decline_next",
    "apply_then_drop",
    "hang",
    "429",
    "500",
    "duplicate_webhook",
    "reorder_webhooks",
    "delay_webhooks",
]
Vendor = Literal["auth", "stripe", "twilio", "agora"]
RULES_MAX = 1_000
HANG_MS = 30_000
_REQUEST_ACTIONS = frozenset({"apply_then_drop", "hang", "429", "500"})


class BadRule(ValueError):
    """A fault rule that would silently never match."""


@dataclass(slots=True)
class Rule:
    """One fault. `match` may name `method`, `path_prefix`, `customer`, `metadata` (a part of the object's)
    and, for webhooks, `type`. `ms` is how long a hang or a delay lasts; Stripe's hangs, and delays, end
    sooner when the clock is advanced. `times` counts down to zero.
    """

    vendor: Vendor
    action: Action
    match: dict[str, Any] = field(default_factory=dict)
    times: int = 1
    ms: int | None = None
    id: str = field(default_factory=lambda: secrets.token_hex(8))


_MATCH_KEYS = frozenset({"method", "path_prefix", "customer", "metadata", "type"})


def parse_rule(body: object) -> Rule:
    """A rule from JSON. Raises `BadRule` saying what is wrong."""
    if not isinstance(body, dict):
        raise BadRule("a rule is an object")
    unknown = body.keys() - {"vendor", "match", "action", "times", "ms"}
    if unknown:
        raise BadRule(f"unknown fields: {', '.join(sorted(map(str, unknown)))}")
    vendor, action = body.get("vendor", "stripe"), str(body.get("action"))
    match, times, ms = body.get("match") or {}, body.get("times", 1), body.get("ms")
    if vendor not in get_args(Vendor) or action not in get_args(Action):
        raise BadRule(f"vendor is one of {get_args(Vendor)}, action one of {get_args(Action)}")
    if not isinstance(match, dict) or match.keys() - _MATCH_KEYS:
        raise BadRule(f"match knows {sorted(_MATCH_KEYS)}")
    if type(times) is not int or times < 1 or not (ms is None or (type(ms) is int and ms >= 0)):
        raise BadRule("times is a whole number above 0, ms one not below 0")
    return Rule(vendor=vendor, action=action, match=match, times=times, ms=ms)  # type: ignore[arg-type]


class Faults:
    """The rules in force, oldest first. They live in memory: a restart is a clean world."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def add(self, rules: list[Rule]) -> None:
        """Append rules. Raises `BadRule` when there would be too many."""
        if len(self.rules) + len(rules) > RULES_MAX:
            raise BadRule(f"more than {RULES_MAX} rules")
        self.rules.extend(rules)

    def clear(self) -> None:
        """Remove every rule."""
        self.rules.clear()

    def on_request(self, vendor: str, method: str, path: str) -> Rule | None:
        """Take one use of the first rule that fits a request; `path` is below the vendor's prefix."""
        for rule in self.rules:
            if (
                rule.vendor == vendor
                and rule.action in _REQUEST_ACTIONS
                and _fits_request(rule, method, path)
            ):
                return self._use(rule)
        return None

    def on_confirm(self, customer: str | None, metadata: dict[str, str]) -> Rule | None:
        """Take one use of a `decline_next` that fits the payment intent being confirmed."""
        for rule in self.rules:
            wanted = rule.match.get("metadata") or {}
            if (
                rule.action == "decline_next"
                and rule.match.get("customer") in (None, customer)
                and all(metadata.get(k) == v for k, v in wanted.items())
            ):
                return self._use(rule)
        return None

    def on_webhook(self, vendor: str, kind: str) -> list[Rule]:
        """Take one use of every webhook rule that fits an event type."""
        found = [
            rule
            for rule in self.rules
            if rule.vendor == vendor
            and rule.action.endswith(("_webhook", "_webhooks"))
            and kind.startswith(str(rule.match.get("type") or ""))
        ]
        return [self._use(rule) for rule in found]

    def _use(self, rule: Rule) -> Rule:
        rule.times -= 1
        if rule.times == 0:
            self.rules.remove(rule)
        return rule


def _fits_request(rule: Rule, method: str, path: str) -> bool:
    wanted = rule.match.get("method")
    prefix = str(rule.match.get("path_prefix") or "").removeprefix(f"/{rule.vendor}")
    return (wanted is None or str(wanted).upper() == method) and path.startswith(prefix)
