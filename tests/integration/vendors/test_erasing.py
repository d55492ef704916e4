"""A person is removed for good: killed after every step it converges, and nothing of them is left."""

from uuid import uuid4

import pytest

from hub.moderation.audit_walk import AuditWalk
from hub.workers.erasure_steps import NAME
from hub.workers.erasures import LEASE_MS, STUCK_AFTER, WAIT_MS
from hub.workers.forgetting import Forgetting
from rooms import chain
from store.postgres import erasures, transcript
from store.privacy.keys import ShreddedError
from store.privacy.pseudonym import pseudonym
from store.privacy.signing import HeadKey
from store.privacy.tombstones import buried
from store.redis.revocations import Revocations
from tests.integration.vendors.counter import Counter
from tests.integration.vendors.life import PHONE, SAID, lived

STEPS = [
    "settled", "sign_in", "customer", "account", "messages", "channels", "record", "live_store", "key",
]  # fmt: skip
DAY_MS = 86_400_000


async def test_nothing_is_left_and_everything_still_verifies(counter: Counter) -> None:
    life = await lived(counter)
    reader = await counter.another_keyring()
    instead = pseudonym(await reader.load(life.id))
    assert {found.rpartition(": ")[2] for found in await life.left()} == set(life.private) - {SAID}
    await life.order()
    await life.go_on()
    assert await life.done()
    assert await life.left() == []
    # What they wrote is unreadable, also for a process that had the key in memory.
    assert await Forgetting(counter.pool, reader, now_ms=counter.now_ms).run_once() >= 1
    with pytest.raises(ShreddedError):
        await reader.load(life.id)
    kept = await transcript.kept(counter.pool, life.session_id)
    assert chain.verify(life.session_id, transcript.links(kept), life.head)
    assert await AuditWalk(counter.pool, HeadKey(reader.root), reader).run() == []
    # Neither at the vendors.
    assert await counter.supabase().person(life.id) is None
    async with counter.http.get(
        f"{counter.base}/stripe/v1/customers/{life.person['customer']}",
        headers={"Authorization": "Bearer sk_test_counter"},
    ) as response:
        assert (await response.json()).get("deleted") is True
    assert await Revocations(counter.redis).is_revoked(
        life.id, "any", issued_at_s=counter.now_ms() // 1000 - 999
    )
    row = await counter.pool.fetchrow("select name, email, phone, country from people where id = $1", instead)
    assert row is not None
    assert tuple(row.values()) == (NAME, "", None, None)
    there = await counter.pool.fetch(
        "select user_id from participants where session_id = $1 and no = 1", life.session_id
    )
    assert [one["user_id"] for one in there] == [instead]
    assert await buried(counter.pool, counter.keyring(), life.id)


async def test_of_messages_by_telephone_nothing_is_left_at_twilio(counter: Counter) -> None:
    life = await lived(counter)
    other = "+4915187654321"
    auth = {
        "Authorization": "Basic QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDpzYW5kYm94LXR3aWxpby10b2tlbg=="
    }
    for number in (PHONE, other, PHONE):
        url = f"{counter.base}/twilio/2010-04-01/Accounts/AC{'0' * 32}/Messages.json"
        form = {"To": number, "From": "+15005550006", "Body": "In ten minutes"}
        async with counter.http.post(url, data=form, headers=auth) as response:
            assert response.status == 201
    async with counter.http.post(
        f"{counter.base}/twilio/inbound", json={"from": PHONE, "body": "Thank you"}
    ) as response:
        assert response.status == 202
    await life.order()
    await life.go_on()
    assert await life.done()
    url = f"{counter.base}/twilio/2010-04-01/Accounts/AC{'0' * 32}/Messages.json"
    async with counter.http.get(url, headers=auth) as response:
        left = (await response.json())["messages"]
    assert [(one["to"], one["from"]) for one in left] == [(other, "+15005550006")]


async def test_a_rule_at_agora_that_names_them_is_lifted(counter: Counter) -> None:
    life = await lived(counter)
    rule = await counter.agora().kick("a-channel", 77, minutes=60)
    await counter.pool.execute(
        "insert into media_kicks (session_id, user_id, channel, uid, until_ms, state, rule_id, next_at_ms,"
        " created_at_ms) values ($1, $2, 'a-channel', 77, $3, 'done', $4, 0, 0)",
        life.session_id, life.id, counter.now_ms() + DAY_MS, rule,
    )  # fmt: skip
    await life.order()
    await life.go_on()
    assert await life.done()
    assert await counter.rules() == []


async def test_a_practitioners_account_goes_once_its_balance_is_zero(counter: Counter) -> None:
    life = await lived(counter, "practitioner")
    account = await erasures.account_of(counter.pool, life.id)
    assert account is not None
    headers = {"Authorization": "Bearer sk_test_counter"}
    sent = {"amount": "500", "currency": "usd", "destination": account}
    async with counter.http.post(
        f"{counter.base}/stripe/v1/transfers", data=sent, headers=headers
    ) as response:
        assert response.status == 200, await response.text()
        transfer = (await response.json())["id"]
    await life.order()
    await life.go_on()
    assert not await life.done()
    waits = await counter.pool.fetchrow("select state, waits_for from erasures where user_id = $1", life.id)
    assert waits is not None
    assert tuple(waits.values()) == ("waiting", "balance")
    async with counter.http.post(
        f"{counter.base}/stripe/v1/transfers/{transfer}/reversals", data={"amount": "500"}, headers=headers
    ) as response:
        assert response.status == 200, await response.text()
    counter.wait(3_600_000)
    await life.go_on()
    assert await life.done()
    async with counter.http.get(f"{counter.base}/stripe/v1/accounts/{account}", headers=headers) as response:
        assert response.status in (403, 404)


