"""Payouts that go elsewhere: what counts as a change, as Postgres and Stripe's events tell it."""

from uuid import uuid4

import asyncpg
import pytest

from hub.money import fraud_rules
from hub.workers.fraud import Fraud
from rooms.ids import UserId
from store.postgres import fraud, fraud_facts, inbox, payouts
from store.postgres.fraud import DAY_MS, Seen

RULES = fraud_rules.load(None)
FAR_MS = 9_000_000_000_000


async def practitioner(owner: asyncpg.Pool, account: str | None) -> UserId:
    person = UserId(str(uuid4()))
    await owner.execute("insert into people (id, role, created_at_ms) values ($1, 'practitioner', 0)", person)
    await owner.execute(
        "insert into practices (practitioner_id, rate_minor_per_minute, currency, stripe_account)"
        " values ($1, 300, 'usd', $2)",
        person,
        account,
    )
    return person


async def moves(pool: asyncpg.Pool, person: UserId) -> list[int]:
    return [one.at_ms for one in await fraud_facts.moved(pool, 0, FAR_MS, [person])]


async def test_the_first_account_is_no_change_and_another_one_is(
    pool: asyncpg.Pool, owner: asyncpg.Pool
) -> None:
    person = await practitioner(owner, None)
    await payouts.keep_account(pool, person, account_no=1, stripe_account="acct_1")
    assert await moves(pool, person) == []
    await payouts.drop_account(pool, person, "acct_1")
    assert await moves(pool, person) == []
    await payouts.keep_account(pool, person, account_no=2, stripe_account="acct_2")
    await payouts.keep_account(pool, person, account_no=2, stripe_account="acct_2")
    assert len(await moves(pool, person)) == 1


async def bank(pool: asyncpg.Pool, account: str, name: str, at_ms: int, kind: str = "created") -> None:
    await inbox.insert_event(
        pool,
        event_id=f"evt_{uuid4().hex}",
        source="stripe-connect",
        type=f"account.external_account.{kind}",
        object_id=name,
        payload={"account": account, "created": at_ms // 1000},
        now_ms=at_ms,
    )


async def test_another_bank_of_the_same_account_is_a_change(pool: asyncpg.Pool, owner: asyncpg.Pool) -> None:
    account = f"acct_{uuid4().hex}"
    person = await practitioner(owner, account)
    await bank(pool, account, "ba_1", 1_000)
    await bank(pool, account, "ba_1", 1_001, "updated")
    await bank(pool, account, "ba_1", 1_002)
    assert await moves(pool, person) == []
    await bank(pool, account, "ba_2", 5_000)
    assert await moves(pool, person) == [5_000]


@pytest.mark.parametrize("browser", ["new", "known"])
async def test_a_change_after_a_new_browser_is_put_before_an_admin(
    pool: asyncpg.Pool, owner: asyncpg.Pool, browser: str
) -> None:
    account, now_ms = f"acct_{uuid4().hex}", 1_790_000_000_000 + (browser == "known") * DAY_MS
    person = await practitioner(owner, account)
    names = {"new": ("a" * 32, "b" * 32), "known": ("c" * 32, "d" * 32)}
    await fraud.insert_sightings(
        pool,
        [
            Seen(person, "browser", *names["known"], now_ms - 10 * DAY_MS),
            Seen(person, "browser", *names[browser], now_ms - DAY_MS // 2),
        ],
    )
    await bank(pool, account, "ba_1", now_ms - 20 * DAY_MS)
    await bank(pool, account, "ba_2", now_ms - 1)
    await Fraud(pool, RULES, now_ms=lambda: now_ms).run_once()
    found = await owner.fetch(
        "select rule, review_id is not null as reviewed from fraud_findings where subject = $1", person
    )
    assert [tuple(row) for row in found] == ([("payout_moved", True)] if browser == "new" else [])
