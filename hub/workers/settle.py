"""Puts what is over on record: one guest's part at a time, exactly once, whatever dies and whenever.

The queue's entry is only a wake-up. It leaves the queue after the commit, so a crash anywhere before repeats
the work, and the settlement's key absorbs the repeat.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Protocol

import asyncpg
import structlog
from redis.exceptions import RedisError

from billing.payment import Kind
from billing.settlement import TRANSFER_DELAY_MS, held, settle
from rooms.ids import SessionId, UserId
from rooms.room import OVER, Participant, Room
from store.postgres import checkpoints, payments, settlements, transcript
from store.postgres.cases import open_case
from store.records import StoredMessage
from store.redis.rooms import Loaded, decode_room
from store.redis.settlements import Entry

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
        """The part is on record."""


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


class Settle:
    """The settlement worker. `settled(session_id)` is told of sessions with nothing left to do at Stripe."""

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
    ) -> None:
        self._pool = pool
        self._queue = queue
        self._rooms = rooms
        self._chat = chat
        self._environment = environment
        self._now_ms = now_ms
        self._settled = settled
        self._transfer_delay_ms = transfer_delay_ms
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
        found = await self._frozen(entry.session_id)
        committed = found is not None and await self._record(entry, *found)
        # Only now: a crash before this line repeats the work, and the settlement's key absorbs it.
        await self._queue.done(entry)
        return committed

    async def _record(self, entry: Entry, room: Room, messages: list[StoredMessage]) -> bool:
        guest = _guest(room, entry.guest_id)
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

    async def _frozen(self, session_id: SessionId) -> tuple[Room, list[StoredMessage]] | None:
        """The room as it ended, and all that was said; None when it is on record and gone."""
        loaded = await self._rooms.load(session_id)
        if loaded is not None:
            messages = await self._chat.transcript(session_id)
            if len(messages) < loaded.seq:
                # The store lost some of them; what the hubs had put beside the checkpoint fills in.
                kept = await transcript.kept(self._pool, session_id)
                messages = transcript.whole(messages, kept, head_seq=loaded.seq)
            return _over(loaded.room), messages
        seen = await checkpoints.checkpoint(self._pool, session_id)
        if seen is None:
            return None
        # `over` is final, so a checkpoint that says it is as good as the frozen room.
        kept = await transcript.kept(self._pool, session_id)
        return _over(decode_room(seen.room)), transcript.whole(kept, head_seq=seen.head_seq)

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
