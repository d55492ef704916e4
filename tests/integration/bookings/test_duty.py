"""The duty about bookings: killed after every step it converges; what was missed while nobody ran is nobody's
fault; and neither people nor money are held twice.
"""

import asyncio
from uuid import uuid4

import asyncpg
import pytest
from msgspec.structs import replace

from billing.payment import Outcome, State
from hub.bookings.calling_off import call_off_all
from hub.money.funding import Funding
from rooms import booked
from rooms.bookings import times
from rooms.errors import NotFound
from rooms.ids import ConnectionId, HubId, SessionId
from rooms.room import State as RoomState
from rooms.session import join
from store.postgres import bookings, epochs, invariant, sessions
from tests.integration.bookings.office import HOUR_MS, MINUTE_MS, Office, terms_of
from tests.integration.bookings.parts import TIMES

PLACED = Outcome("placed", 3_000, charge="ch_1")


@pytest.mark.parametrize("step", ["claimed", "recorded", "asked"])
async def test_killed_before_the_money_is_held_there_is_one_room_and_one_hold(
    office: Office, step: str
) -> None:
    booking = await office.book(starts_in_ms=30 * MINUTE_MS)
    await office.killed(step)
    await office.run(3)
    room = await office.room(booking)
    assert (room.state, room.kind) == (RoomState.REQUESTED, "booked")
    assert [(one.ordinal, one.attempt, one.amount_minor) for one in await office.holds(booking)] == [
        (1, 1, 3_000)
    ]
    assert await sessions.state(office.pool, booking.id) is RoomState.REQUESTED
    await office.answer(booking, PLACED)
    await office.run(2)
    assert (await office.room(booking)).state is RoomState.REQUESTED
    assert await office.people.held_by(booking.practitioner_id) is None


@pytest.mark.parametrize("step", ["claimed", "recorded", "asked", "held", "opened"])
async def test_killed_around_the_lobby_it_opens_once_and_both_belong_to_it(office: Office, step: str) -> None:
    booking = await office.book(starts_in_ms=5 * MINUTE_MS, rate_minor=0)
    await office.killed(step)
    await office.run(3)
    room = await office.room(booking)
    assert room.state is RoomState.WAITING
    for user_id in (booking.practitioner_id, booking.guest_id):
        standing = await office.people.standing(user_id)
        assert (standing.session_id, standing.confirmed) == (booking.id, True)
    version = room.version
    await office.run(3)
    assert (await office.room(booking)).version == version


async def test_killed_after_calling_off_it_is_told_by_the_next(office: Office) -> None:
    booking = await office.book(starts_in_ms=-HOUR_MS)
    await office.killed("called_off")
    over = await office.now(booking)
    assert (over.state, over.end_reason) == ("cancelled", "not_opened")
    assert over.told_version < over.version
    office.ahead_ms += 60_000
    await office.run()
    over = await office.now(booking)
    assert over.told_version == over.version


async def test_what_began_while_nobody_ran_is_nobodys_fault(office: Office) -> None:
    lost = [await office.book(starts_in_ms=-minutes * MINUTE_MS) for minutes in (10, 61, 24 * 60)]
    late = await office.book(starts_in_ms=-9 * MINUTE_MS, rate_minor=0)
    await office.run(2)
    for booking in lost:
        found = await office.now(booking)
        assert (found.state, found.end_reason) == ("cancelled", "not_opened")
        assert await office.holds(booking) == []
        with pytest.raises(NotFound):
            await office.room(booking)
    # Nine minutes late, and the lobby opens all the same.
    assert (await office.room(late)).state is RoomState.WAITING


async def test_many_duties_at_once_do_each_thing_once(office: Office) -> None:
    made = [await office.book(starts_in_ms=5 * MINUTE_MS, rate_minor=0) for _ in range(6)]
    priced = await office.book(starts_in_ms=5 * MINUTE_MS)
    for _ in range(3):
        await office.owner.execute("update bookings set due_at_ms = 0, lease_until_ms = 0")
        # Also those that believe that another one's lease is over.
        await asyncio.gather(*(office.duty().run_once() for _ in range(8)))
    for booking in made:
        assert (await office.room(booking)).state is RoomState.WAITING
    assert len(await office.holds(priced)) == 1


