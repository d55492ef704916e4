"""Everything back to a guest who turns out to be a minor: earlier sessions, tips, and the one under way."""

import asyncio
from functools import partial
from uuid import uuid4

import pytest

from billing import requests
from billing.payment import Kind, Share, State
from hub.workers.restitution import RESTITUTIONS, Restitutions
from rooms import session
from rooms.ids import ConnectionId, UserId
from rooms.room import Room
from store.postgres import operations, restitutions
from tests.integration.payments.desk import ENVIRONMENT, HUB, MINUTE_MS, Desk
from tests.integration.payments.office import HOUR_MS, Office
from tests.integration.payments.test_stand_ins import days_later, declined, heard
from tests.integration.payments.test_stand_ins import states as charge_states

DAY_MS = 24 * HOUR_MS


def duty(desk: Desk) -> Restitutions:
    return Restitutions(desk.pool, desk.keyring(), environment=ENVIRONMENT, now_ms=desk.now_ms)


async def order(desk: Desk, office: Office, guest_id: UserId) -> str:
    return await restitutions.order(
        desk.pool, guest_id=guest_id, ordered_by=office.ann, reason="minor", now_ms=desk.now_ms()
    )


async def is_done(desk: Desk, restitution_id: str) -> bool:
    query = "select done_at_ms is not null from restitutions where id = $1"
    return bool(await desk.owner.fetchval(query, restitution_id))


async def live(desk: Desk, guest_id: UserId) -> tuple[Room, dict[ConnectionId, int]]:
    """A session of the guest's that has been running for two minutes."""
    room = await desk.funded(guest_id=guest_id)
    begin_ms = desk.now_ms()
    desk.change(room, partial(session.accept, who=room.practitioner.user_id, now_ms=begin_ms))
    sockets = [ConnectionId(str(uuid4())) for _ in range(2)]
    for who, socket in zip((room.practitioner.user_id, guest_id), sockets, strict=True):
        desk.change(room, partial(session.join, who=who, connection=socket, hub=HUB, now_ms=begin_ms))
    desk.wait(2 * MINUTE_MS)
    return desk.rooms[room.id], dict.fromkeys(sockets, desk.now_ms())


async def tip(desk: Desk, office: Office, room: Room, account: str) -> None:
    body = (await desk.one(room, Kind.HOLD)).params.body
    given = requests.charge(
        room.id,
        1,
        ordinal=1,
        amount_minor=500,
        currency="usd",
        customer=str(body["customer"]),
        payment_method=str(body["payment_method"]),
        share=Share(500, account, desk.now_ms()),
        at_ms=desk.now_ms(),
        kind=Kind.TIP,
    )
    await operations.insert_operations(desk.pool, ENVIRONMENT, room.id, 1, [given], now_ms=desk.now_ms())
    await office.run(2 * HOUR_MS)


async def kept(desk: Desk, room: Room) -> int:
    """What was collected at Stripe and has not gone back."""
    came_in = sum(one["amount_received"] for one in await desk.at_stripe("payment_intents", room))
    back = [one["amount"] for one in await desk.at_stripe("refunds", room) if one["status"] == "succeeded"]
    return int(came_in - sum(back))


