"""The settlement on record: transcript, meter, bill, ledger and payment operations, all or nothing."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from billing import ledger
from billing.ledger import Entry
from billing.payment import Operation
from billing.settlement import Settlement
from rooms import chain
from rooms.ids import SessionId, UserId
from rooms.presence import Spans, intersection, within
from rooms.room import Participant, Room
from store.postgres import checkpoints, free_time, live_rooms, operations, sessions, transcript
from store.postgres.pool import Db, Transacting
from store.postgres.rows import many, one
from store.postgres.statements import statements
from store.records import Receipt, StoredMessage

SQL = statements("settlements")

SPANS_OF_ONE: Final = 100_000
"""More spans than one guest's bill has: each guest of a live room has a range of the host's of their own."""


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
    messages: Sequence[StoredMessage] | None,
    *,
    environment: str,
    now_ms: int,
) -> bool:
    """Put one guest's part of a session that is over on record; False when it was there already.

    `messages` is the whole transcript, dense from 1; None for a guest's part of a live room, whose transcript
    `close_record` keeps. One transaction of nine round trips at most. Of two workers with the same part the
    second waits for the first, and finds it done.
    """
    digests: list[bytes] = []
    async with connection.transaction():
        if messages is None:
            await _save_part(connection, room, settlement)
        else:
            digests = await _save_with_head(connection, room, messages)
        if not await insert_settlement(connection, room, settlement, now_ms=now_ms):
            return False
        if messages is not None:
            await transcript.append(connection, room.id, messages, digests)
        await book(
            connection,
            room.id,
            settlement.participant_no,
            kind="settlement" if settlement.kind == "time" else settlement.kind,
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


async def close_record(connection: Transacting, room: Room, messages: Sequence[StoredMessage]) -> None:
    """Complete the record of a live room that is over: its transcript and its chain. Repeated, it changes
    nothing.
    """
    async with connection.transaction():
        digests = await _save_with_head(connection, room, messages)
        await transcript.append(connection, room.id, messages, digests)
        await live_rooms.note_speakers(connection, room.id)
        await live_rooms.close(connection, room.id, room.ended_at_ms or room.clock_ms)
        await checkpoints.drop_checkpoint(connection, room.id)


async def _save_with_head(
    connection: Transacting, room: Room, messages: Sequence[StoredMessage]
) -> list[bytes]:
    digests = chain.digests(room.id, transcript.links(messages))
    head = digests[-1] if digests else chain.genesis(room.id)
    await sessions.save_session(connection, room, transcript_head=head, message_count=len(messages))
    return digests


async def _save_part(connection: Transacting, room: Room, settlement: Settlement) -> None:
    """The session as it stands, and the one guest: the others' parts are settled in their own time."""
    parts = tuple(guest for guest in room.guests if guest.no == settlement.participant_no)
    await sessions.save_session(connection, replace(room, guests=parts))
    for guest in parts:
        await live_rooms.end_part(connection, room, guest)


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
        settlement.kind,
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
        if person.no == settlement.participant_no:
            yield from _numbered(person.no, "present", _presence(room, person))
        elif person.no == 0 and room.kind == "live_room":
            # The host's as far as this bill rests on it; other guests' rest on theirs.
            proven = intersection(_presence(room, person), settlement.intervals)
            first = settlement.participant_no * SPANS_OF_ONE
            yield from _numbered(0, "present", proven, first=first)
        elif person.no == 0:
            yield from _numbered(person.no, "present", _presence(room, person))


def _presence(room: Room, person: Participant) -> Spans:
    end_ms = room.clock_ms if room.ended_at_ms is None else room.ended_at_ms
    return within(person.presence(end_ms), 0, end_ms)


def _numbered(participant_no: int, kind: str, spans: Spans, *, first: int = 0) -> Iterator[_Row]:
    for ordinal, span in enumerate(spans, first):
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
