"""Transcripts as a party to the session reads them: opened page by page, with their chain.

A session that is over is read from the record, under row-level security; an open one from the live store.
"""

from collections.abc import AsyncIterator

from hub import wire
from hub.edge.auth import Principal
from hub.hub import Hub
from hub.routes.replies import Said
from rooms import chain
from rooms.ids import SessionId, UserId
from rooms.room import Room
from store.postgres import transcript
from store.postgres.pool import acting_as
from store.privacy.bindings import message_aad
from store.privacy.keys import Keyring, SealBrokenError, ShreddedError
from store.records import StoredMessage, TranscriptRow

Page = list[Said]
PAGE = 500


async def recorded(hub: Hub, who: Principal, session_id: SessionId) -> AsyncIterator[Page]:
    """The pages of a transcript on record. No connection is held while a page is on its way to the reader.

    Words that are too old are not told, whether or not they were removed yet; their digests are.
    """
    after, younger_ms = 0, hub.ages.shown_after_ms("messages", hub.now_ms())
    while True:
        async with acting_as(hub.pool, who.user_id) as connection:
            rows = await transcript.page(connection, session_id, after_seq=after, limit=PAGE)
        if rows:
            yield [await _said(hub.keyring, row, younger_ms) for row in rows]
            after = rows[-1].seq
        if len(rows) < PAGE:
            return


async def running(hub: Hub, who: Principal, room: Room, head_seq: int) -> tuple[list[Page], bytes]:
    """The pages of an open session's transcript as it stands, and the head it has so far.

    Of a live room, what the guest who asks was shown; while they are not in it, nothing.
    """
    stored = transcript.whole(await hub.chat.transcript(room.id), head_seq=head_seq)
    links = transcript.links(stored)
    digests = chain.digests(room.id, links)
    people = {person.no: person for person in room.people}
    rows = []
    for message, link, digest in zip(stored, links, digests, strict=True):
        person = people.get(message.participant_no)
        rows.append(
            TranscriptRow(
                seq=message.seq,
                id=link.id,
                participant_no=link.participant_no,
                at_ms=link.at_ms,
                body=_body(message),
                body_sha256=link.body_sha256,
                digest=digest,
                lost=message.lost,
                user_id=None if person is None else person.user_id,
                name=None if person is None else person.name,
                role=None if person is None else person.role,
            )
        )
    me = room.participant(who.user_id)
    if room.kind == "live_room" and me is not None and me.role == "guest":
        in_it = me.lobby == "admitted" and me.entered_at_ms is not None
        rows = [row for row in rows if in_it and row.seq > me.from_seq]
    pages = [
        [await _said(hub.keyring, row) for row in rows[start : start + PAGE]]
        for start in range(0, len(rows), PAGE)
    ]
    return pages, digests[-1] if digests else chain.genesis(room.id)


def _body(message: StoredMessage) -> bytes | None:
    return None if message.lost or message.removed else message.body


async def _said(keyring: Keyring, row: TranscriptRow, younger_ms: int = 0) -> Said:
    digest = b"" if row.digest is None else row.digest
    if row.lost or row.id is None or row.body_sha256 is None:
        return Said(seq=row.seq, digest=digest.hex(), lost=True)
    return Said(
        seq=row.seq,
        id=row.id,
        at_ms=row.at_ms or 0,
        sender=wire.Speaker(row.user_id or "", row.name or "", row.role or ""),
        text=await _text(keyring, row.user_id, row.id, row.body if (row.at_ms or 0) > younger_ms else None),
        participant_no=row.participant_no or 0,
        body_sha256=row.body_sha256.hex(),
        digest=digest.hex(),
    )


async def _text(keyring: Keyring, sender: UserId | None, message_id: str, body: bytes | None) -> str | None:
    """The text, or None when its sender was erased or the body is gone."""
    if sender is None or body is None:
        return None
    try:
        key = await keyring.load(sender)
        return keyring.open(key, message_aad(message_id), body).decode()
    except (ShreddedError, SealBrokenError):
        return None
