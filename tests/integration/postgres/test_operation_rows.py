import asyncio
from uuid import uuid4

import asyncpg
import pytest
from msgspec.structs import replace

from billing.payment import Operation, Outcome, Request, State
from rooms.ids import SessionId
from store.postgres import operations
from store.postgres.cases import open_case
from store.postgres.inbox import due_events, event_again, event_done, event_failed, insert_event
from store.postgres.pool import listen
from tests.integration.postgres.scene import ENVIRONMENT, T0, a_hold

LEASE = 30_000
PLACED = Outcome("placed", 6_000, charge="ch_1")


@pytest.fixture(autouse=True)
async def emptied(owner: asyncpg.Pool) -> None:
    await owner.execute("delete from payment_ops")
    await owner.execute("delete from webhook_inbox")


async def want(pool: asyncpg.Pool, *, count: int = 1) -> SessionId:
    session_id = SessionId(str(uuid4()))
    wanted = [a_hold(ordinal) for ordinal in range(1, count + 1)]
    made = await operations.insert_operations(pool, ENVIRONMENT, session_id, 1, wanted, now_ms=T0)
    assert len(made) == count
    return session_id


async def lease(pool: asyncpg.Pool, now_ms: int = T0, limit: int = 10) -> list[Operation]:
    return await operations.due(pool, now_ms=now_ms, limit=limit, lease_ms=LEASE)


async def test_an_operation_is_wanted_once(pool: asyncpg.Pool) -> None:
    session_id = await want(pool)
    again = await operations.insert_operations(pool, ENVIRONMENT, session_id, 1, [a_hold()], now_ms=T0)
    assert again == []
    (kept,) = await operations.operations(pool, session_id)
    assert kept.idem_key == f"allinya:test:{session_id}:1:hold:1:1"
    assert (kept.state, kept.params) == (State.PENDING, Request({"amount": 6_000}))


async def test_a_second_attempt_has_a_key_of_its_own(pool: asyncpg.Pool) -> None:
    session_id = await want(pool)
    retry = replace(a_hold(), attempt=2)
    assert await operations.insert_operations(pool, ENVIRONMENT, session_id, 1, [retry], now_ms=T0)
    keys = {operation.idem_key for operation in await operations.operations(pool, session_id)}
    assert len(keys) == 2


async def test_workers_never_share_an_operation(pool: asyncpg.Pool) -> None:
    await want(pool, count=20)
    batches = await asyncio.gather(*(lease(pool, limit=5) for _ in range(6)))
    taken = [operation.id for batch in batches for operation in batch]
    assert len(taken) == len(set(taken)) == 20


async def test_nothing_is_due_before_its_time(pool: asyncpg.Pool) -> None:
    await want(pool)
    assert await lease(pool, T0 - 1) == []
    assert len(await lease(pool)) == 1


async def test_a_lost_lease_can_neither_send_nor_be_taken_early(pool: asyncpg.Pool) -> None:
    await want(pool)
    (first,) = await lease(pool)
    assert await lease(pool, T0 + LEASE - 1) == []
    (second,) = await lease(pool, T0 + LEASE)
    late = await operations.sent(pool, first, now_ms=T0 + LEASE)
    assert late is None
    sent = await operations.sent(pool, second, now_ms=T0 + LEASE)
    assert sent is not None
    assert (sent.state, sent.first_sent_at_ms) == (State.IN_FLIGHT, T0 + LEASE)


async def test_the_first_sending_is_remembered(pool: asyncpg.Pool) -> None:
    await want(pool)
    (leased,) = await lease(pool)
    await operations.sent(pool, leased, now_ms=T0 + 5)
    await operations.outcome(pool, leased.id, State.UNKNOWN, next_at_ms=T0 + 10)
    (again,) = await lease(pool, T0 + 10)
    sent = await operations.sent(pool, again, now_ms=T0 + 11)
    assert sent is not None
    assert sent.first_sent_at_ms == T0 + 5


async def test_what_is_over_stays_as_it_is(pool: asyncpg.Pool) -> None:
    await want(pool)
    (leased,) = await lease(pool)
    done = await operations.outcome(
        pool, leased.id, State.SUCCEEDED, next_at_ms=T0, stripe_id="pi_1", outcome=PLACED
    )
    assert done is not None
    assert await operations.outcome(pool, leased.id, State.FAILED, next_at_ms=T0) is None
    assert await operations.sent(pool, leased, now_ms=T0) is None
    assert await lease(pool, T0 + 10 * LEASE) == []
    assert await operations.operations_on(pool, "pi_1") == [done]
    assert await operations.operation(pool, leased.id) == done