async def test_everything_goes_back_from_earlier_sessions_and_the_one_under_way(
    desk: Desk, office: Office
) -> None:
    minor, account = UserId(str(uuid4())), await office.account()
    sent = await office.transferred(account=account, guest_id=minor)
    await tip(desk, office, sent, account)
    part = await office.charged(account=account, guest_id=minor)
    await office.refund(part, 300)
    waiting = await office.charged(8, account=account, guest_id=minor)
    _, undecided = await office.refund(waiting, 1_500, who=office.ben)
    assert undecided["state"] == "pending_approval"
    room, proofs = await live(desk, minor)
    other = await office.charged()
    stop = partial(session.stop, because="minor", proofs=proofs, now_ms=desk.now_ms())
    desk.change(room, stop)
    restitution_id = await order(desk, office, minor)
    assert await order(desk, office, minor) == restitution_id
    for _ in range(2):
        await duty(desk).run_once()
        await office.run()
    await duty(desk).run_once()
    assert not await is_done(desk, restitution_id), "the last session is still to be settled"
    await desk.settle(desk.rooms[room.id], destination=account)
    await office.run()
    for _ in range(3):
        await duty(desk).run_once()
        await office.run()
    assert await is_done(desk, restitution_id)

    for one in (sent, part, waiting, room):
        assert await kept(desk, one) == 0
        for name in ("stripe_clearing", "practitioner_payable", "platform_fee", "guest_receivable"):
            assert await desk.balance(name, one) == 0, name
    await office.run(2 * HOUR_MS)
    assert sum(one["amount_received"] for one in await desk.at_stripe("payment_intents", room)) == 0
    assert sorted(one["amount"] for one in await desk.at_stripe("reversals", sent)) == [500, 960]
    assert await desk.at_stripe("transfers", waiting) == []
    assert await kept(desk, other) == 1200
    _, listed = await office.ask("GET", "/v1/admin/refunds?state=rejected")
    assert undecided["id"] in [found["id"] for found in listed["items"]]
    assert await office.broken() == []


async def test_a_second_order_after_the_first_is_done_is_another(desk: Desk, office: Office) -> None:
    minor = UserId(str(uuid4()))
    room = await office.charged(guest_id=minor)
    first = await order(desk, office, minor)
    for _ in range(2):
        await duty(desk).run_once()
        await office.run()
    await duty(desk).run_once()
    assert await is_done(desk, first)
    assert await kept(desk, room) == 0
    assert await order(desk, office, minor) != first


async def test_what_a_bank_is_deciding_waits_for_it(desk: Desk, office: Office) -> None:
    minor = UserId(str(uuid4()))
    room = await office.charged(guest_id=minor)
    dispute = await desk.control("dispute", {"session_id": room.id})
    await office.hear("charge.dispute.created", dispute["id"])
    restitution_id = await order(desk, office, minor)
    assert await duty(desk).run_once() == 0
    assert not await is_done(desk, restitution_id)
    await desk.control("dispute/close", {"dispute": dispute["id"], "outcome": "won"})
    await office.hear("charge.dispute.closed", dispute["id"])
    assert await duty(desk).run_once() == 1
    await office.run()
    await duty(desk).run_once()
    assert await is_done(desk, restitution_id)
    assert await kept(desk, room) == 0


async def test_what_a_bank_took_for_good_has_gone_back_and_the_rest_goes_too(
    desk: Desk, office: Office
) -> None:
    minor = UserId(str(uuid4()))
    room = await office.charged(guest_id=minor)
    dispute = await desk.control("dispute", {"session_id": room.id, "amount": 700})
    await desk.control("dispute/close", {"dispute": dispute["id"], "outcome": "lost"})
    await office.hear("charge.dispute.closed", dispute["id"])
    restitution_id = await order(desk, office, minor)
    await duty(desk).run_once()
    await office.run()
    await duty(desk).run_once()
    assert await is_done(desk, restitution_id)
    assert await kept(desk, room) == 700
    assert await office.broken() == []


async def test_a_refund_that_fails_is_made_again_by_and_by(desk: Desk, office: Office) -> None:
    minor = UserId(str(uuid4()))
    room = await office.charged(guest_id=minor)
    restitution_id = await order(desk, office, minor)
    await duty(desk).run_once()
    await office.run()
    refund = await desk.control("refund/fail", {"session_id": room.id})
    await office.hear("refund.failed", refund["id"])
    assert await duty(desk).run_once() == 0
    assert not await is_done(desk, restitution_id)
    desk.wait(DAY_MS)
    assert await duty(desk).run_once() == 1
    await office.run()
    assert await duty(desk).run_once() == 0
    assert await is_done(desk, restitution_id)
    assert await kept(desk, room) == 0
    assert await desk.cases(room) == ["refund_failed"]
    assert await office.broken() == []


