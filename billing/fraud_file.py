"""From the file of thresholds, as parsed, to rules that can be trusted. Every bad key is named at once."""

from collections.abc import Mapping
from typing import Final

from billing.fraud import Kind, Rule, Rules

HEAD: Final = {"version": (1, 1_000_000), "review_at": (1, 1_000)}
ALWAYS: Final = frozenset({"mode", "hours", "weight"})
BOUNDS: Final[dict[str, tuple[int, int]]] = {
    # Three months: no fact is kept for longer.
    "hours": (1, 2_160),
    "weight": (1, 1_000),
    "threshold": (1, 100_000),
    "percent": (1, 100),
    "sessions": (1, 100_000),
    "people": (1, 10_000),
    "minutes": (1, 1_440),
}
MODES: Final = ("shadow", "live")


class BadRules(Exception):
    """The file is not fit to judge by. `problems` maps each bad key, as `rule.key`, to why."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(sorted(problems.items()))
        super().__init__("; ".join(f"{key}: {why}" for key, why in self.problems.items()))


def rules(parsed: Mapping[str, object], kinds: Mapping[str, Kind]) -> Rules:
    """The rules of a parsed file: every rule, with exactly the numbers it needs. Raises BadRules."""
    problems: dict[str, str] = {}
    for key in parsed.keys() - HEAD.keys() - kinds.keys():
        problems[key] = "is no rule"
    head = {key: _whole(parsed, key, bounds, key, problems) for key, bounds in HEAD.items()}
    found: dict[str, Rule] = {}
    for rule_id, kind in kinds.items():
        table = parsed.get(rule_id)
        if not isinstance(table, Mapping):
            problems[rule_id] = "is missing" if table is None else "is no table"
            continue
        found[rule_id] = _rule(rule_id, table, kind.needs, problems)
    if problems:
        raise BadRules(problems)
    return Rules(head["version"], head["review_at"], found)


def _rule(rule_id: str, table: Mapping[str, object], needs: frozenset[str], problems: dict[str, str]) -> Rule:
    for key in table.keys() - needs - ALWAYS:
        problems[f"{rule_id}.{key}"] = "is not known to this rule"
    mode = table.get("mode")
    if mode not in MODES:
        problems[f"{rule_id}.mode"] = f"must be one of {', '.join(MODES)}"
    numbers = {
        key: _whole(table, key, BOUNDS[key], f"{rule_id}.{key}", problems)
        for key in sorted((needs | ALWAYS) - {"mode"})
    }
    return Rule("live" if mode == "live" else "shadow", **numbers)


def _whole(
    table: Mapping[str, object], key: str, bounds: tuple[int, int], name: str, problems: dict[str, str]
) -> int:
    value, (least, most) = table.get(key), bounds
    if type(value) is int and least <= value <= most:
        return value
    problems[name] = "is missing" if value is None else f"must be a whole number from {least} to {most}"
    return least