async def test_an_outcome_is_applied_once_and_a_newer_one_anew(pool: asyncpg.Pool) -> None:
    await want(pool)
    (leased,) = await lease(pool)
    asked = Outcome("action_required", 6_000, url="https://bank.example")
    await operations.outcome(pool, leased.id, State.SUCCEEDED, next_at_ms=T0, outcome=asked)
    assert [operation.outcome for operation in await operations.unapplied(pool, limit=10)] == [asked]
    revised = await operations.revise(pool, leased.id, seen=asked, state=State.SUCCEEDED, outcome=PLACED)
    assert revised is not None
    # Whoever applied the older one does not hide the newer one.
    await operations.applied(pool, leased.id, outcome=asked, now_ms=T0)
    assert [operation.outcome for operation in await operations.unapplied(pool, limit=10)] == [PLACED]
    await operations.applied(pool, leased.id, outcome=PLACED, now_ms=T0)
    assert await operations.unapplied(pool, limit=10) == []
    assert (
        await operations.revise(pool, leased.id, seen=asked, state=State.FAILED, outcome=Outcome("canceled"))
        is None
    )


async def test_a_new_operation_wakes_its_worker(pool: asyncpg.Pool, database: object) -> None:
    woken: asyncio.Queue[str] = asyncio.Queue()
    dsn = database.hub_dsn  # type: ignore[attr-defined]
    listener = asyncio.create_task(listen(dsn, operations.CHANNEL, woken.put_nowait))
    assert await asyncio.wait_for(woken.get(), 10) == ""
    session_id = await want(pool)
    (operation,) = await operations.operations(pool, session_id)
    assert await asyncio.wait_for(woken.get(), 10) == str(operation.id)
    listener.cancel()


async def test_listening_goes_on_after_the_connection_was_cut(owner: asyncpg.Pool, database: object) -> None:
    woken: asyncio.Queue[str] = asyncio.Queue()
    dsn = database.hub_dsn  # type: ignore[attr-defined]
    listener = asyncio.create_task(listen(dsn, operations.CHANNEL, woken.put_nowait))
    await asyncio.wait_for(woken.get(), 10)
    await owner.execute("select pg_terminate_backend(pid) from pg_stat_activity where query like 'LISTEN%'")
    # What was sent meanwhile is gone, so it wakes without being told why.
    assert await asyncio.wait_for(woken.get(), 10) == ""
    listener.cancel()


async def receive(pool: asyncpg.Pool, event_id: str = "evt_1") -> bool:
    return await insert_event(
        pool, event_id=event_id, source="stripe", type="payment_intent.succeeded", object_id="pi_1",
        payload={"id": event_id, "n": [1, None]}, now_ms=T0,
    )  # fmt: skip


async def test_a_repeated_call_is_kept_once(pool: asyncpg.Pool) -> None:
    assert await receive(pool)
    assert not await receive(pool)
    (event,) = await due_events(pool, now_ms=T0, limit=10, lease_ms=LEASE)
    assert (event.event_id, event.payload, event.attempts) == ("evt_1", {"id": "evt_1", "n": [1, None]}, 1)


async def test_a_call_comes_again_until_it_is_done(pool: asyncpg.Pool) -> None:
    await receive(pool)
    assert len(await due_events(pool, now_ms=T0, limit=10, lease_ms=LEASE)) == 1
    assert await due_events(pool, now_ms=T0, limit=10, lease_ms=LEASE) == []
    (again,) = await due_events(pool, now_ms=T0 + LEASE, limit=10, lease_ms=LEASE)
    assert again.attempts == 2
    await event_again(pool, "evt_1", next_at_ms=T0 + 5 * LEASE, note="not yet")
    assert await due_events(pool, now_ms=T0 + 3 * LEASE, limit=10, lease_ms=LEASE) == []
    await event_done(pool, "evt_1")
    assert await due_events(pool, now_ms=T0 + 9 * LEASE, limit=10, lease_ms=LEASE) == []


async def test_a_call_that_cannot_be_applied_stays_on_record(pool: asyncpg.Pool) -> None:
    await receive(pool)
    await event_failed(pool, "evt_1", note="unknown object")
    assert await due_events(pool, now_ms=T0 + LEASE, limit=10, lease_ms=LEASE) == []
    assert await pool.fetchval("select note from webhook_inbox where event_id = 'evt_1'") == "unknown object"
    assert not await receive(pool)


async def test_a_case_is_opened_once(pool: asyncpg.Pool) -> None:
    session_id = SessionId(str(uuid4()))
    assert await open_case(pool, "settlement_failed", session_id=session_id, detail={"n": 1}, now_ms=T0)
    assert not await open_case(pool, "settlement_failed", session_id=session_id, detail={"n": 2}, now_ms=T0)
    assert await open_case(pool, "difference", session_id=session_id, detail={}, now_ms=T0)