async def test_what_a_minor_owes_is_asked_for_no_more(desk: Desk, office: Office) -> None:
    room = await declined(desk, times=1)
    assert await charge_states(desk, room) == ["failed", "pending"]
    restitution_id = await order(desk, office, room.guests[0].user_id)
    await duty(desk).run_once()
    for days in (1, 3, 7):
        await days_later(desk, days)
    assert await charge_states(desk, room) == ["failed", "failed"]
    assert await kept(desk, room) == 0
    assert await desk.cases(room) == ["charge_given_up"]
    assert await is_done(desk, restitution_id)
    assert await office.broken() == []


@pytest.mark.parametrize("workers", [1, 3])
async def test_several_workers_give_it_back_once(workers: int, desk: Desk, office: Office) -> None:
    minor = UserId(str(uuid4()))
    room = await office.transferred(guest_id=minor)
    await order(desk, office, minor)
    made = await asyncio.gather(*(duty(desk).run_once() for _ in range(workers)))
    assert sum(made) == 1
    await office.run()
    assert [one.state for one in await desk.all(room, Kind.REFUND)] == [State.SUCCEEDED]
    assert await kept(desk, room) == 0
    assert await office.broken() == []


async def test_a_hold_that_is_declined_after_the_request_was_taken_back_ends_the_restitution(
    desk: Desk, office: Office
) -> None:
    guest = UserId(str(uuid4()))
    room = await desk.request(guest_id=guest)
    await desk.fault("429")
    await desk.payments().run_once()
    await desk.give_up(desk.rooms[room.id])
    await desk.settle(desk.rooms[room.id])
    hold = await desk.one(room, Kind.HOLD)
    match = {"customer": hold.params.body["customer"]}
    await desk.control("faults", {"vendor": "stripe", "action": "decline_next", "match": match})
    await office.run(MINUTE_MS)
    assert desk.settled == [room.id]
    restitution_id = await order(desk, office, guest)
    await duty(desk).run_once()
    assert await is_done(desk, restitution_id)


async def test_a_session_that_never_was_live_is_settled_by_the_sweep(desk: Desk, office: Office) -> None:
    room = await desk.request()
    await office.run()
    await desk.give_up(desk.rooms[room.id])
    await desk.settle(desk.rooms[room.id])
    await desk.owner.execute(
        "update payment_ops set state = 'succeeded', applied_at_ms = 0, stripe_id = 'pi_1',"
        """ first_sent_at_ms = 0, outcome = '{"status": "canceled"}'"""
        " where session_id = $1 and kind = 'cancel'",
        room.id,
    )
    await office.run()
    assert desk.settled == [room.id]


async def test_many_that_can_not_end_hold_up_no_other(desk: Desk, office: Office) -> None:
    minor = UserId(str(uuid4()))
    room = await office.charged(guest_id=minor)
    for _ in range(RESTITUTIONS):
        guest = UserId(str(uuid4()))
        await desk.request(guest_id=guest)
        await order(desk, office, guest)
        desk.wait(1)
    await order(desk, office, minor)
    for _ in range(2):
        await duty(desk).run_once()
        desk.wait(1_000)
    assert len(await desk.all(room, Kind.REFUND)) == 1


async def test_what_can_not_go_back_ends_with_a_case(desk: Desk, office: Office) -> None:
    minor = UserId(str(uuid4()))
    room = await office.charged(guest_id=minor)
    restitution_id = await order(desk, office, minor)
    await desk.fault("decline_next", path="/v1/refunds", times=8)
    for _ in range(6):
        await duty(desk).run_once()
        await desk.owner.execute(
            "update payment_ops set state = 'failed', applied_at_ms = 0,"
            """ outcome = '{"status": "refused", "code": "expired_card"}'"""
            " where session_id = $1 and kind = 'refund' and state = 'pending'",
            room.id,
        )
        await desk.owner.execute("update refunds set state = 'failed' where session_id = $1", room.id)
        desk.wait(8 * DAY_MS)
    assert len(await desk.all(room, Kind.REFUND)) == 4
    assert await is_done(desk, restitution_id)
    assert "restitution_incomplete" in await desk.cases(room)


