"""The settlement on record: transcript, meter, bill, ledger and payment operations, all or nothing."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from billing import ledger
from billing.ledger import Entry
from billing.payment import Operation
from billing.settlement import Settlement
from rooms import chain
from rooms.ids import SessionId, UserId
from rooms.presence import Spans, within
from rooms.room import Participant, Room
from store.postgres import checkpoints, free_time, operations, sessions, transcript
from store.postgres.pool import Db, Transacting
from store.postgres.rows import many, one
from store.postgres.statements import statements
from store.records import Receipt, StoredMessage

SQL = statements("settlements")


class _Row(NamedTuple):
    """A span as a row of `intervals`."""

    participant_no: int
    kind: str
    ordinal: int
    from_ms: int
    to_ms: int


async def holds(db: Db, session_id: SessionId, participant_no: int) -> list[Operation]:
    """The guest's holds in order."""
    return many(await db.fetch(SQL["holds"], session_id, participant_no), Operation)


async def destination(db: Db, practitioner_id: UserId) -> str | None:
    """The practitioner's connected account; None while Stripe does not pay out to it."""
    account: str | None = await db.fetchval(SQL["destination"], practitioner_id)
    return account


async def commit(
    connection: Transacting,
    room: Room,
    settlement: Settlement,
    messages: Sequence[StoredMessage],
    *,
    environment: str,
    now_ms: int,
) -> bool:
    """Put one guest's part of a session that is over on record; False when it was there already.

    `messages` is the whole transcript, dense from 1. One transaction of nine round trips at most. Of two
    workers with the same part the second waits for the first, and finds it done.
    """
    digests = chain.digests(room.id, transcript.links(messages))
    head = digests[-1] if digests else chain.genesis(room.id)
    async with connection.transaction():
        await sessions.save_session(connection, room, transcript_head=head, message_count=len(messages))
        if not await insert_settlement(connection, room, settlement, now_ms=now_ms):
            return False
        await transcript.append(connection, room.id, messages, digests)
        await book(
            connection,
            room.id,
            settlement.participant_no,
            kind="settlement",
            ordinal=0,
            entries=settlement.ledger,
            now_ms=now_ms,
        )
        await book(
            connection,
            room.id,
            settlement.participant_no,
            kind="promotion",
            ordinal=0,
            entries=ledger.promoted(settlement.promotion_minor, settlement.currency),
            now_ms=now_ms,
        )
        await operations.insert_operations(
            connection,
            environment,
            room.id,
            settlement.participant_no,
            settlement.operations,
            now_ms=now_ms,
        )
        if room.terms.free_ms:
            used = settlement.free_ms > 0
            await free_time.close_grant(connection, room.id, settlement.user_id, used=used, now_ms=now_ms)
        await checkpoints.drop_checkpoint(connection, room.id)
        return True


async def insert_settlement(db: Db, room: Room, settlement: Settlement, *, now_ms: int) -> bool:
    """The bill and the spans it rests on; False when this part was settled before."""
    spans = list(_spans(room, settlement))
    settled = await db.fetchval(
        SQL["insert_settlement"],
        settlement.session_id,
        settlement.participant_no,
        settlement.billed_ms,
        settlement.free_ms,
        settlement.rate_minor_per_minute,
        settlement.subtotal_minor,
        settlement.fee_minor,
        settlement.practitioner_minor,
        settlement.total_minor,
        settlement.promotion_minor,
        settlement.currency,
        settlement.waived,
        now_ms,
        [span.participant_no for span in spans],
        [span.kind for span in spans],
        [span.ordinal for span in spans],
        [span.from_ms for span in spans],
        [span.to_ms for span in spans],
    )
    return settled is not None


def _spans(room: Room, settlement: Settlement) -> Iterator[_Row]:
    """What was billed, and the presence of both sides that proves it."""
    yield from _numbered(settlement.participant_no, "billed", settlement.intervals)
    for person in room.people:
        if person.no in (0, settlement.participant_no):
            yield from _numbered(person.no, "present", _presence(room, person))


def _presence(room: Room, person: Participant) -> Spans:
    end_ms = room.clock_ms if room.ended_at_ms is None else room.ended_at_ms
    return within(person.presence(end_ms), 0, end_ms)


def _numbered(participant_no: int, kind: str, spans: Spans) -> Iterator[_Row]:
    for ordinal, span in enumerate(spans):
        yield _Row(participant_no, kind, ordinal, span.from_ms, span.to_ms)


async def book(
    db: Db,
    session_id: SessionId,
    participant_no: int,
    *,
    kind: str,
    ordinal: int,
    entries: Sequence[Entry],
    now_ms: int,
) -> bool:
    """One ledger transaction, once; False when it was booked before or there is nothing to book.

    Its entries must sum to zero in each currency, or the commit fails.
    """
    if not entries:
        return False
    booked = await db.fetchval(
        SQL["book"],
        session_id,
        participant_no,
        kind,
        ordinal,
        now_ms,
        [entry.account.value for entry in entries],
        [entry.amount_minor for entry in entries],
        [entry.currency for entry in entries],
    )
    return booked is not None


async def receipt(db: Db, session_id: SessionId, participant_no: int | None = None) -> Receipt | None:
    """The bill of a guest, as whoever the connection acts as may see it: their own, or as host any."""
    return one(await db.fetchrow(SQL["receipt"], session_id, participant_no), Receipt)
