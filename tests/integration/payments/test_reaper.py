"""Holds that nobody will ever use are released; those of rooms that live or will be settled are not."""

from uuid import uuid4

from billing.payment import Kind
from hub.workers.reaper import ORPHAN_MS, Reaper
from rooms.ids import SessionId
from tests.integration.payments.desk import ENVIRONMENT, Desk

DAY_MS = 86_400_000


def reaper(desk: Desk) -> Reaper:
    async def is_there(session_id: SessionId) -> bool:
        return session_id in desk.rooms

    return Reaper(desk.pool, is_there=is_there, environment=ENVIRONMENT, now_ms=desk.now_ms)


async def test_a_hold_whose_room_was_lost_is_released(desk: Desk) -> None:
    room = await desk.funded()
    desk.wait(ORPHAN_MS + 1)
    assert await reaper(desk).run_once() == 0, "its room is there"
    del desk.rooms[room.id]
    assert await reaper(desk).run_once() == 1
    assert await reaper(desk).run_once() == 0
    await desk.payments().run_once()
    [intent] = await desk.at_stripe("payment_intents", room)
    assert intent["status"] == "canceled"


async def test_a_hold_that_waits_for_the_bank_is_released_too(desk: Desk) -> None:
    room = await desk.request("pm_card_authenticationRequired")
    await desk.payments().run_once()
    del desk.rooms[room.id]
    desk.wait(ORPHAN_MS + 1)
    assert await reaper(desk).run_once() == 1


async def test_a_young_hold_and_one_with_a_checkpoint_stay(desk: Desk) -> None:
    room, kept = await desk.funded(), await desk.funded()
    del desk.rooms[room.id]
    assert await reaper(desk).run_once() == 0
    await desk.owner.execute(
        "insert into checkpoints (session_id, version, epoch, at_ms, room) values ($1, 1, $2, 0, '')",
        kept.id,
        uuid4(),
    )
    del desk.rooms[kept.id]
    desk.wait(ORPHAN_MS + 1)
    assert await reaper(desk).run_once() == 1
    assert [one.kind for one in await desk.all(kept, Kind.CANCEL)] == []


async def test_what_was_settled_is_left_alone(desk: Desk) -> None:
    room = await desk.ended(4)
    await desk.settle(room)
    del desk.rooms[room.id]
    desk.wait(ORPHAN_MS + 1)
    assert await reaper(desk).run_once() == 0


async def test_a_cancel_that_failed_is_wanted_once_more_a_day(desk: Desk) -> None:
    room = await desk.funded()
    del desk.rooms[room.id]
    desk.wait(ORPHAN_MS + 1)
    duty = reaper(desk)
    await duty.run_once()
    [first] = await desk.all(room, Kind.CANCEL)
    await desk.owner.execute(
        "update payment_ops set state = 'failed', applied_at_ms = 0,"
        """ outcome = '{"status": "declined", "code": "no_effect"}' where id = $1""",
        first.id,
    )
    await duty.run_once()
    assert len(await desk.all(room, Kind.CANCEL)) == 1
    desk.wait(DAY_MS + ORPHAN_MS + 1)
    await duty.run_once()
    await duty.run_once()
    assert [one.attempt for one in await desk.all(room, Kind.CANCEL)] == [1, 2]
    await desk.payments().run_once()
    [intent] = await desk.at_stripe("payment_intents", room)
    assert intent["status"] == "canceled"