async def test_a_card_is_not_charged_after_the_order_in_place_of_a_hold(desk: Desk, office: Office) -> None:
    minor = UserId(str(uuid4()))
    room = await desk.ended(4, guest_id=minor)
    hold = await desk.one(room, Kind.HOLD)
    await desk.settle(room)
    await desk.vendor.v1.payment_intents.cancel_async(str(hold.stripe_id))
    restitution_id = await order(desk, office, minor)
    await office.run()
    assert await desk.all(room, Kind.CHARGE) == []
    assert await desk.cases(room) == ["capture_failed"]
    await duty(desk).run_once()
    assert await is_done(desk, restitution_id)


async def test_a_charge_that_was_wanted_before_the_order_is_not_sent(desk: Desk, office: Office) -> None:
    minor = UserId(str(uuid4()))
    room = await desk.ended(4, guest_id=minor)
    await heard(desk, room)
    await desk.settle(room)
    await order(desk, office, minor)
    await office.run()
    assert (await desk.one(room, Kind.CHARGE)).state is State.FAILED
    assert await kept(desk, room) == 0
    assert desk.settled == [room.id]


async def order_of(desk: Desk, office: Office, room: Room) -> str:
    """Only this session of its guest's goes back."""
    await restitutions.order_of_session(
        desk.pool,
        guest_id=room.guests[0].user_id,
        session_id=room.id,
        ordered_by=office.ann,
        reason="practitioner_conduct",
        now_ms=desk.now_ms(),
    )
    return str(await desk.owner.fetchval("select id from restitutions where session_id = $1", room.id))


@pytest.mark.parametrize("sent", [False, True])
async def test_of_one_session_that_alone_goes_back_and_once(sent: bool, desk: Desk, office: Office) -> None:
    guest, account = UserId(str(uuid4())), await office.account()
    make = office.transferred if sent else office.charged
    wronged = await make(account=account, guest_id=guest)
    other = await office.charged(account=account, guest_id=guest)
    await live(desk, guest)
    restitution_id = await order_of(desk, office, wronged)
    made = await asyncio.gather(*(duty(desk).run_once() for _ in range(3)))
    assert sum(made) == 1
    await office.run()
    await duty(desk).run_once()
    # The session that runs on, and what was paid for the other one, are no concern of it.
    assert await is_done(desk, restitution_id)
    assert (await kept(desk, wronged), await kept(desk, other)) == (0, 1200)
    assert await order_of(desk, office, wronged) == restitution_id
    assert await duty(desk).run_once() == 0
    await office.run()
    out, back = [
        sum(one["amount"] for one in await desk.at_stripe(kind, wronged))
        for kind in ("transfers", "reversals")
    ]
    assert out == back
    assert await desk.at_stripe("reversals", other) == []
    assert await office.broken() == []


async def test_what_is_owed_for_another_session_is_still_asked_for(desk: Desk, office: Office) -> None:
    guest = UserId(str(uuid4()))
    wronged = await office.charged(guest_id=guest)
    owing = await declined(desk, times=1, guest_id=guest)
    await order_of(desk, office, wronged)
    for _ in range(2):
        await duty(desk).run_once()
        await office.run()
    await days_later(desk, 1)
    assert await charge_states(desk, owing) == ["failed", "succeeded"]
    assert (await kept(desk, wronged), await kept(desk, owing)) == (0, 1200)


async def test_a_charge_for_the_session_that_goes_back_is_not_sent(desk: Desk, office: Office) -> None:
    room = await declined(desk, times=1)
    restitution_id = await order_of(desk, office, room)
    await duty(desk).run_once()
    await days_later(desk, 1)
    assert await charge_states(desk, room) == ["failed", "failed"]
    assert await is_done(desk, restitution_id)


async def test_a_charge_that_comes_in_after_the_order_goes_back_too(desk: Desk, office: Office) -> None:
    room = await desk.ended(4)
    restitution_id = await order_of(desk, office, room)
    assert await duty(desk).run_once() == 0
    assert not await is_done(desk, restitution_id), "it is still to be settled"
    await desk.settle(room)
    await office.run()
    assert await duty(desk).run_once() == 1
    await office.run()
    await duty(desk).run_once()
    assert await is_done(desk, restitution_id)
    assert await kept(desk, room) == 0
    assert await office.broken() == []
