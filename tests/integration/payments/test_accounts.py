"""Practitioners' accounts: set up at Stripe, ready or not; and what was earned, told from the ledger."""

import asyncio
from uuid import uuid4

from billing.payment import Kind, State
from hub.workers.accounts import Accounts
from hub.workers.unpaid import Unpaid
from rooms.ids import UserId
from tests.integration.payments.desk import ENVIRONMENT, Desk
from tests.integration.payments.office import HOUR_MS, Office

ACTIVE = "select transfers_active from practices where practitioner_id = $1"
ACCOUNT = "select stripe_account from practices where practitioner_id = $1"


async def practitioner(desk: Desk) -> UserId:
    """Somebody with a practice and no account."""
    person = UserId(str(uuid4()))
    await desk.owner.execute(
        "insert into people (id, role, created_at_ms) values ($1, 'practitioner', 0)", person
    )
    await desk.owner.execute(
        "insert into practices (practitioner_id, rate_minor_per_minute, currency) values ($1, 300, 'usd')",
        person,
    )
    return person


async def set_up(desk: Desk, office: Office, person: UserId) -> str:
    """The practitioner follows the link and fills in Stripe's page; their account."""
    status, answer = await office.ask("POST", "/v1/me/payouts/onboarding", who=person, role="practitioner")
    assert status == 200, answer
    async with desk.http.post(answer["url"], allow_redirects=False) as response:
        assert response.status == 303
        assert response.headers["Location"].startswith(desk.hub)
    account = str(await desk.owner.fetchval(ACCOUNT, person))
    await office.hear("account.updated", account)
    return account


async def test_a_practitioner_sets_up_payouts_once(desk: Desk, office: Office) -> None:
    person = await practitioner(desk)
    ask = office.ask("POST", "/v1/me/payouts/onboarding", who=person, role="practitioner")
    again = office.ask("POST", "/v1/me/payouts/onboarding", who=person, role="practitioner")
    assert [status for status, _ in await asyncio.gather(ask, again)] == [200, 200]
    async with desk.http.get(
        f"{desk.base}/control/stripe/accounts", params={"person_id": person}
    ) as response:
        assert len(await response.json()) == 1
    assert await desk.owner.fetchval(ACTIVE, person) is False
    await set_up(desk, office, person)
    assert await desk.owner.fetchval(ACTIVE, person) is True


async def test_a_disconnected_account_takes_its_owner_offline_until_there_is_another(
    desk: Desk, office: Office
) -> None:
    person = await practitioner(desk)
    first = await set_up(desk, office, person)
    await desk.control("deauthorize", {"account": first})
    event = "account.application.deauthorized"
    query = "select count(*) from webhook_inbox where type = $1 and payload ->> 'account' = $2"
    async with asyncio.timeout(15):
        while not await desk.owner.fetchval(query, event, first):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await desk.webhooks().run_once()
    assert desk.offline[-1] == person
    assert await desk.owner.fetchval(ACTIVE, person) is False
    second = await set_up(desk, office, person)
    assert second != first
    assert await desk.owner.fetchval(ACTIVE, person) is True


async def test_who_can_no_longer_be_paid_is_offline_even_if_it_was_noted_before(
    desk: Desk, office: Office
) -> None:
    person = await practitioner(desk)
    account = await set_up(desk, office, person)
    await desk.control("capability", {"account": account, "transfers": "inactive"})
    await desk.owner.execute(
        "update practices set transfers_active = false where practitioner_id = $1", person
    )
    await desk.owner.execute("delete from webhook_inbox")
    await desk.control("capability", {"account": account, "transfers": "inactive"})
    await office.hear("account.updated", account)
    assert person in desk.offline


async def test_without_a_practice_or_role_there_is_nothing_to_set_up(office: Office) -> None:
    person = UserId(str(uuid4()))
    assert (await office.ask("POST", "/v1/me/payouts/onboarding", who=person, role="practitioner"))[0] == 409
    for path, method in (("/v1/me/payouts/onboarding", "POST"), ("/v1/me/earnings", "GET")):
        assert (await office.ask(method, path, who=person, role="guest"))[0] == 403


async def test_without_stripe_it_is_tried_again_later(desk: Desk, office: Office) -> None:
    person = await practitioner(desk)
    await desk.fault("500", "/v1/accounts")
    status, answer = await office.ask("POST", "/v1/me/payouts/onboarding", who=person, role="practitioner")
    assert (status, answer["error"]["code"]) == (503, "unavailable")


