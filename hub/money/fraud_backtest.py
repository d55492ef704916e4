"""`python -m hub fraud backtest`: what rules about fraud would have found. Reads; writes nothing."""

import argparse
import asyncio
import sys
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from billing.fraud import Facts, Finding, Rules, evaluate
from billing.fraud_rules import KINDS
from config.settings import Settings
from hub import lifespan, wall_clock
from hub.money import fraud_rules
from hub.workers.fraud import DAY_MS, read
from store.postgres.pool import Db

EXAMPLES: Final = 3
DAYS_MAX: Final = 365


class Asked(NamedTuple):
    """What was asked on the command line."""

    days: int
    rules: str | None


class Report(Struct, frozen=True):
    """What was found, among so many people and sessions."""

    found: list[Finding]
    people: set[str]
    sessions: set[str]


def parse(arguments: Sequence[str]) -> Asked:
    """`fraud backtest [--days N] [--rules FILE]`. Raises SystemExit(2) for anything else."""
    parser = argparse.ArgumentParser(prog="python -m hub fraud", allow_abbrev=False)
    parser.add_argument("what", choices=["backtest"])
    parser.add_argument(
        "--days", type=int, default=30, choices=range(1, DAYS_MAX + 1), metavar=f"1-{DAYS_MAX}"
    )
    parser.add_argument("--rules", metavar="FILE", help="thresholds to try in place of the installation's")
    given = parser.parse_args(arguments)
    return Asked(given.days, given.rules)


async def backtest(db: Db, rules: Rules, *, days: int, now_ms: int) -> Report:
    """Walk through everybody's history as the duty would have."""
    begin_ms = now_ms - days * DAY_MS
    facts = await read(db, begin_ms - rules.window_ms, now_ms, None)
    return report(facts, rules, begin_ms=begin_ms)


def report(facts: Facts, rules: Rules, *, begin_ms: int) -> Report:
    """What the rules find in facts from a moment on; earlier facts only fill their windows."""
    found = [one for one in evaluate(facts, rules, KINDS) if one.at_ms > begin_ms]
    asked = [one for one in facts.asked if one.at_ms > begin_ms]
    people = {one.guest_id for one in asked} | {one.practitioner_id for one in asked}
    return Report(found, {str(one) for one in people}, {one.session_id for one in asked})


def lines(told: Report, rules: Rules) -> Iterable[str]:
    """The report in lines: of each rule how often it fired, for whom, and examples by id."""
    yield f"rules version {rules.version}; {len(told.people)} people, {len(told.sessions)} sessions"
    yield f"{'rule':<18}{'mode':<8}{'fired':>6}{'subjects':>10}{'people':>10}{'sessions':>10}  examples"
    for rule_id, rule in rules.rules.items():
        fired = [one for one in told.found if one.rule == rule_id]
        subjects = list(dict.fromkeys(one.subject for one in fired))
        people = _share({subject for subject in subjects if subject in told.people}, told.people)
        sessions = _share(_sessions(fired) & told.sessions, told.sessions)
        examples = " ".join(subjects[:EXAMPLES])
        counted = f"{len(fired):>6}{len(subjects):>10}{people:>10}{sessions:>10}"
        yield f"{rule_id:<18}{rule.mode:<8}{counted}  {examples}"
    live = {one.subject for one in told.found if one.mode == "live"}
    yield f"people flagged by live rules: {_share(live & told.people, told.people)}"


async def run(settings: Settings, _stop: asyncio.Event, *, asked: Asked) -> int:
    """Print the report. Raises SettingsError for a bad file."""
    rules = fraud_rules.load(asked.rules or settings.fraud_rules)
    async with lifespan.postgres_pool(settings) as pool:
        told = await backtest(pool, rules, days=asked.days, now_ms=wall_clock.now_ms())
    sys.stdout.writelines(f"{line}\n" for line in lines(told, rules))
    return 0


def _sessions(found: Iterable[Finding]) -> set[str]:
    named: set[str] = set()
    for one in found:
        sessions = one.facts.get("sessions")
        named.update(sessions if isinstance(sessions, list) else ())
    return named


def _share(part: set[str], whole: set[str]) -> str:
    return f"{100 * len(part) / len(whole):.2f} %" if whole else "-"
