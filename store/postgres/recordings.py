"""Recordings: a row each, from the wish until it is over, and the consents that it stands on."""

from typing import Any, Final, Literal

from msgspec import Struct

from rooms.ids import SessionId, UserId
from rooms.room import Recording, RecordingState
from store.postgres.pool import Db, Transacting
from store.postgres.rows import many, one
from store.postgres.statements import statements

SQL = statements("recordings")

RECORDINGS_MAX: Final = 20
"""So many recordings one session may have."""
FIRST_RECORDER: Final = 1_000_000
"""People in a channel have small uids; each recording has a recorder of its own, from here on."""

State = Literal["requested", "acquired", "recording", "stopped", "failed"]
Over = Literal["stopped", "failed"]
Heard = Literal["started", "over", "files", "trouble"]

_SHOWN: Final[dict[State, RecordingState]] = {
    "requested": "starting",
    "acquired": "starting",
    "recording": "recording",
    "stopped": "stopped",
    "failed": "failed",
}


class Row(Struct, frozen=True):
    """One recording. `agreed` is whether both people agreed when it was read; times are Unix milliseconds."""

    id: str
    session_id: SessionId
    practitioner_id: UserId
    guest_id: UserId
    channel: str
    uid: int
    lasts_s: int
    resource_id: str | None
    sid: str | None
    state: State
    stop_reason: str | None
    requested_at_ms: int
    acquired_at_ms: int | None
    started_at_ms: int | None
    stopped_at_ms: int | None
    shown: bool
    missed: int
    looked_at_ms: int
    attempts: int
    agreed: bool

    @property
    def told(self) -> Recording:
        """What the session's people see of it."""
        at_ms = self.stopped_at_ms or self.started_at_ms or self.requested_at_ms
        return Recording(self.id, _SHOWN[self.state], self.practitioner_id, at_ms)


class OwnRecording(Struct, frozen=True):
    """What the two of a session know of its recording. The file itself is not here."""

    id: str
    session_id: SessionId
    started_by: UserId
    state: State
    stop_reason: str | None
    requested_at_ms: int
    started_at_ms: int | None
    stopped_at_ms: int | None
    files: list[dict[str, Any]]


async def consent_to_recording(db: Transacting, person_id: UserId) -> int | None:
    """The decision by which somebody agrees to recordings right now, if they do. Take the lock first."""
    found: int | None = await db.fetchval(SQL["consent_to_recording"], person_id)
    return found


async def want(
    db: Transacting,
    recording_id: str,
    *,
    session_id: SessionId,
    practitioner_id: UserId,
    guest_id: UserId,
    consents: tuple[int, int],
    channel: str,
    lasts_s: int,
    now_ms: int,
) -> Row | None:
    """Put on record that a recording is wanted. `consents` are the two decisions it stands on, the
    practitioner's first. None when one is open, or the session has had enough.
    """
    row = await db.fetchrow(
        SQL["want"],
        recording_id,
        session_id,
        practitioner_id,
        guest_id,
        *consents,
        channel,
        FIRST_RECORDER,
        lasts_s,
        now_ms,
        RECORDINGS_MAX,
    )
    return one(row, Row)


async def latest(db: Db, session_id: SessionId) -> Row | None:
    """The latest recording of a session; `agreed` says nothing here."""
    return one(await db.fetchrow(SQL["latest"], session_id), Row)


async def due(db: Db, *, now_ms: int, limit: int, lease_ms: int) -> list[Row]:
    """What is to be looked after now; nobody else gets it before the lease is over, but to stop it."""
    return many(await db.fetch(SQL["due"], now_ms, limit, lease_ms), Row)


async def acquired(db: Db, recording_id: str, resource_id: str, *, now_ms: int) -> bool:
    """The vendor gave a resource; False when somebody else has another one, or it is over."""
    return await db.fetchval(SQL["acquired"], recording_id, resource_id, now_ms) is not None


async def started(db: Db, recording_id: str, sid: str, *, now_ms: int, next_at_ms: int) -> bool:
    """It is recorded; False when it was over meanwhile, so that it must not be."""
    return await db.fetchval(SQL["started"], recording_id, sid, now_ms, next_at_ms) is not None


async def looked(
    db: Db,
    recording_id: str,
    *,
    files: list[dict[str, Any]] | None,
    missed: bool,
    now_ms: int,
    next_at_ms: int,
) -> None:
    """The vendor was asked how it stands. `missed`: it found nothing that runs."""
    await db.execute(SQL["looked"], recording_id, now_ms, files, missed, next_at_ms)


async def again(db: Db, recording_id: str, *, next_at_ms: int) -> None:
    """Look after it at that time, or earlier if it is to be stopped."""
    await db.execute(SQL["again"], recording_id, next_at_ms)


async def want_stop(db: Db, session_id: SessionId, reason: str, *, now_ms: int) -> None:
    """The session's open recording shall end. Repeated, or without one, it changes nothing."""
    await db.execute(SQL["want_stop"], session_id, reason, now_ms)


async def withdraw(db: Db, person_id: UserId, *, now_ms: int) -> None:
    """Somebody agrees no more: what they are recorded in ends."""
    await db.execute(SQL["withdraw"], person_id, now_ms)


async def over(
    db: Db, recording_id: str, state: Over, *, reason: str, failure: str | None = None, now_ms: int
) -> None:
    """Nothing is recorded any more. It stays as it was over first."""
    await db.execute(SQL["over"], recording_id, state, reason, failure, now_ms)


async def mark_shown(db: Db, recording_id: str, state: State) -> None:
    """The room says so too."""
    await db.execute(SQL["mark_shown"], recording_id, state)


async def heard(
    db: Db,
    *,
    channel: str,
    uid: int,
    sid: str,
    what: Heard,
    at_ms: int,
    files: list[dict[str, Any]] | None,
    now_ms: int,
) -> bool:
    """The vendor told something of a recorder's doings; False when it is none of ours."""
    return await db.fetchval(SQL["heard"], channel, uid, sid, at_ms, what, files, now_ms) is not None


async def own_recordings(db: Db, *, limit: int) -> list[OwnRecording]:
    """The recordings of whoever the connection acts as, the newest first."""
    return many(await db.fetch(SQL["own_recordings"], limit), OwnRecording)
