"""Evidence outlives the keys of the people it is about, and ends with its own."""

from uuid import uuid4

import asyncpg
import pytest
from msgspec.structs import replace

from hub.safety import evidence
from rooms.ids import SessionId, UserId
from store.evidence_records import ReportRecord
from store.postgres import evidence as rows
from store.postgres import reports
from store.privacy.keys import Keyring
from tests.integration.postgres.scene import T0

DAY_MS = 86_400_000
KEEP_MS = 180 * DAY_MS
LATER_MS = T0 + KEEP_MS + 1
SINCE_MS = LATER_MS - 30 * DAY_MS


def new_id() -> str:
    return str(uuid4())


@pytest.fixture
def keyring(pool: asyncpg.Pool) -> Keyring:
    return Keyring(bytes(32), pool, now_ms=lambda: T0)


async def kept(
    pool: asyncpg.Pool,
    keyring: Keyring,
    *,
    flag_id: str | None = None,
    kind: str = "snapshot",
    content: bytes = b"words",
) -> str:
    async with pool.acquire() as db, db.transaction():
        return await evidence.keep(
            db,
            keyring,
            flag_id=flag_id or new_id(),
            session_id=SessionId(new_id()),
            subject_id=UserId(new_id()),
            kind="message" if kind == "message" else "snapshot",
            content=content,
            now_ms=T0,
            keep_ms=KEEP_MS,
        )


async def content(pool: asyncpg.Pool, keyring: Keyring, evidence_id: str) -> bytes | None:
    record = await rows.one_evidence(pool, evidence_id)
    return None if record is None else await evidence.open_evidence(keyring, record)


async def flag(owner: asyncpg.Pool, flag_id: str, status: str) -> None:
    over = status in ("resolved", "dismissed")
    await owner.execute(
        "insert into flags (id, session_id, user_id, category, severity, rule, rule_version, verdict, source,"
        " status, claimed_by, claimed_until_ms, due_by_ms, resolved_at_ms, created_at_ms, updated_at_ms)"
        " values ($1, $2, $2, 'report', 'low', 'r', '1', 'flag', 'report', $3, $4, $5, 1, $6, 1, 1)",
        flag_id, new_id(), status, new_id() if status == "claimed" else None,
        1 if status == "claimed" else None, 1 if over else None,
    )  # fmt: skip


async def action(owner: asyncpg.Pool, flag_id: str, *, at_ms: int) -> str:
    action_id = new_id()
    await owner.execute(
        "insert into moderation_actions"
        " (id, flag_id, session_id, actor_id, action, reason, note, created_at_ms)"
        " values ($1, $2, $3, $3, 'warn', 'conduct', '', $4)",
        action_id, flag_id, new_id(), at_ms,
    )  # fmt: skip
    return action_id


async def appeal(owner: asyncpg.Pool, action_id: str) -> None:
    await owner.execute(
        "insert into appeals (id, action_id, user_id, text, created_at_ms) values ($1, $2, $1, '', 1)",
        new_id(), action_id,
    )  # fmt: skip


async def due(pool: asyncpg.Pool, now_ms: int = LATER_MS) -> list[str]:
    return await rows.due(pool, now_ms=now_ms, acted_since_ms=SINCE_MS, limit=1_000)


async def destroyed(pool: asyncpg.Pool, evidence_id: str, now_ms: int = LATER_MS) -> bool:
    async with pool.acquire() as db, db.transaction():
        return await evidence.destroy(db, evidence_id, now_ms=now_ms, acted_since_ms=SINCE_MS)


async def test_it_opens_without_anybody_elses_key(pool: asyncpg.Pool, keyring: Keyring) -> None:
    evidence_id = await kept(pool, keyring, content="Grüße".encode())
    record = await rows.one_evidence(pool, evidence_id)
    assert record is not None
    assert record.subject_id is not None
    assert "Grüße".encode() not in record.sealed
    await keyring.load(record.subject_id)
    await keyring.shred(record.subject_id)
    assert await content(pool, keyring, evidence_id) == "Grüße".encode()


async def test_its_key_stays_in_no_memory(pool: asyncpg.Pool, keyring: Keyring) -> None:
    evidence_id = await kept(pool, keyring)
    assert await content(pool, keyring, evidence_id) == b"words"
    assert evidence_id not in keyring._cache


async def test_moved_to_another_row_it_does_not_open(pool: asyncpg.Pool, keyring: Keyring) -> None:
    one, other = await kept(pool, keyring), await kept(pool, keyring)
    records = [await rows.one_evidence(pool, name) for name in (one, other)]
    assert records[0] is not None
    assert records[1] is not None
    swapped = replace(records[0], sealed=records[1].sealed)
    assert await evidence.open_evidence(keyring, swapped) is None


async def test_a_flagged_message_is_kept_once(pool: asyncpg.Pool, keyring: Keyring) -> None:
    flag_id = new_id()
    first = await kept(pool, keyring, flag_id=flag_id, kind="message")
    assert await kept(pool, keyring, flag_id=flag_id, kind="message", content=b"other") == first
    assert await content(pool, keyring, first) == b"words"
    # Snapshots of several reports lie beside each other, and beside the message.
    for _ in range(2):
        await kept(pool, keyring, flag_id=flag_id)
    assert len(await rows.of_flag(pool, flag_id, limit=10)) == 3


