"""A generated month on a real record: the duty, run day by day, finds what the rules find in its facts, and
the backtest finds the same.
"""

import asyncio
from random import Random

import asyncpg
from msgspec.structs import replace

from billing.fraud import evaluate
from billing.fraud_rules import KINDS
from hub.money import fraud_rules
from hub.money.fraud_backtest import backtest, lines
from hub.workers.fraud import LEASE_MS, Fraud
from store.postgres import fraud
from tests.integration.fraud.history import once_a_day, uid, write
from tests.model.fraud_traffic import BEGIN, DAY, HOUR, MINUTE, PATTERNS, Traffic, cheat, ordinary

RULES = fraud_rules.load(None)
END = BEGIN + 30 * DAY
NOT_ON_RECORD = {"texts_prefix"}
"""Nothing on record tells of text messages."""

Key = tuple[str, str, int]


async def test_day_by_day_and_looking_back_agree(pool: asyncpg.Pool, owner: asyncpg.Pool) -> None:
    traffic = ordinary(6, people=120)
    for rule in PATTERNS:
        cheat(traffic, rule)
    facts = traffic.all()
    await write(owner, facts)
    expected = {
        (
            one.rule,
            uid(one.subject) if one.subject_kind in ("person", "practitioner") else one.subject,
            one.window_no,
        )
        for one in evaluate(replace(facts, sightings=once_a_day(facts.sightings)), RULES, KINDS)
        if BEGIN < one.at_ms <= END and one.rule not in NOT_ON_RECORD
    }
    clock = [BEGIN]
    duty, other = (Fraud(pool, RULES, now_ms=lambda: clock[0], people=20) for _ in range(2))
    while clock[0] < END:
        clock[0] += 2 * DAY + HOUR
        clock[0] = min(clock[0], END)
        # Two workers at once, and once more for nothing.
        await asyncio.gather(duty.run_once(), other.run_once())
        assert await duty.run_once() == 0

    rows = await owner.fetch(
        "select rule, subject, window_no, at_ms from fraud_findings where at_ms > $1", BEGIN
    )
    live = set(map(_key, rows))
    assert len(rows) == len(live)
    assert live == expected
    assert {rule for rule, *_ in live} == PATTERNS.keys() - NOT_ON_RECORD

    told = await backtest(pool, RULES, days=30, now_ms=END)
    assert {(one.rule, one.subject, one.window_no) for one in told.found} == live
    # Of the last half alone: what lies before it still fills the windows.
    half = await backtest(pool, RULES, days=15, now_ms=END)
    recent = {key for row, key in zip(rows, map(_key, rows), strict=True) if row["at_ms"] > END - 15 * DAY}
    assert {(one.rule, one.subject, one.window_no) for one in half.found} == recent
    printed = "\n".join(lines(told, RULES))
    assert all(rule in printed for rule in PATTERNS)
    assert uid("fraud-shared_card-host") in printed
    assert await owner.fetchval("select count(*) from fraud_findings where at_ms > $1", BEGIN) == len(live)

    await _reviews_are_those_that_weigh_enough(pool)


def _key(row: asyncpg.Record) -> Key:
    return row["rule"], row["subject"], row["window_no"]


async def _reviews_are_those_that_weigh_enough(pool: asyncpg.Pool) -> None:
    opened = {one.subject for one in await fraud.reviews(pool, state="open", before=None, limit=100)}
    for rule in (
        "declines_person",
        "cards_person",
        "shared_card",
        "shared_device",
        "disputes_share",
        "payout_moved",
    ):
        kind = "guest" if RULES.rules[rule].weight and rule.endswith("_person") else "host"
        assert uid(f"fraud-{rule}-{kind}") in opened, rule
    assert {"stolen", "everybodys"} <= opened
    # Too light alone, or never shown to anybody.
    for name in ("shared_network-host", "one_guest-host", "silent_sessions-host", "new_account_cap-guest"):
        assert uid(f"fraud-{name}") not in opened, name


async def test_nobody_is_judged_by_a_part_of_what_is_known(pool: asyncpg.Pool, owner: asyncpg.Pool) -> None:
    """News of somebody lead to four guests of a practitioner, but not to their sixty others."""
    begin = END + 2 * DAY
    traffic = Traffic(Random(1), sessions=1_000_000)
    host, known = traffic.person("busy"), [traffic.person(f"card-holder-{n}") for n in range(5)]
    for n in range(60):
        traffic.bill(traffic.person(f"other-{n}"), host, begin - 23 * HOUR)
    for n, guest in enumerate((*known[:4], *[known[0]] * 25)):
        traffic.bill(guest, host, begin - 20 * HOUR + n * MINUTE)
    for n, guest in enumerate(known):
        traffic.save(guest, "of-a-family", begin - (50 + 10 * n) * DAY)
    await write(owner, traffic.all())
    clock = [begin]
    duty = Fraud(pool, RULES, now_ms=lambda: clock[0])
    await duty.run_once()
    await owner.execute(
        "insert into fraud_cards (payment_method, person_id, fingerprint, saved_at_ms)"
        " values ('pm', $1, 'fp', $2)",
        uid("card-holder-4"),
        begin + MINUTE,
    )
    clock[0] += 20 * MINUTE
    await duty.run_once()
    found = await owner.fetch("select rule from fraud_findings where subject = $1", uid("busy"))
    assert [row["rule"] for row in found] == []


async def test_a_worker_that_died_in_the_middle_is_taken_over_from(
    pool: asyncpg.Pool, owner: asyncpg.Pool
) -> None:
    clock = [END + 600 * DAY]
    duty = Fraud(pool, RULES, now_ms=lambda: clock[0])
    await duty.run_once()
    begun = clock[0]
    assert await fraud.take_progress(pool, now_ms=begun, lease_ms=LEASE_MS) == begun
    clock[0] += LEASE_MS - 1
    await duty.run_once()
    assert await owner.fetchval("select until_ms from fraud_progress") == begun
    clock[0] += 1
    await duty.run_once()
    assert await owner.fetchval("select until_ms from fraud_progress") == begun + LEASE_MS