async def test_a_card_that_is_mended_is_asked_once(office: Office) -> None:
    booking = await office.book(starts_in_ms=30 * MINUTE_MS)
    await office.run()
    await office.answer(booking, Outcome("declined", code="card_declined"))
    await office.run(2)
    assert (await office.room(booking)).guests[0].hold.status == "declined"  # type: ignore[union-attr]
    assert len(await office.holds(booking)) == 1
    await office.card(booking.guest_id, "pm_2")
    for step in ("recorded", "asked"):
        await office.owner.execute("update bookings set due_at_ms = 0")
        await office.killed(step)
    await office.run(2)
    asked = await office.holds(booking)
    assert [(one.ordinal, one.attempt) for one in asked] == [(1, 1), (1, 2)]
    assert asked[1].state is State.PENDING
    assert asked[1].params.body["metadata"] == {"session_id": booking.id, "operation": "1:hold:1:2"}
    await office.answer(booking, PLACED)
    assert (await office.room(booking)).guests[0].hold.funded_ms == 10 * MINUTE_MS  # type: ignore[union-attr]


async def test_who_has_no_card_is_told_and_can_save_one(office: Office) -> None:
    guest = await office.person("guest", card=False)
    booking = await office.book(starts_in_ms=30 * MINUTE_MS, guest=guest)
    await office.run(2)
    assert await office.holds(booking) == []
    assert (await office.room(booking)).guests[0].hold.status == "declined"  # type: ignore[union-attr]
    await office.card(guest, "pm_9")
    await office.run(2)
    assert len(await office.holds(booking)) == 1


async def test_whoever_is_in_another_session_gives_way(office: Office) -> None:
    booking = await office.book(starts_in_ms=5 * MINUTE_MS, rate_minor=0)
    others = [await office.book(starts_in_ms=5 * MINUTE_MS, rate_minor=0) for _ in range(2)]
    await office.run()
    (other, third) = others
    # As if both people were held by sessions of theirs that run.
    await office.people.release(booking.practitioner_id, booking.id)
    assert await office.people.reserve(booking.practitioner_id, other.id, must_be_online=False) is None
    await office.people.confirm(booking.practitioner_id, other.id)
    await office.run()
    # The lock named a session that this person is not in: it is free.
    assert await office.people.held_by(booking.practitioner_id) == booking.id
    assert (await office.room(other)).state is RoomState.WAITING
    assert (await office.room(third)).state is RoomState.WAITING


async def test_somebody_suspended_is_called_off_before_and_after_the_room(office: Office) -> None:
    first = await office.book(starts_in_ms=3 * HOUR_MS)
    second = await office.book(starts_in_ms=30 * MINUTE_MS)
    kept = await office.book(starts_in_ms=3 * HOUR_MS)
    await office.run()
    assert (await office.room(second)).state is RoomState.REQUESTED
    for user_id, until_ms in (
        (first.practitioner_id, None),
        (second.guest_id, None),
        (kept.guest_id, kept.starts_at_ms - 1),
    ):
        action = str(uuid4())
        await office.owner.execute(
            "insert into moderation_actions (id, session_id, actor_id, user_id, action, reason, note,"
            " created_at_ms) values ($1, $1, $1, $2, 'suspend', 'conduct', '', 0)",
            action,
            user_id,
        )
        await office.owner.execute(
            "insert into suspensions (action_id, user_id, reason, from_ms, until_ms)"
            " values ($1, $2, 'conduct', 0, $3)",
            action,
            user_id,
            until_ms,
        )
    await office.run(2)
    assert (await office.now(first)).end_reason == "booking_called_off"
    over = await office.room(second)
    assert (over.state, over.end_reason) == (RoomState.CANCELLED, "booking_called_off")
    assert (await office.now(kept)).state == "booked"


async def test_the_record_follows_the_room_in_the_settlements_own_transaction(office: Office) -> None:
    booking = await office.book(starts_in_ms=5 * MINUTE_MS)
    await office.run()
    await office.answer(booking, PLACED)
    await office.run()
    assert (await office.room(booking)).state is RoomState.WAITING
    await office.live.change(
        booking.id, lambda room, *, now_ms: booked.cancel(room, booking.guest_id, now_ms=now_ms)
    )
    assert (await office.now(booking)).state == "booked"
    await office.settle(booking)
    over = await office.now(booking)
    assert (over.state, over.end_reason) == ("cancelled", "booking_cancelled_late")
    (bill,) = await office.owner.fetch("select * from settlements where session_id = $1", booking.id)
    assert (bill["kind"], bill["total_minor"], bill["billed_ms"]) == ("missed", 3_000, 0)
    (booked_as,) = await office.owner.fetch(
        "select kind from ledger_transactions where session_id = $1", booking.id
    )
    assert booked_as["kind"] == "missed"
    for name in ("missed_fees_were_agreed", "settlements_add_up", "ledger_sums_to_zero"):
        assert await invariant.broken(office.owner, name, now_ms=office.now_ms()) == []
    await office.owner.execute("update bookings set missed_minor = 2999 where id = $1", booking.id)
    broken = await invariant.broken(office.owner, "missed_fees_were_agreed", now_ms=office.now_ms())
    assert [str(row["session_id"]) for row in broken] == [booking.id]
    await office.owner.execute("update bookings set missed_minor = 3000 where id = $1", booking.id)


