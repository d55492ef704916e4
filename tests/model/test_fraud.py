"""Seeded frauds among a month of ordinary people: every rule finds its own, and hardly anybody else."""

from copy import deepcopy

import pytest

from billing.fraud import evaluate
from billing.fraud_rules import KINDS
from hub.money import fraud_rules
from hub.money.fraud_backtest import lines, report
from tests.model.fraud_traffic import BEGIN, DAY, PATTERNS, Traffic, cheat, ordinary

RULES = fraud_rules.load(None)
SEEDS = (1, 2, 3)
FLAGGED_BELOW = 0.005

Keys = set[tuple[str, str, str, int]]


@pytest.fixture(scope="module")
def month() -> tuple[Traffic, Keys]:
    traffic = ordinary(4, people=300)
    return traffic, {one.key for one in evaluate(traffic.all(), RULES, KINDS)}


@pytest.mark.parametrize("seed", SEEDS)
def test_hardly_anybody_ordinary_is_flagged_by_live_rules(seed: int) -> None:
    traffic = ordinary(seed)
    told = report(traffic.all(), RULES, begin_ms=BEGIN - DAY)
    assert len(told.people) > 900
    assert len(told.sessions) > 5_000
    live = [one for one in told.found if one.mode == "live"]
    people = {one.subject for one in live if one.subject in told.people}
    print(*lines(told, RULES), sep="\n")
    assert len(people) < FLAGGED_BELOW * len(told.people), sorted((one.rule, one.subject) for one in live)
    # Of cards, networks and prefixes that nobody abuses, none is flagged at all.
    assert [one for one in live if one.subject_kind not in ("person", "practitioner")] == []
    # What looks suspicious is in there: only counted, or not even that.
    assert any(one.rule == "silent_sessions" for one in told.found)


def test_every_rule_has_its_fraud() -> None:
    assert PATTERNS.keys() == KINDS.keys() == RULES.rules.keys()


@pytest.mark.parametrize("rule", PATTERNS)
def test_each_fraud_is_found_among_ordinary_people(rule: str, month: tuple[Traffic, Keys]) -> None:
    traffic, before = deepcopy(month)
    who = cheat(traffic, rule)
    new = [one for one in evaluate(traffic.all(), RULES, KINDS) if one.key not in before]
    found = [one for one in new if one.rule == rule]
    assert found
    if found[0].subject_kind in ("person", "practitioner"):
        assert {one.subject for one in found} <= who
    # Whatever else is found now is about this fraud too: nobody else is dragged in.
    assert all(
        one.subject.startswith("fraud-") for one in new if one.subject_kind in ("person", "practitioner")
    ), [(one.rule, one.subject) for one in new]
    assert {one.mode for one in found} == {RULES.rules[rule].mode}


def test_order_and_repeats_change_nothing() -> None:
    traffic = ordinary(5, people=200)
    for rule in PATTERNS:
        cheat(traffic, rule)
    first = evaluate(traffic.all(), RULES, KINDS)
    for facts in traffic.facts.values():
        facts.reverse()
    assert {one.key for one in evaluate(traffic.all(), RULES, KINDS)} == {one.key for one in first}
