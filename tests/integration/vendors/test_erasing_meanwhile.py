"""What happens while somebody is erased: others write, wait, die, decide otherwise, or come too late."""

from collections.abc import Awaitable, Callable
from uuid import uuid4

import asyncpg
import pytest

from hub.workers.erasures import LEASE_MS, STUCK_AFTER, WAIT_MS, Erasures
from hub.workers.tombstones import Tombstones
from rooms.ids import UserId
from store.postgres import erasures, people
from store.privacy import erasing
from store.privacy.pseudonym import pseudonym
from tests.integration.vendors.counter import Counter, vendors_of
from tests.integration.vendors.life import Life, lived

DAY_MS = 86_400_000
HEADERS = {"Authorization": "Bearer sk_test_counter"}


def duty(counter: Counter, reached: Callable[[str], Awaitable[None]]) -> Erasures:
    vendors = vendors_of(counter.gateway, counter.supabase(), counter.http, counter.base)
    return Erasures(
        counter.pool, counter.redis, vendors, counter.keyring(), now_ms=counter.now_ms, reached=reached
    )


async def ordered(counter: Counter, user_id: str, source: erasures.Source = "self") -> str:
    receipt, now_ms = str(uuid4()), counter.now_ms()
    assert await erasures.order(
        counter.pool, receipt=receipt, user_id=user_id, source=source, ordered_by=None, session_id=None,
        received_at_ms=now_ms, now_ms=now_ms, cancellable_until_ms=now_ms + DAY_MS, from_ms=now_ms,
    )  # fmt: skip
    return receipt


async def row(counter: Counter, receipt: str) -> tuple[object, ...]:
    found = await counter.pool.fetchrow(
        "select state, step, waits_for from erasures where receipt = $1", receipt
    )
    assert found is not None
    return tuple(found.values())


async def sent(counter: Counter, account: str) -> str:
    form = {"amount": "500", "currency": "usd", "destination": account}
    async with counter.http.post(
        f"{counter.base}/stripe/v1/transfers", data=form, headers=HEADERS
    ) as response:
        assert response.status == 200, await response.text()
        return str((await response.json())["id"])


async def test_whose_account_has_money_can_still_sign_in(counter: Counter) -> None:
    """Only they can tell Stripe of another bank, should a payout fail."""
    life = await lived(counter, "practitioner")
    account = await erasures.account_of(counter.pool, life.id)
    assert account is not None
    await sent(counter, account)
    receipt = await ordered(counter, life.id)
    await life.go_on()
    assert await row(counter, receipt) == ("waiting", 0, "balance")
    assert await counter.supabase().person(life.id) is not None
    # So they may also stay, within the grace.
    assert await erasures.cancel(counter.pool, life.id, now_ms=counter.now_ms()) == receipt


async def test_a_session_that_began_at_the_last_moment_is_waited_for(counter: Counter) -> None:
    life = await lived(counter)

    async def begins(step: str) -> None:
        if step == "settled":
            await counter.pool.execute(
                "update sessions set settled_at_ms = null where id = $1", life.session_id
            )

    receipt = await ordered(counter, life.id)
    await duty(counter, begins).run_once()
    assert await row(counter, receipt) == ("waiting", 1, "sessions")
    assert await counter.supabase().person(life.id) is not None
    await counter.pool.execute("update sessions set settled_at_ms = 1 where id = $1", life.session_id)
    counter.wait(WAIT_MS)
    await life.go_on()
    assert await row(counter, receipt) == ("done", 9, None)


async def test_what_a_duty_had_in_memory_goes_as_well(counter: Counter) -> None:
    life = await lived(counter)

    async def writes(step: str) -> None:
        if step == "live_store":
            for subject, facts in ((life.id, "{}"), (str(uuid4()), f'{{"guest": "{life.id}"}}')):
                await counter.pool.execute(
                    "insert into fraud_findings (rule, version, mode, weight, subject_kind, subject,"
                    " window_no, at_ms, reason, facts, created_at_ms)"
                    " values ('r', 1, 'shadow', 1, 'person', $1, 1, 1, 'x', $2::text::jsonb, 1)",
                    subject, facts,
                )  # fmt: skip

    receipt = await ordered(counter, life.id)
    keyring = counter.keyring()
    instead = pseudonym(await keyring.load(life.id))
    for _ in range(4):
        await duty(counter, writes).run_once()
        counter.wait(LEASE_MS + 1)
    assert (await row(counter, receipt))[0] == "done"
    texts = await counter.pool.fetch("select t::text as said from fraud_findings t")
    assert not [one["said"] for one in texts if life.id in one["said"]]
    assert not [one["said"] for one in texts if instead in one["said"] and '"guest"' not in one["said"]]


async def test_one_that_cannot_go_on_holds_nobody_up_and_a_person_is_told(counter: Counter) -> None:
    bad, good = await lived(counter), await lived(counter)
    receipt = await ordered(counter, bad.id)
    counter.wait(1)
    other = await ordered(counter, good.id)
    # The role that erases is refused something of this one's alone.
    owner = await asyncpg.connect(counter.database.owner_dsn)
    await owner.execute(
        "create function refused() returns trigger language plpgsql as"
        " $$ begin raise exception 'no: %', old.id; end $$"
    )
    await owner.execute(
        "create trigger refused before delete on people for each row"
        f" when (old.id = '{bad.id}') execute function refused()"
    )
    one = counter.erasures(counter.supabase())
    for _ in range(STUCK_AFTER + 2):
        await one.run_once()
        counter.wait(3_600_000)
    assert (await row(counter, other))[0] == "done"
    assert (await row(counter, receipt))[0] == "running"
    cases = await counter.pool.fetch("select kind, detail::text from cases where subject = $1", receipt)
    assert [(found["kind"], bad.id in found["detail"]) for found in cases] == [("erasure_stuck", False)]
    await owner.execute("drop function refused() cascade")
    await owner.close()
    await bad.go_on()
    assert (await row(counter, receipt))[0] == "done"


