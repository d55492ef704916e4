import asyncpg
import pytest

from billing.ledger import Account, Entry
from rooms.ids import SessionId
from store.postgres import settlements
from tests.integration.postgres.scene import T0, ended_scene

ONE = Entry(Account.GUEST_RECEIVABLE, 3_000, "usd")
OTHER = Entry(Account.PLATFORM_FEE, -3_000, "usd")


async def book(pool: asyncpg.Pool, *entries: Entry, ordinal: int = 0) -> tuple[SessionId, bool]:
    scene = await ended_scene(pool)
    booked = await settlements.book(
        pool, scene.id, 1, kind="correction", ordinal=ordinal, entries=entries, now_ms=T0
    )
    return scene.id, booked


async def test_a_balanced_transaction_is_booked_once(pool: asyncpg.Pool) -> None:
    session_id, booked = await book(pool, ONE, OTHER)
    assert booked
    assert not await settlements.book(
        pool, session_id, 1, kind="correction", ordinal=0, entries=[ONE, OTHER], now_ms=T0
    )
    assert await pool.fetchval(
        "select count(*) from ledger_entries join ledger_transactions on id = transaction_id"
        " where session_id = $1", session_id
    ) == 2  # fmt: skip


@pytest.mark.parametrize(
    "entries",
    [
        (ONE,),
        (ONE, Entry(Account.PLATFORM_FEE, -2_999, "usd")),
        # Zero in sum, but not in each currency.
        (ONE, Entry(Account.PLATFORM_FEE, -3_000, "eur")),
    ],
)
async def test_what_does_not_sum_to_zero_is_refused(pool: asyncpg.Pool, entries: tuple[Entry, ...]) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="sum to zero"):
        await book(pool, *entries)


async def test_a_transaction_without_entries_is_refused(pool: asyncpg.Pool) -> None:
    scene = await ended_scene(pool)
    with pytest.raises(asyncpg.CheckViolationError, match="no entries"):
        await pool.execute(
            "insert into ledger_transactions (session_id, participant_no, kind, ordinal, created_at_ms)"
            " values ($1, 1, 'empty', 0, 0)",
            scene.id,
        )


async def test_an_entry_added_later_must_balance_too(pool: asyncpg.Pool) -> None:
    await book(pool, ONE, OTHER)
    with pytest.raises(asyncpg.CheckViolationError, match="sum to zero"):
        await pool.execute(
            "insert into ledger_entries select transaction_id, 99, account, 1, currency"
            " from ledger_entries limit 1"
        )


CHANGES = [
    "update ledger_entries set amount_minor = 1",
    "delete from ledger_entries",
    "truncate ledger_entries",
    "update ledger_transactions set kind = 'other'",
    "delete from ledger_transactions",
    "truncate ledger_transactions cascade",
]


@pytest.mark.parametrize("change", CHANGES)
async def test_the_ledger_is_append_only_for_the_hub(pool: asyncpg.Pool, change: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
        await pool.execute(change)


@pytest.mark.parametrize("change", CHANGES)
async def test_the_ledger_is_append_only_for_its_owner(
    pool: asyncpg.Pool, owner: asyncpg.Pool, change: str
) -> None:
    await book(pool, ONE, OTHER)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await owner.execute(change)


@pytest.mark.parametrize(
    "change",
    [
        "delete from sessions",
        "delete from messages",
        "delete from settlements",
        "update settlements set total_minor = 0",
        "delete from intervals",
        "update intervals set to_ms = to_ms + 1",
        "delete from payment_ops",
        "update payment_ops set params = '{}'",
        "update payment_ops set amount_minor = 1",
        "update payment_ops set idem_key = 'x'",
        "delete from subject_keys",
        "update cases set detail = '{}'",
        "update participants set user_id = gen_random_uuid()",
        "delete from people",
        "create table mine (id int)",
    ],
)
async def test_the_hub_may_not(pool: asyncpg.Pool, change: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute(change)