async def test_of_a_transaction_that_fails_nothing_is_left(
    pool: asyncpg.Pool, owner: asyncpg.Pool, keyring: Keyring
) -> None:
    before = await owner.fetchval("select count(*) from subject_keys")
    async with pool.acquire() as db:
        transaction = db.transaction()
        await transaction.start()
        await evidence.keep(
            db, keyring, flag_id=new_id(), session_id=None, subject_id=None, kind="snapshot",
            content=b"", now_ms=T0, keep_ms=1,
        )  # fmt: skip
        await transaction.rollback()
    assert await owner.fetchval("select count(*) from subject_keys") == before


async def test_it_ends_with_its_time_and_its_key(
    pool: asyncpg.Pool, owner: asyncpg.Pool, keyring: Keyring
) -> None:
    evidence_id = await kept(pool, keyring)
    assert evidence_id not in await due(pool, T0 + KEEP_MS - 1)
    assert not await destroyed(pool, evidence_id, T0 + KEEP_MS - 1)
    assert evidence_id in await due(pool)
    record = await rows.one_evidence(pool, evidence_id)
    assert record is not None
    assert await destroyed(pool, evidence_id)
    assert not await destroyed(pool, evidence_id)
    # A copy of the row from a backup tells nothing any more.
    assert await evidence.open_evidence(keyring, record) is None
    assert await owner.fetchval("select wrapped from subject_keys where subject_id = $1", evidence_id) is None


@pytest.mark.parametrize(
    ("status", "acted_ms", "appealed", "goes"),
    [
        ("open", None, False, False),
        ("claimed", None, False, False),
        ("dismissed", None, False, True),
        ("resolved", SINCE_MS - 1, False, True),
        ("resolved", SINCE_MS + 1, False, False),
        ("resolved", SINCE_MS - 1, True, False),
    ],
)
async def test_while_somebody_needs_it_it_stays(
    pool: asyncpg.Pool, owner: asyncpg.Pool, keyring: Keyring,
    status: str, acted_ms: int | None, appealed: bool, goes: bool,
) -> None:  # fmt: skip
    flag_id = new_id()
    await flag(owner, flag_id, status)
    evidence_id = await kept(pool, keyring, flag_id=flag_id)
    if acted_ms is not None:
        action_id = await action(owner, flag_id, at_ms=acted_ms)
        if appealed:
            await appeal(owner, action_id)
    assert (evidence_id in await due(pool)) is goes
    assert await destroyed(pool, evidence_id) is goes
    assert (await content(pool, keyring, evidence_id) is None) is goes


async def test_a_legal_hold_keeps_it(pool: asyncpg.Pool, keyring: Keyring) -> None:
    evidence_id, admin = await kept(pool, keyring), UserId(new_id())
    assert await rows.hold(pool, evidence_id, reason=b"a court asks", held_by=admin, now_ms=T0)
    assert not await rows.hold(pool, evidence_id, reason=b"again", held_by=admin, now_ms=T0)
    assert evidence_id not in await due(pool)
    assert not await destroyed(pool, evidence_id)
    assert await rows.lift_hold(pool, evidence_id)
    assert not await rows.lift_hold(pool, evidence_id)
    assert await destroyed(pool, evidence_id)


async def test_what_is_kept_never_changes(pool: asyncpg.Pool, keyring: Keyring) -> None:
    evidence_id = await kept(pool, keyring)
    for change in ("sealed = ''", "keep_until_ms = 0", "subject_id = null", "kind = 'message'"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(f"update evidence set {change} where id = $1", evidence_id)


async def test_a_report_is_filed_once_and_decided_once(pool: asyncpg.Pool) -> None:
    reporter, session_id, user_id = UserId(new_id()), SessionId(new_id()), UserId(new_id())
    for message_id in (None, new_id()):
        filed = ReportRecord(new_id(), reporter, session_id, user_id, message_id, new_id(), None, T0)
        assert await reports.insert_report(pool, filed)
        again = ReportRecord(new_id(), reporter, session_id, user_id, message_id, new_id(), None, T0)
        assert not await reports.insert_report(pool, again)
        known = await reports.known_report(
            pool, reporter_id=reporter, session_id=session_id, user_id=user_id, message_id=message_id
        )
        assert known == filed
        flag_id = new_id()
        assert filed in await reports.unflagged(pool, before_ms=T0 + 1, limit=100)
        assert await reports.set_flag(pool, filed.id, flag_id)
        assert not await reports.set_flag(pool, filed.id, new_id())
        decided = await reports.decide(pool, flag_id, outcome="upheld", now_ms=T0)
        assert [(one.id, one.reporter_id) for one in decided] == [(filed.id, reporter)]
        assert await reports.decide(pool, flag_id, outcome="dismissed", now_ms=T0) == []
