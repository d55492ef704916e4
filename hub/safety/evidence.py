"""Evidence: words of a moment under a key of their own, so that it can be decided on when a person's own key
is destroyed, and so that destroying the evidence's key ends it in every copy.

Keys of evidence are never kept in memory: once shredded, no process can open it.
"""

import uuid_utils

from rooms.ids import SessionId, UserId
from store.evidence_records import EvidenceKind, EvidenceRecord
from store.postgres import evidence as rows
from store.postgres import keys as key_rows
from store.postgres.pool import Db
from store.privacy.bindings import evidence_aad
from store.privacy.keys import Keyring, SealBrokenError, ShreddedError


async def keep(
    db: Db,
    keyring: Keyring,
    *,
    flag_id: str,
    session_id: SessionId | None,
    subject_id: UserId | None,
    kind: EvidenceKind,
    content: bytes,
    now_ms: int,
    keep_ms: int,
) -> str:
    """Seal `content` and keep it for `keep_ms`, in the caller's transaction. Gives the evidence's id.

    A flagged message is kept once: repeated for the same flag, it gives the first one's id.
    """
    if kind == "message" and (known := await rows.of_message(db, flag_id)) is not None:
        return known
    evidence_id = str(uuid_utils.uuid7())
    key = await keyring.fresh(evidence_id, db)
    made = await rows.insert_evidence(
        db,
        evidence_id,
        flag_id=flag_id,
        session_id=session_id,
        subject_id=subject_id,
        kind=kind,
        sealed=key.seal(evidence_aad(evidence_id), content),
        now_ms=now_ms,
        keep_until_ms=now_ms + keep_ms,
    )
    if not made and (known := await rows.of_message(db, flag_id)) is not None:
        # Somebody else kept it in this moment; the key that was made for nothing is destroyed.
        await key_rows.shred(db, evidence_id, now_ms=now_ms)
        return known
    return evidence_id


async def open_evidence(keyring: Keyring, record: EvidenceRecord) -> bytes | None:
    """What was kept; None when it cannot be opened any more."""
    try:
        key = await keyring.load(record.id)
        return keyring.open(key, evidence_aad(record.id), record.sealed)
    except (ShreddedError, SealBrokenError):
        return None
    finally:
        keyring.forget(record.id)


async def destroy(db: Db, evidence_id: str, *, now_ms: int, acted_since_ms: int) -> bool:
    """End what is due, in the caller's transaction: row and key. False when it may not go, or is gone.

    What followed from it after `acted_since_ms` may still be appealed, and then it is needed.
    """
    if not await rows.delete_evidence(db, evidence_id, now_ms=now_ms, acted_since_ms=acted_since_ms):
        return False
    await key_rows.shred(db, evidence_id, now_ms=now_ms)
    return True
