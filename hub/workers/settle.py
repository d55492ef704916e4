"""Puts what is over on record: one guest's part at a time, exactly once, whatever dies and whenever.

The queue's entry is only a wake-up. It leaves the queue after the commit, so a crash anywhere before repeats
the work, and the settlement's key absorbs the repeat.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

import asyncpg
import structlog
from redis.exceptions import RedisError

from billing.payment import Kind
from billing.settlement import TRANSFER_DELAY_MS, held, settle
from hub.moderation import kicking
from hub.workers import releasing, wronged
from rooms import media
from rooms.ids import SessionId, UserId
from rooms.room import OVER, Participant, Room
from store.postgres import checkpoints, live_rooms, payments, settlements, transcript
from store.postgres.cases import open_case
from store.records import StoredMessage
from store.redis.rooms import decode_room
from store.redis.settlements import Entry
from store.redis.turns import Loaded

log = structlog.get_logger()

TAKEN = 50
"""Entries that one run takes on; the pool says how many of them go on at the same moment."""
TRIES = 5
"""Failures of one entry, for reasons of its own, after which a person is told."""
TRIES_KEPT = 10_000

# Somebody else's trouble: the stores are away or busy. Nothing is wrong with the entry.
PASSING = (
    OSError,
    TimeoutError,
    RedisError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
)


class Queue(Protocol):
    """Parts of sessions that wait to be put on record."""

    async def take(self, limit: int) -> list[Entry]:
        """New entries, and those that dead workers left."""

    async def done(self, entry: Entry) -> None:
        """The part is on record, and with it the whole session."""

    async def answered(self, entry: Entry) -> None:
        """The part is on record; others of its room are not yet."""


class Rooms(Protocol):
    """Where rooms that are over still lie, frozen."""

    async def load(self, session_id: SessionId) -> Loaded | None:
        """The room, or None when it is not there."""


class Chat(Protocol):
    """Where the messages of rooms still lie."""

    async def transcript(self, session_id: SessionId) -> list[StoredMessage]:
        """All messages in order."""


class Unfinished(Exception):
    """The session is not over as far as anyone knows: the recovery of rooms has to go first."""


class _Found(NamedTuple):
    """A room to settle by, how many messages it had, and whether they lie in the live store."""

    room: Room
    head_seq: int
    in_store: bool


class Settle:
    """The settlement worker. `settled(session_id)` is told of sessions with nothing left to do at Stripe.

    `media_longest_ms` is the longest that a token for the media channel lasts; None where no vendor has one.
    """

    def __init__(
        self,
        *,
        pool: asyncpg.Pool,
        queue: Queue,
        rooms: Rooms,
        chat: Chat,
        environment: str,
        now_ms: Callable[[], int],
        settled: Callable[[SessionId], Awaitable[None]],
        transfer_delay_ms: int = TRANSFER_DELAY_MS,
        media_longest_ms: int | None = None,
    ) -> None:
        self._pool = pool
        self._queue = queue
        self._rooms = rooms
        self._chat = chat
        self._environment = environment
        self._now_ms = now_ms
        self._settled = settled
        self._transfer_delay_ms = transfer_delay_ms
        self._media_longest_ms = media_longest_ms
        self._failures: Counter[Entry] = Counter()

    async def run_once(self) -> int:
        """Put what waits on record; how many parts left the queue.

        Raises when a store is away: the entries stay, and come again to whichever worker asks.
        """
        entries = await self._queue.take(TAKEN)
        outcomes = await asyncio.gather(*map(self._try, entries))
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return sum(outcome is True for outcome in outcomes)

    async def _try(self, entry: Entry) -> bool | BaseException:
        """One entry; others go on whatever becomes of it. A passing trouble is given back, to be raised."""
        try:
            await self.settle(entry)
        except PASSING as trouble:
            return trouble
        except Exception as error:  # noqa: BLE001 - one bad entry must not hold up all others
            await self._report(entry, error)
            return False
        self._failures.pop(entry, None)
        return True

    async def settle(self, entry: Entry) -> bool:
        """Put one part on record and take it out of the queue; False when it was on record already."""
        found = await self._found(entry.session_id)
        if found is not None and found.room.kind == "live_room":
            return await self._settle_part(entry, found)
        committed = found is not None and await self._record(
            _over(found.room), _guest(found.room, entry.guest_id), await self._messages(found)
        )
        # Only now: a crash before this line repeats the work, and the settlement's key absorbs it.
        await self._queue.done(entry)
        return committed

    async def _settle_part(self, entry: Entry, found: _Found) -> bool:
        """A guest's part of a live room, as soon as it is over: who left is not charged hours later. With the
        entry of its host the room's transcript is kept, once, however many guests there were.
        """
        room = found.room
        person = room.participant(entry.guest_id)
        if person is None:
            raise LookupError("The entry names somebody who is not in the room.")
        committed = False
        if person.no == 0:
            committed = await self._close(_over(room), await self._messages(found))
        elif room.of(person).state in OVER:
            committed = await self._record(room, person, None)
            await self._put_out(room, person)
        elif person.lobby == "refused":
            await releasing.release(self._pool, room, person, self._environment, now_ms=self._now_ms())
        # The room stays until nothing of it is left to settle: it may be all there is to settle the rest by.
        complete = room.state in OVER and not await live_rooms.unsettled(self._pool, room.id)
        await (self._queue.done(entry) if complete else self._queue.answered(entry))
        return committed

    async def _put_out(self, room: Room, guest: Participant) -> None:
        """Whose part is over in a room that goes on must not see and hear on: their token would let them."""
        if room.state in OVER or guest.ended_at_ms is None or self._media_longest_ms is None:
            return
        await kicking.order(
            self._pool,
            session_id=room.id,
            user_id=guest.user_id,
            channel=media.channel(room.id),
            uid=guest.no + media.FIRST_UID,
            seconds=-(-(self._media_longest_ms + room.limits.grace_ms) // 1000),
            now_ms=guest.ended_at_ms,
        )

    async def _close(self, room: Room, messages: list[StoredMessage]) -> bool:
        async with self._pool.acquire() as connection:
            await settlements.close_record(connection, room, messages)
            await wronged.give_back(connection, room, now_ms=self._now_ms())
            over = await payments.is_charged(connection, room.id)
        if over:
            await self._settled(room.id)
        return True

    async def _record(self, room: Room, guest: Participant, messages: list[StoredMessage] | None) -> bool:
        async with self._pool.acquire() as connection:
            holds = await settlements.holds(connection, room.id, guest.no)
            destination = await settlements.destination(connection, room.practitioner.user_id)
            bill = settle(
                room,
                guest,
                held=tuple(map(held, holds)),
                destination=destination,
                transfer_delay_ms=self._transfer_delay_ms,
            )
            committed = await settlements.commit(
                connection, room, bill, messages, environment=self._environment, now_ms=self._now_ms()
            )
            # With charges and holds to see to there is something to do; their worker tells when it is done.
            waits = committed and any(one.kind is not Kind.TRANSFER for one in bill.operations)
            over = not waits and await payments.is_charged(connection, room.id)
        if over:
            await self._settled(room.id)
        return committed

    async def _found(self, session_id: SessionId) -> _Found | None:
        """The room as it ended; None when it is on record and gone."""
        loaded = await self._rooms.load(session_id)
        if loaded is not None:
            return _Found(loaded.room, loaded.seq, in_store=True)
        seen = await checkpoints.checkpoint(self._pool, session_id)
        # `over` is final, so a checkpoint that says it is as good as the frozen room.
        return None if seen is None else _Found(decode_room(seen.room), seen.head_seq, in_store=False)

    async def _messages(self, found: _Found) -> list[StoredMessage]:
        """All that was said in it."""
        session_id = found.room.id
        if not found.in_store:
            kept = await transcript.kept(self._pool, session_id)
            return transcript.whole(kept, head_seq=found.head_seq)
        messages = await self._chat.transcript(session_id)
        if len(messages) < found.head_seq:
            # The store lost some of them; what the hubs had put beside the checkpoint fills in.
            kept = await transcript.kept(self._pool, session_id)
            messages = transcript.whole(messages, kept, head_seq=found.head_seq)
        return messages

    async def _report(self, entry: Entry, error: Exception) -> None:
        self._failures[entry] += 1
        failures = self._failures[entry]
        log.error("settle.failed", session_id=entry.session_id, error=type(error).__name__, failures=failures)
        if len(self._failures) > TRIES_KEPT:
            self._failures.clear()
        if failures >= TRIES:
            await open_case(
                self._pool,
                "settlement_failed",
                session_id=entry.session_id,
                detail={"error": type(error).__name__, "failures": failures},
                now_ms=self._now_ms(),
            )


def _over(room: Room) -> Room:
    if room.state not in OVER:
        raise Unfinished(f"The session is {room.state}.")
    return room


def _guest(room: Room, guest_id: UserId) -> Participant:
    guest = room.participant(guest_id)
    if guest is None or guest.no == 0:
        raise LookupError("The entry names a guest who is not in the room.")
    return guest