async def test_a_guest_who_is_there_goes_live_at_the_start_and_not_before(office: Office) -> None:
    booking = await office.book(starts_in_ms=5 * MINUTE_MS, rate_minor=0)
    await office.run()
    for n, user_id in enumerate((booking.guest_id, booking.practitioner_id)):
        await office.live.change(
            booking.id,
            lambda room, *, now_ms, n=n, user_id=user_id: join(
                room, user_id, connection=ConnectionId(f"c{n}"), hub=HubId("worker"), now_ms=now_ms
            ),
        )
    assert (await office.room(booking)).state is RoomState.WAITING


async def test_two_bookings_of_a_person_never_overlap_whoever_races(office: Office) -> None:
    host, guest = await office.person("practitioner"), await office.person("guest")
    guests = [await office.person("guest") for _ in range(10)]
    hosts = [await office.person("practitioner") for _ in range(10)]

    async def wish(**who: object) -> bool:
        try:
            await office.book(starts_in_ms=3 * HOUR_MS, buffer_ms=10 * MINUTE_MS, **who)  # type: ignore[arg-type]
        except asyncpg.ExclusionViolationError:
            return False
        return True

    by_host = [wish(host=host, guest=one) for one in guests]
    by_guest = [wish(host=one, guest=guest) for one in hosts]
    assert sum(await asyncio.gather(*by_host)) == 1
    assert sum(await asyncio.gather(*by_guest)) == 1
    with pytest.raises(asyncpg.ExclusionViolationError):
        await office.book(
            starts_in_ms=3 * HOUR_MS + 35 * MINUTE_MS, host=host, guest=await office.person("guest")
        )
    await office.book(
        starts_in_ms=3 * HOUR_MS + 41 * MINUTE_MS, host=host, guest=await office.person("guest")
    )


async def test_raw_rows_that_race_without_locks_are_refused_by_the_table(office: Office) -> None:
    host = await office.person("practitioner")
    terms = terms_of(0, 30)
    start = office.now_ms() + HOUR_MS

    async def raw() -> bool:
        try:
            made = await bookings.insert_booking(
                office.pool,
                SessionId(str(uuid4())),
                host,
                await office.person("guest"),
                str(uuid4()),
                replace(terms),
                starts_at_ms=start,
                ends_at_ms=start + HOUR_MS,
                buffer_ms=0,
                free_until_ms=start,
                due_at_ms=times.room_at_ms(TIMES, start, free=True),
                now_ms=office.now_ms(),
            )
        except (asyncpg.ExclusionViolationError, asyncpg.DeadlockDetectedError):
            return False
        return made is not None

    assert sum(await asyncio.gather(*(raw() for _ in range(20)))) == 1


async def test_a_store_that_forgot_everything_gets_the_booking_back_and_it_goes_on(office: Office) -> None:
    booking = await office.book(starts_in_ms=30 * MINUTE_MS)
    soon = await office.book(starts_in_ms=5 * MINUTE_MS)
    await office.run()
    for one in (booking, soon):
        await office.answer(one, PLACED)
    await office.run()
    assert (await office.room(soon)).state is RoomState.WAITING
    await office.redis.flushall()
    seen = await epochs.read(office.pool)
    assert seen is not None
    await epochs.begin(office.pool, str(uuid4()), seen=seen.epoch, now_ms=office.now_ms())
    # While nobody knows what is lost, nothing is made anew.
    await office.run()
    with pytest.raises(NotFound):
        await office.room(booking)
    await office.recover()
    # Nobody was connected, so the lobby is opened once more, for the hold that was placed before.
    for one in (booking, soon):
        assert (await office.room(one)).state is RoomState.REQUESTED
        assert await office.people.held_by(one.guest_id) is None
        known = (await office.holds(one))[-1]
        await Funding(office.live, office.pool).apply(known, PLACED)
    await office.run(2)
    assert (await office.room(booking)).state is RoomState.REQUESTED
    assert (await office.room(soon)).state is RoomState.WAITING
    assert len(await office.holds(soon)) == 1


async def test_whoever_leaves_takes_all_their_bookings_along(office: Office) -> None:
    host = await office.person("practitioner")
    far = await office.book(starts_in_ms=3 * HOUR_MS, host=host)
    near = await office.book(starts_in_ms=30 * MINUTE_MS, host=host)
    await office.run()
    for _ in range(2):
        await call_off_all(office.pool, office.live, office.people, host, now_ms=office.now_ms)
    assert (await office.now(far)).end_reason == "booking_called_off"
    assert (await office.room(near)).end_reason == "booking_called_off"
