"""The one role that may take people out of the record: it may do what the registry says, and nothing more."""

from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from store.postgres import erasures
from store.postgres.pool import erasing
from store.privacy.erasing import BY_ITSELF, Statement, plan
from store.privacy.registry import load

MONEY = ("ledger_transactions", "ledger_entries", "settlements", "deductions", "stripe_fees", "intervals")
CHAINS = ("audit_entries", "audit_heads", "audit_texts", "moderation_actions", "admin_actions", "policies")


def by_the_registry() -> Iterator[tuple[str, str, str]]:
    """(table, right, column) of all that an erasure does."""
    for table in load().tables.values():
        if table.name in BY_ITSELF:
            continue
        for name, column in table.columns.items():
            if table.personal or column.person:
                if column.erased == "row":
                    yield table.name, "DELETE", ""
                elif column.erased in ("pseudonym", "empty"):
                    yield table.name, "UPDATE", name


async def test_it_may_do_what_the_registry_says_and_no_more(owner: asyncpg.Pool) -> None:
    whole = await owner.fetch(
        "select table_name, privilege_type from information_schema.role_table_grants"
        " where grantee = 'hub_eraser' and privilege_type <> 'SELECT'"
    )
    columns = await owner.fetch(
        "select table_name, column_name from information_schema.role_column_grants"
        " where grantee = 'hub_eraser' and privilege_type in ('UPDATE', 'INSERT', 'REFERENCES')"
    )
    granted = {(row["table_name"], row["privilege_type"], "") for row in whole}
    granted |= {(row["table_name"], "UPDATE", row["column_name"]) for row in columns}
    assert granted == set(by_the_registry())


async def statements(pool: asyncpg.Pool) -> list[Statement]:
    return plan(load(), await erasures.foreign_keys(pool))


async def test_every_statement_is_understood_and_allowed(pool: asyncpg.Pool) -> None:
    for statement in await statements(pool):
        async with erasing(pool) as db:
            await db.execute(f"explain (generic_plan) {statement.sql}")


async def test_nothing_refers_to_what_is_gone_and_whose_it_was_is_changed_last(pool: asyncpg.Pool) -> None:
    order = [statement.table for statement in await statements(pool)]
    last = {name: max(at for at, found in enumerate(order) if found == name) for name in order}
    first = {name: order.index(name) for name in order}
    for child, parent in (
        ("avatars", "blobs"), ("exports", "blobs"), ("fraud_findings", "fraud_reviews"),
        ("messages", "participants"), ("payment_ops", "participants"), ("payouts", "people"),
    ):  # fmt: skip
        assert last[child] < first[parent], (child, parent)


async def _within(db: Any, command: str) -> None:
    """In a transaction of its own inside the caller's."""
    async with db.transaction():
        await db.execute(command)


@pytest.mark.parametrize("table", MONEY + CHAINS)
async def test_neither_role_removes_the_books_or_what_staff_did(pool: asyncpg.Pool, table: str) -> None:
    for role in ("hub_worker", "hub_eraser"):
        for command in (f"delete from {table}", f"truncate {table}"):
            async with pool.acquire() as db, db.transaction():
                await db.execute(f"set local role {role}")
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await _within(db, command)


async def test_the_hub_itself_has_none_of_these_rights(pool: asyncpg.Pool) -> None:
    for command in (
        "update participants set user_id = user_id",
        "update moderation_actions set user_id = user_id", "update admin_actions set admin_id = admin_id",
        "delete from people", "delete from consents", "delete from suspensions",
    ):  # fmt: skip
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(command)


async def test_of_what_staff_did_nothing_changes_but_ids(owner: asyncpg.Pool) -> None:
    async with owner.acquire() as db:
        made = db.transaction()
        await made.start()
        await db.execute(
            "insert into admin_actions (admin_id, action, subject, detail, at_ms)"
            " values (gen_random_uuid(), 'case_closed', 'x', '{}', 1)"
        )
        await db.execute("update admin_actions set admin_id = gen_random_uuid(), subject = 'y'")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await db.execute("update admin_actions set action = 'another'")
        await made.rollback()
