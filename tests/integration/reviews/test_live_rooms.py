"""A guest's part of a live room is reviewed from its own end on, while the room may go on."""

from rooms.ids import SessionId, UserId
from store.postgres import reviews as rows
from tests.integration.reviews.desk import DAY_MS, Desk

KIND = "She listened, and it helped me a lot."


async def left(desk: Desk) -> tuple[UserId, SessionId]:
    """A guest who left a live room a minute ago, and has paid; the room goes on."""
    guest, host = await desk.person("guest"), await desk.practitioner()
    session_id = await desk.settled(guest, host, state="live")
    await desk.owner.execute(
        "update sessions set kind = 'live_room', ended_at_ms = null where id = $1", session_id
    )
    await desk.owner.execute(
        "update participants set part_ended_at_ms = $2 where session_id = $1 and no = 1",
        session_id,
        desk.clock.ms - 60_000,
    )
    return guest, session_id


async def test_who_has_left_and_paid_need_not_wait_for_the_others(desk: Desk) -> None:
    guest, session_id = await left(desk)
    part = await rows.attended(desk.hub.pool, session_id, guest)
    assert part is not None
    assert (part.settled, part.paid, part.ended_at_ms) == (True, True, desk.clock.ms - 60_000)


async def test_the_days_are_counted_from_the_end_of_the_part(desk: Desk) -> None:
    guest, session_id = await left(desk)
    await desk.owner.execute(
        "update sessions set state = 'settled', ended_at_ms = $2 where id = $1",
        session_id,
        desk.clock.ms + DAY_MS,
    )
    part = await rows.attended(desk.hub.pool, session_id, guest)
    assert part is not None
    assert part.ended_at_ms == desk.clock.ms - 60_000
