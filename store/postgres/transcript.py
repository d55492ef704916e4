"""Transcripts on record: what was delivered, sealed, in order, and chained once the session is over."""

from collections.abc import Iterable, Sequence

from rooms import chain
from rooms.chain import Link
from rooms.ids import SessionId
from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements
from store.records import StoredMessage, TranscriptRow, lost_message

SQL = statements("transcript")

PAGE = 1_000
"""Messages that one query reads."""


def whole(*sources: Iterable[StoredMessage], head_seq: int = 0) -> list[StoredMessage]:
    """One transcript out of several partial ones, dense from 1 to the highest `seq` that any of them knows.

    A message that one source has and another calls lost is there; what nobody has is lost.
    """
    known: dict[int, StoredMessage] = {}
    for message in (message for source in sources for message in source):
        if message.seq not in known or known[message.seq].lost:
            known[message.seq] = message
    highest = max([head_seq, *known])
    return [known.get(seq) or lost_message(seq) for seq in range(1, highest + 1)]


def links(messages: Iterable[StoredMessage]) -> list[Link]:
    """What the chain covers of each message."""
    return [
        Link(message.seq, None, None, None, None)
        if message.lost
        else Link(
            message.seq,
            message.id,
            message.at_ms,
            message.participant_no,
            message.body_sha256 or chain.body_digest(message.body),
        )
        for message in messages
    ]


async def append(
    db: Db,
    session_id: SessionId,
    messages: Sequence[StoredMessage],
    digests: Sequence[bytes] | None = None,
) -> None:
    """Keep messages that are not on record; with `digests`, one each, they are chained and final."""
    if not messages:
        return
    chained = links(messages)
    await db.execute(
        SQL["append"],
        session_id,
        [message.seq for message in messages],
        [link.id for link in chained],
        [link.participant_no for link in chained],
        [message.at_ms for message in messages],
        [None if message.lost else message.client_id for message in messages],
        [None if message.lost or message.removed else message.body for message in messages],
        [link.body_sha256 for link in chained],
        [None] * len(messages) if digests is None else list(digests),
        [message.lost for message in messages],
    )


async def kept(db: Db, session_id: SessionId) -> list[StoredMessage]:
    """All that is on record of a session's messages, read in pages."""
    messages: list[StoredMessage] = []
    while True:
        after = messages[-1].seq if messages else 0
        found = many(await db.fetch(SQL["kept"], session_id, after, PAGE), StoredMessage)
        messages += found
        if len(found) < PAGE:
            return messages


async def of_id(db: Db, session_id: SessionId, message_id: str) -> StoredMessage | None:
    """One message on record; None when it is not there."""
    return one(await db.fetchrow(SQL["of_id"], session_id, message_id), StoredMessage)


async def remove(db: Db, session_id: SessionId, seq: int) -> bool:
    """Forget what a message said; what the chain covers of it stays. False when that was done before."""
    return await db.fetchval(SQL["remove"], session_id, seq) is not None


async def page(db: Db, session_id: SessionId, *, after_seq: int, limit: int) -> list[TranscriptRow]:
    """Up to `limit` messages after a `seq`, as whoever the connection acts as may see them."""
    return many(await db.fetch(SQL["page"], session_id, after_seq, limit), TranscriptRow)
