"""Money that is held is captured or released in the end, however long Stripe fails."""

from billing.payment import Kind, State
from store.postgres import operations
from tests.integration.payments.desk import Desk
from tests.integration.payments.office import HOUR_MS, Office
from tests.integration.payments.test_stand_ins import heard


async def test_a_capture_outlasts_hours_of_stored_errors(desk: Desk, office: Office) -> None:
    account = await office.account()
    room = await desk.ended(4)
    await office.practise(room, account)
    await desk.settle(room, destination=account)
    await desk.fault("500", times=20)
    for _ in range(60):
        await desk.payments().run_once()
        desk.wait(HOUR_MS // 2)
        if await desk.no_fault_waits():
            break
    for _ in range(4):
        await office.run(12 * HOUR_MS)
    captures = await desk.all(room, Kind.CAPTURE)
    assert {one.state for one in captures[:-1]} == {State.FAILED}
    assert captures[-1].state is State.SUCCEEDED
    assert await desk.balance("guest_receivable", room) == 0
    assert len(await desk.at_stripe("transfers", room)) == 1
    assert desk.settled == [room.id]
    assert await office.broken() == []


async def test_a_hold_that_goes_after_its_capture_failed_is_charged_anew(desk: Desk, office: Office) -> None:
    account = await office.account()
    room = await desk.ended(4)
    await office.practise(room, account)
    await desk.settle(room, destination=account)
    await given_up(desk, (await desk.one(room, Kind.CAPTURE)).id)
    await heard(desk, room)
    await office.run(HOUR_MS)
    assert [one.state for one in await desk.all(room, Kind.CHARGE)] == [State.SUCCEEDED]
    assert await desk.balance("guest_receivable", room) == 0
    await desk.webhooks().run_once()
    assert len(await desk.all(room, Kind.CHARGE)) == 1


async def test_an_admin_has_a_capture_and_its_transfer_tried_again(desk: Desk, office: Office) -> None:
    account = await office.account()
    room = await desk.ended(4)
    await office.practise(room, account)
    await desk.settle(room, destination=account)
    failed = await desk.one(room, Kind.CAPTURE)
    await given_up(desk, failed.id)
    await office.run(HOUR_MS)
    assert [one.state for one in await desk.all(room, Kind.TRANSFER)] == [State.FAILED]
    status, again = await office.ask(
        "POST", f"/v1/admin/operations/{failed.id}/retry", {"reason": "It was lost."}
    )
    assert (status, again["kind"], again["attempt"]) == (200, "capture", 2)
    await office.run(HOUR_MS)
    await office.run(HOUR_MS)
    assert await desk.balance("guest_receivable", room) == 0
    assert len(await desk.at_stripe("transfers", room)) == 1
    status, refused = await office.ask(
        "POST", f"/v1/admin/operations/{failed.id}/retry", {"reason": "And again."}
    )
    assert (status, refused["error"]["code"]) == (409, "conflict")


async def test_a_cancel_that_failed_is_no_end_of_a_hold(desk: Desk, office: Office) -> None:
    room = await desk.funded()
    await desk.give_up(desk.rooms[room.id])
    await desk.settle(desk.rooms[room.id])
    await given_up(desk, (await desk.one(room, Kind.CANCEL)).id)
    desk.wait(2 * HOUR_MS)
    await desk.owner.execute("delete from checkpoints where session_id = $1", room.id)
    assert "no_orphan_holds" in await office.broken()


async def given_up(desk: Desk, operation_id: int) -> None:
    """An operation that came to nothing, and that nothing follows."""
    await desk.owner.execute(
        "update payment_ops set state = 'failed', applied_at_ms = 0,"
        """ outcome = '{"status": "declined", "code": "no_effect"}' where id = $1""",
        operation_id,
    )
    assert await operations.operation(desk.pool, operation_id)