async def test_long_waiting_does_not_count_against_the_next_step(counter: Counter) -> None:
    life = await lived(counter)
    receipt = await ordered(counter, life.id)
    await counter.pool.execute("update erasures set attempts = 500 where receipt = $1", receipt)
    await counter.erasures(None).run_once()
    found = await counter.pool.fetchrow("select step, next_at_ms from erasures where receipt = $1", receipt)
    assert found is not None
    assert found["step"] == 1
    assert found["next_at_ms"] - counter.now_ms() <= 2_000


async def test_one_that_somebody_late_called_waiting_still_ends(counter: Counter) -> None:
    """A worker that was away for longer than its lease says so after the other has done the last step."""
    life = await lived(counter)
    receipt = await ordered(counter, life.id)

    async def late(step: str) -> None:
        if step == "key":
            await counter.pool.execute("update erasures set step = 9 where receipt = $1", receipt)
            await erasures.waits(counter.pool, receipt, "balance", next_at_ms=counter.now_ms())

    for _ in range(4):
        await duty(counter, late).run_once()
        counter.wait(LEASE_MS + 1)
    assert await row(counter, receipt) == ("done", 9, None)


async def test_their_own_wish_outlives_a_decision_that_was_wrong(counter: Counter) -> None:
    life = await lived(counter)
    receipt = await ordered(counter, life.id)
    assert await erasures.take_over(
        counter.pool, life.id, source="minor", ordered_by=str(uuid4()), session_id=None
    )
    assert await erasures.cancel(counter.pool, life.id, now_ms=counter.now_ms()) is None
    assert await erasures.overrule(counter.pool, life.id, source="minor", now_ms=counter.now_ms())
    standing = await erasures.latest(counter.pool, life.id)
    assert standing is not None
    assert (standing.receipt, standing.state, standing.source) == (receipt, "requested", "self")
    assert await erasures.cancel(counter.pool, life.id, now_ms=counter.now_ms()) == receipt


async def test_nobody_who_is_nobody_is_erased(counter: Counter) -> None:
    life = await lived(counter)
    instead = pseudonym(await counter.keyring().load(life.id))
    await life.order()
    await life.go_on()
    assert await life.done()
    now_ms = counter.now_ms()
    assert not await erasures.order(
        counter.pool, receipt=str(uuid4()), user_id=instead, source="email", ordered_by=None, session_id=None,
        received_at_ms=now_ms, now_ms=now_ms, cancellable_until_ms=now_ms, from_ms=now_ms,
    )  # fmt: skip
    there = await counter.pool.fetchval("select count(*) from people where id = $1", instead)
    assert there == 1


async def test_a_profile_that_came_back_leaves_nothing_a_second_time(counter: Counter) -> None:
    """A first request that was under way while they were buried makes their profile anew."""
    life = await lived(counter)
    await life.order()
    await life.go_on()
    assert await life.done()
    pool = counter.pool
    again = Tombstones(pool, counter.redis, counter.keyring(), now_ms=counter.now_ms)
    # Whom other tests left half erased.
    await again.run_once()
    await life.go_on()
    count = "select (select count(*) from people) + (select count(*) from subject_keys)"
    before = await pool.fetchval(count)
    await people.ensure(
        pool, person_id=life.id, role="guest", name=life.person["name"], email=life.person["email"],
        now_ms=counter.now_ms(),
    )  # fmt: skip
    assert await again.run_once() == 1
    await life.go_on()
    assert await life.done()
    assert await pool.fetchval(count) == before


async def test_a_step_done_again_after_the_key_went_leaves_no_trace(counter: Counter) -> None:
    life = await lived(counter)
    receipt = await ordered(counter, life.id)
    count = "select (select count(*) from people) + (select count(*) from subject_keys)"

    async def key_is_gone(step: str) -> None:
        if step == "key":
            raise TimeoutError

    for _ in range(2):
        await duty(counter, key_is_gone).run_once()
        counter.wait(LEASE_MS + 1)
    before = await counter.pool.fetchval(count)
    await counter.pool.execute("update erasures set step = 6 where receipt = $1", receipt)
    await life.go_on()
    assert (await row(counter, receipt))[0] == "done"
    assert await counter.pool.fetchval(count) == before


@pytest.mark.parametrize("messages", [4 * erasing.BATCH])
async def test_a_big_account_goes_in_batches(counter: Counter, messages: int) -> None:
    life: Life = await lived(counter)
    await many(counter, life, messages)
    instead = pseudonym(await counter.keyring().load(life.id))
    await erasures.shell(counter.pool, instead, life.id, name="x")
    changed = await erasing.erase(counter.pool, UserId(life.id), instead)
    assert changed >= messages


async def many(counter: Counter, life: Life, messages: int) -> None:
    owner = await asyncpg.connect(counter.database.owner_dsn)
    await owner.execute("set session_replication_role = replica")
    await owner.execute(
        "insert into messages"
        " (session_id, seq, id, participant_no, at_ms, client_id, body, body_sha256, digest)"
        " select session_id, n + 10, gen_random_uuid(), participant_no, at_ms, 'c', body, body_sha256, digest"
        " from messages, generate_series(1, $2::int) n where session_id = $1 and seq = 1",
        life.session_id, messages,
    )  # fmt: skip
    await owner.close()
