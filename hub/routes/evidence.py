"""Evidence as moderators read it, never in a case of their own; every opening is on record. Admins keep some
beyond its time.
"""

from typing import Any

import msgspec
from aiohttp import web

from hub.edge.auth import UUID, Principal
from hub.hub import Hub
from hub.moderation.own_cases import require_foreign
from hub.routes.answer import PAGE_MAX, Route, bad_request, body, not_found, path_id, query, why
from hub.safety.evidence import open_evidence
from hub.wire_evidence import EvidenceList, EvidenceView, LegalHold, OpenedEvidence
from store.evidence_records import EvidenceRecord
from store.postgres import audit
from store.postgres import evidence as rows
from store.postgres.pool import Db
from store.privacy import texts
from store.privacy.bindings import evidence_hold_aad


async def of_flag(hub: Hub, who: Principal, request: web.Request) -> EvidenceList:
    """`GET /v1/moderation/evidence?flag_id=`: what is kept for a case; an admin gives a `reason`."""
    given = query(request, ("flag_id", "reason"))
    reason = why(who, given)
    flag_id = given.get("flag_id", "")
    if UUID.fullmatch(flag_id) is None:
        raise bad_request("flag_id", "expected the id of a case")
    found = await rows.of_flag(hub.pool, flag_id, limit=PAGE_MAX)
    for record in found:
        await _require_foreign(hub, who, record)
    if reason is not None and found:
        async with hub.pool.acquire() as db, db.transaction():
            await _note(db, hub, who, "evidence_listed", found[0], {"flag_id": flag_id, "reason": reason})
    return EvidenceList([_view(record) for record in found], None)


async def opened(hub: Hub, who: Principal, request: web.Request) -> OpenedEvidence:
    """`GET /v1/moderation/evidence/{id}`: opened, and on record who did; an admin gives a `reason`."""
    reason = why(who, query(request, ("reason",)))
    record = await _record(hub, who, path_id(request, "id"))
    content = await open_evidence(hub.keyring, record)
    if content is None:
        raise not_found()
    detail = {"flag_id": record.flag_id} if reason is None else {"flag_id": record.flag_id, "reason": reason}
    async with hub.pool.acquire() as db, db.transaction():
        # Committed before a word of it is told.
        await _note(db, hub, who, "evidence_read", record, detail)
    view = msgspec.structs.asdict(_view(record))
    if record.kind == "message":
        return OpenedEvidence(**view, text=content.decode(), snapshot=None)
    return OpenedEvidence(**view, text=None, snapshot=msgspec.json.decode(content, type=dict[str, Any]))


async def hold(hub: Hub, who: Principal, request: web.Request) -> EvidenceView:
    """`PUT /v1/admin/evidence/{id}/hold`: keep it beyond its time. Harmless the second time."""
    record, reason = await _asked(hub, who, request)
    async with hub.pool.acquire() as db, db.transaction():
        # Under the evidence's own key: why it is kept ends with it, whoever is removed before.
        sealed = await texts.sealed_for(hub.keyring, db, record.id, evidence_hold_aad(record.id), reason)
        if await rows.hold(db, record.id, reason=sealed, held_by=who.user_id, now_ms=hub.now_ms()):
            await _note(db, hub, who, "evidence_held", record, {"reason": reason})
    return _view(await _record(hub, who, record.id))


async def lift(hub: Hub, who: Principal, request: web.Request) -> EvidenceView:
    """`DELETE /v1/admin/evidence/{id}/hold`: its own time counts again. Harmless the second time."""
    record, reason = await _asked(hub, who, request)
    async with hub.pool.acquire() as db, db.transaction():
        if await rows.lift_hold(db, record.id):
            await _note(db, hub, who, "evidence_hold_lifted", record, {"reason": reason})
    return _view(await _record(hub, who, record.id))


async def _asked(hub: Hub, who: Principal, request: web.Request) -> tuple[EvidenceRecord, str]:
    query(request, ())
    evidence_id, asked = path_id(request, "id"), await body(request, LegalHold)
    if not asked.reason.strip():
        raise bad_request("reason", "is blank")
    return await _record(hub, who, evidence_id), asked.reason.strip()


async def _record(hub: Hub, who: Principal, evidence_id: str) -> EvidenceRecord:
    """The evidence, unopened. Raises Refused(not_found), OwnCase."""
    record = await rows.one_evidence(hub.pool, evidence_id)
    if record is None:
        raise not_found()
    await _require_foreign(hub, who, record)
    return record


async def _require_foreign(hub: Hub, who: Principal, record: EvidenceRecord) -> None:
    subject = () if record.subject_id is None else (record.subject_id,)
    await require_foreign(hub.pool, who.user_id, record.session_id, *subject)


async def _note(
    db: Db, hub: Hub, who: Principal, action: str, record: EvidenceRecord, detail: dict[str, str]
) -> None:
    await audit.append(
        db,
        actor_id=who.user_id,
        actor_role=who.role,
        action=action,
        subject_id=record.subject_id,
        session_id=record.session_id,
        detail={"evidence_id": record.id, **detail},
        now_ms=hub.now_ms(),
        keyring=hub.keyring,
    )


def _view(record: EvidenceRecord) -> EvidenceView:
    return EvidenceView(
        id=record.id,
        flag_id=record.flag_id,
        session_id=record.session_id,
        user_id=record.subject_id,
        kind=record.kind,
        created_at_ms=record.created_at_ms,
        keep_until_ms=record.keep_until_ms,
        legal_hold=record.hold_reason is not None,
    )


ROUTES = [
    Route("GET", "/v1/moderation/evidence", EvidenceList, of_flag),
    Route("GET", "/v1/moderation/evidence/{id}", OpenedEvidence, opened),
    Route("PUT", "/v1/admin/evidence/{id}/hold", EvidenceView, hold, LegalHold),
    Route("DELETE", "/v1/admin/evidence/{id}/hold", EvidenceView, lift, LegalHold),
]
