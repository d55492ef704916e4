"""People, rooms and transcripts to put on record."""

from uuid import uuid4

import asyncpg
from msgspec import Struct
from msgspec.structs import replace
from uuid_utils import uuid7

from billing.payment import Kind as OperationKind
from billing.payment import Outcome, Request, State, Wanted
from rooms import room as rooms
from rooms.ids import Role, SessionId, UserId
from rooms.presence import Span
from rooms.room import Hold, Limits, Participant, Room, Terms
from store.postgres import operations, people, sessions
from store.records import StoredMessage

T0 = 1_790_000_000_000
MINUTE = 60_000
ENVIRONMENT = "test"
TERMS = Terms("per_minute", "usd", 300, 0, 2000, 50, 30_000)


class Scene(Struct, frozen=True):
    """A session that ended after ten minutes together, with its two people."""

    room: Room
    guest_id: UserId
    practitioner_id: UserId

    @property
    def id(self) -> SessionId:
        return self.room.id

    @property
    def guest(self) -> Participant:
        return self.room.guests[0]


async def someone(pool: asyncpg.Pool, role: Role, name: str) -> UserId:
    person_id = UserId(str(uuid4()))
    await people.ensure(
        pool, person_id=person_id, role=role, name=name, email=f"{name.lower()}@example.com", now_ms=T0
    )
    return person_id


async def practise(pool: asyncpg.Pool, person_id: UserId, *, verified: bool = True) -> None:
    await pool.execute(
        "insert into practices (practitioner_id, headline, topics, rate_minor_per_minute, currency,"
        " stripe_account, transfers_active, verified_at_ms)"
        " values ($1, 'Breath work', '{breath,sleep}', 300, 'usd', $2, true, $3)",
        person_id,
        f"acct_{person_id[:8]}",
        T0 if verified else None,
    )


def ended_room(guest_id: UserId, practitioner_id: UserId, *, terms: Terms = TERMS, minutes: int = 10) -> Room:
    """Both present from one minute after the start, for `minutes`; the guest came half a minute early."""
    live_ms = T0 + MINUTE
    end_ms = live_ms + minutes * MINUTE
    held = Hold("placed", (1,), funded_ms=20 * MINUTE)
    return Room(
        id=SessionId(str(uuid7())),
        kind="instant",
        state=rooms.State.ENDED,
        practitioner=Participant(0, practitioner_id, "Pia", "practitioner", spans=(Span(live_ms, end_ms),)),
        guests=(
            Participant(
                1,
                guest_id,
                "Gus",
                "guest",
                spans=(Span(live_ms - 30_000, end_ms),),
                hold=None if terms.kind == "free" else held,
            ),
        ),
        seats=1,
        terms=terms,
        limits=Limits(),
        requested_at_ms=T0,
        clock_ms=end_ms,
        version=9,
        offered_at_ms=T0 + 1,
        accepted_at_ms=T0 + 2,
        live_at_ms=live_ms,
        ended_at_ms=end_ms,
        end_reason="ended_by_guest",
    )


async def ended_scene(pool: asyncpg.Pool, *, terms: Terms = TERMS) -> Scene:
    """An ended session, requested on record, its hold placed at Stripe."""
    guest_id = await someone(pool, "guest", "Gus")
    practitioner_id = await someone(pool, "practitioner", "Pia")
    await practise(pool, practitioner_id)
    room = ended_room(guest_id, practitioner_id, terms=terms)
    asked = replace(room, state=rooms.State.REQUESTED, ended_at_ms=None, end_reason=None, version=1)
    hold = None if terms.kind == "free" else a_hold()
    await sessions.insert_request(pool, asked, environment=ENVIRONMENT, hold=hold, now_ms=T0)
    if hold is not None:
        await place_hold(pool, room.id)
    return Scene(room, guest_id, practitioner_id)


def a_hold(ordinal: int = 1) -> Wanted:
    return Wanted(OperationKind.HOLD, ordinal, 6_000, "usd", Request({"amount": 6_000}), T0)


async def place_hold(pool: asyncpg.Pool, session_id: SessionId) -> None:
    """As the payments worker does it, without Stripe."""
    (hold,) = await operations.operations(pool, session_id)
    await operations.outcome(
        pool,
        hold.id,
        State.SUCCEEDED,
        next_at_ms=T0,
        stripe_id=f"pi_{session_id}",
        outcome=Outcome("placed", 6_000, charge="ch_1"),
    )


def messages(count: int, *, first: int = 1) -> list[StoredMessage]:
    """A transcript of sealed bodies, the two people by turns."""
    return [
        StoredMessage(seq, str(uuid7()), seq % 2, T0 + seq, f"c{seq}", b"sealed %d" % seq)
        for seq in range(first, first + count)
    ]