@pytest.mark.parametrize("step", STEPS)
async def test_killed_after_a_step_the_next_one_finishes(counter: Counter, step: str) -> None:
    life = await lived(counter)
    instead = pseudonym(await counter.keyring().load(life.id))
    await life.order()
    await counter.give_back()
    if step == "key":
        # It waits once, for whatever others had read about them before.
        await counter.erasures(counter.supabase()).run_once()
        counter.wait(WAIT_MS)
    async with counter.killed("erasures", step):
        assert await counter.erasures(counter.supabase()).run_once() == 0
    counter.wait(LEASE_MS + 1)
    counter.keyring().forget(life.id)
    await life.go_on()
    assert await life.done()
    assert await life.left() == []
    there = await counter.pool.fetch(
        "select user_id from participants where session_id = $1 and no = 1", life.session_id
    )
    assert [one["user_id"] for one in there] == [instead]
    entries = await counter.pool.fetch(
        "select action from audit_entries where subject_id in ($1, $2) order by n",
        life.id,
        await life.receipt(),
    )
    assert [row["action"] for row in entries] == ["erasure_ordered", "person_erased"]


async def test_it_waits_until_everything_is_settled(counter: Counter) -> None:
    life = await lived(counter)
    await counter.pool.execute("update sessions set settled_at_ms = null where id = $1", life.session_id)
    await life.order()
    await counter.erasures(counter.supabase()).run_once()
    counter.wait(WAIT_MS)
    await life.go_on()
    assert not await life.done()
    assert await counter.supabase().person(life.id) is not None
    await counter.pool.execute("update sessions set settled_at_ms = 1 where id = $1", life.session_id)
    await life.go_on()
    assert await life.done()


async def test_it_waits_for_money_that_is_on_its_way(counter: Counter) -> None:
    life = await lived(counter)
    await counter.pool.execute(
        "insert into payment_ops (session_id, participant_no, kind, ordinal, currency, params, idem_key,"
        " state, next_at_ms, created_at_ms) values ($1, 1, 'refund', 1, 'usd', '{}', $2, 'unknown', $3, 0)",
        life.session_id,
        str(uuid4()),
        counter.now_ms() + DAY_MS,
    )
    await life.order()
    await life.go_on()
    assert not await life.done()
    await counter.pool.execute(
        "update payment_ops set state = 'failed' where session_id = $1", life.session_id
    )
    await life.go_on()
    assert await life.done()


async def test_without_a_service_key_it_waits_and_a_person_is_told(counter: Counter) -> None:
    life = await lived(counter)
    await life.order()
    await counter.give_back()
    await counter.erasures(None).run_once()
    assert not await life.done()
    kinds = await counter.pool.fetch("select kind from cases where subject = $1", await life.receipt())
    assert [row["kind"] for row in kinds] == ["erasure_stuck"]
    await counter.pool.execute("update erasures set next_at_ms = 0 where user_id = $1", life.id)
    await life.go_on()
    assert await life.done()


async def test_a_vendor_in_trouble_is_asked_again(counter: Counter) -> None:
    life = await lived(counter)
    await counter.control("faults", {"vendor": "stripe", "action": "500", "times": STUCK_AFTER})
    await life.order()
    await counter.give_back()
    duty = counter.erasures(counter.supabase())
    for _ in range(STUCK_AFTER + 3):
        await duty.run_once()
        counter.wait(3_600_000)
    assert await life.done()


async def test_somebody_is_told_on_day_20_and_27_and_when_it_is_late(counter: Counter) -> None:
    life = await lived(counter)
    await counter.pool.execute("update sessions set settled_at_ms = null where id = $1", life.session_id)
    began_ms = counter.now_ms()
    await life.order()
    duty, receipt = counter.erasures(counter.supabase()), await life.receipt()

    async def told(day: int) -> list[str]:
        counter.time_ms = began_ms + day * DAY_MS
        for _ in range(2):
            await duty.run_once()
        rows = await counter.pool.fetch(
            "select kind from cases where subject = $1 order by created_at_ms, kind", receipt
        )
        return [row["kind"] for row in rows]

    days = ["erasure_ten_days_left", "erasure_three_days_left", "erasure_overdue"]
    assert [len(await told(day)) for day in (1, 19, 20, 26, 27, 29)] == [0, 0, 1, 1, 2, 2]
    assert await told(30) == days
    # Nothing in a case says whom it is about.
    details = await counter.pool.fetch("select detail::text from cases where subject = $1", receipt)
    assert not any(life.id in row["detail"] for row in details)