async def test_what_was_earned_is_told_from_the_ledger(desk: Desk, office: Office) -> None:
    room = await office.charged()
    person = room.practitioner.user_id
    _, earned = await office.ask("GET", "/v1/me/earnings", who=person, role="practitioner")
    [total] = earned["totals"]
    assert (total["earned_minor"], total["pending_minor"], total["transferred_minor"]) == (960, 960, 0)
    await office.refund(room, 300)
    await office.run()
    await office.run(2 * HOUR_MS)
    account = str(await desk.owner.fetchval(ACCOUNT, person))
    await desk.control("clock", {"advance_s": 3 * 86_400})
    payout = await desk.vendor.v1.payouts.create_async(
        {"amount": 500, "currency": "usd"}, {"stripe_account": account}
    )
    await Accounts(desk.pool, desk.gateway, offline=desk.took_offline, now_ms=desk.now_ms).run_once()
    _, earned = await office.ask("GET", "/v1/me/earnings", who=person, role="practitioner")
    assert (earned["totals"][0]["paid_out_minor"], earned["totals"][0]["on_the_way_minor"]) == (0, 500)
    await desk.control("clock", {"advance_s": 86_400})
    await office.hear("payout.paid", payout.id)
    _, earned = await office.ask("GET", "/v1/me/earnings", who=person, role="practitioner")
    assert earned["totals"] == [
        {
            "currency": "usd",
            "earned_minor": 720,
            "promotion_minor": 0,
            "pending_minor": 0,
            "transferred_minor": 720,
            "paid_out_minor": 500,
            "on_the_way_minor": 0,
            "debt_minor": 0,
        }
    ]
    [part] = earned["sessions"]
    assert part["session_id"] == room.id
    assert (part["charged_minor"], part["fee_minor"], part["earned_minor"]) == (1200, 240, 960)
    assert (part["deducted_minor"], part["transferred_minor"]) == (240, 720)
    _, others = await office.ask("GET", "/v1/me/earnings", who=UserId(str(uuid4())), role="practitioner")
    assert (others["totals"], others["sessions"]) == ([], [])


async def test_what_was_earned_without_an_account_is_transferred_once_there_is_one(
    desk: Desk, office: Office
) -> None:
    room = await desk.ended(4)
    await office.practise(room, None, active=False)
    await desk.settle(room)
    await office.run()
    unpaid = Unpaid(desk.pool, environment=ENVIRONMENT, delay_ms=HOUR_MS, now_ms=desk.now_ms)
    await unpaid.run_once()
    assert await desk.all(room, Kind.TRANSFER) == []
    account = await office.account()
    await desk.owner.execute(
        "update practices set stripe_account = $2, transfers_active = true where practitioner_id = $1",
        room.practitioner.user_id,
        account,
    )
    await asyncio.gather(*(unpaid.run_once() for _ in range(3)))
    assert (await desk.one(room, Kind.TRANSFER)).state is State.PENDING
    await office.run(2 * HOUR_MS)
    [transfer] = await desk.at_stripe("transfers", room)
    assert (transfer["amount"], transfer["destination"]) == (960, account)
    assert await unpaid.run_once() == 0
    assert await office.broken() == []


async def test_a_transfer_follows_its_practitioner_to_another_account(desk: Desk, office: Office) -> None:
    room = await office.charged()
    other = await office.account()
    await desk.owner.execute(
        "update practices set stripe_account = $2 where practitioner_id = $1",
        room.practitioner.user_id,
        other,
    )
    await office.run(2 * HOUR_MS)
    [transfer] = await desk.at_stripe("transfers", room)
    assert (transfer["amount"], transfer["destination"]) == (960, other)


async def test_a_transfer_waits_while_its_account_is_not_ready(desk: Desk, office: Office) -> None:
    room = await office.charged()
    practice = "update practices set transfers_active = $2 where practitioner_id = $1"
    await desk.owner.execute(practice, room.practitioner.user_id, False)
    await office.run(2 * HOUR_MS)
    assert (await desk.one(room, Kind.TRANSFER)).state is State.PENDING
    await desk.owner.execute(practice, room.practitioner.user_id, True)
    await office.run(2 * HOUR_MS)
    assert (await desk.one(room, Kind.TRANSFER)).state is State.SUCCEEDED


async def test_an_account_whose_event_never_came_is_read_anew(desk: Desk, office: Office) -> None:
    person = await practitioner(desk)
    account = await set_up(desk, office, person)
    await desk.control("capability", {"account": account, "transfers": "inactive"})
    accounts = Accounts(desk.pool, desk.gateway, offline=desk.took_offline, now_ms=desk.now_ms)
    assert await accounts.run_once() > 0
    assert await desk.owner.fetchval(ACTIVE, person) is False
    assert person in desk.offline
