"""Refunds as admins decide them: alone up to a limit, by two above it, never more than was charged.

    asked ──┬─> approved ──> done, or failed        (Stripe carries it out, in parts by charge)
            └─> pending_approval ──┬─> approved     (a second admin)
                                   └─> rejected     (any admin)

Each decision, its reason and what it stages are one transaction under the session's lock.
"""

from typing import Any

import asyncpg
import uuid_utils

from billing import money, refunding
from billing.refunding import TooMuch
from hub.edge.auth import Principal
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.workers import returns
from rooms.ids import SessionId, UserId
from store.money_records import Refund, RefundState, SessionMoney
from store.postgres import admin, disputes, evidence, refunds
from store.postgres.pool import Transacting
from store.privacy import texts
from store.privacy.bindings import refund_aad


async def ask(
    hub: Hub,
    who: Principal,
    session_id: SessionId,
    *,
    user_id: UserId | None,
    amount_minor: int,
    reason: str,
    request_id: str | None,
) -> Refund:
    """Refund an amount of a session, or ask for a second admin's approval.

    A repeated `request_id` gives what the first one gave. Raises Refused: `not_found`, `bad_request`,
    `forbidden` for a session of one's own, or `conflict` when less was charged, a bank is deciding, or the
    request_id was used for something else.
    """
    try:
        async with hub.pool.acquire() as connection, connection.transaction():
            session = await refunds.lock_money(connection, session_id)
            if session is None:
                raise _not_found()
            await _require_foreign(connection, session_id, who)
            part_no = await _part(connection, session_id, user_id)
            if request_id is not None:
                before = await refunds.refund_requested(connection, who.user_id, request_id)
                if before is not None:
                    return _the_same(before, session_id, part_no, amount_minor)
            await _check(connection, session, part_no, amount_minor)
            state = await _state(hub, connection, who, session_id, amount_minor)
            refund_id = str(uuid_utils.uuid7())
            asked = await refunds.insert_refund(
                connection,
                refund_id=refund_id,
                session_id=session_id,
                participant_no=part_no,
                amount_minor=amount_minor,
                currency=session.currency,
                reason=await _sealed(hub, connection, refund_id, session_id, part_no, reason),
                state=state,
                request_id=request_id,
                requested_by=who.user_id,
                now_ms=hub.now_ms(),
            )
            if asked is None:
                raise Refused(Code.CONFLICT, "This request_id was used for another refund.")
            if state == "approved":
                await _stage(hub, connection, asked)
            await _note(hub, connection, who, "refund_requested", asked, reason)
            return asked
    except (asyncpg.CheckViolationError, TooMuch):
        raise too_much() from None


async def approve(hub: Hub, who: Principal, refund_id: str) -> Refund:
    """The second admin agrees; harmless twice. Raises Refused: `not_found`, `forbidden`, `conflict`."""
    asked = await refunds.refund(hub.pool, refund_id)
    reason = "" if asked is None else await reason_of(hub, asked)
    try:
        async with hub.pool.acquire() as connection, connection.transaction():
            found = await _locked(connection, refund_id)
            if found.requested_by == who.user_id:
                raise Refused(Code.FORBIDDEN, "A second admin has to approve it.")
            await _require_foreign(connection, found.session_id, who)
            if found.state != "pending_approval":
                return _decided(found, who, refused="rejected")
            await _require_no_dispute(connection, found.session_id)
            approved = await _decide(hub, connection, who, found, "approved", reason)
            await _stage(hub, connection, approved)
            return approved
    except (asyncpg.CheckViolationError, TooMuch):
        raise too_much() from None


async def reason_of(hub: Hub, refund: Refund) -> str:
    """Why it was asked for, or the words that stand in the place of what was removed."""
    return await texts.shown(hub.keyring, refund.guest_id, refund_aad(refund.id), refund.reason)


async def reject(hub: Hub, who: Principal, refund_id: str, reason: str) -> Refund:
    """It shall not be. The admin who asked may take it back as well. Raises as `approve` does."""
    async with hub.pool.acquire() as connection, connection.transaction():
        found = await _locked(connection, refund_id)
        if found.state == "rejected":
            return found
        if found.state != "pending_approval":
            raise Refused(Code.CONFLICT, "It was approved before.")
        return await _decide(hub, connection, who, found, "rejected", reason)


def too_much() -> Refused:
    """More than was charged, or is left of it."""
    return Refused(Code.CONFLICT, "That is more than is left of what was charged.")


def _not_found() -> Refused:
    return Refused(Code.NOT_FOUND, "There is no such session, or that person was not charged for it.")


async def _sealed(
    hub: Hub, connection: Transacting, refund_id: str, session_id: SessionId, participant_no: int, reason: str
) -> bytes | None:
    """The reason under the key of whom the money goes back to."""
    guest_id = await refunds.charged(connection, session_id, participant_no)
    if guest_id is None:
        raise _not_found()
    return await texts.sealed_for(hub.keyring, connection, guest_id, refund_aad(refund_id), reason)


async def _require_foreign(connection: Transacting, session_id: SessionId, who: Principal) -> None:
    """Who was a guest or a practitioner before decides about none of their own sessions."""
    if await evidence.is_involved(connection, session_id, who.user_id):
        raise Refused(Code.FORBIDDEN, "This is a session of your own; another admin has to decide.")


async def _part(connection: Transacting, session_id: SessionId, user_id: UserId | None) -> int:
    parts = await refunds.part_of(connection, session_id, user_id)
    if not parts:
        raise _not_found()
    if len(parts) > 1:
        raise Refused(Code.BAD_REQUEST, "Say whose.", fields={"user_id": "the session has several guests"})
    return parts[0]


def _the_same(before: Refund, session_id: SessionId, participant_no: int, amount_minor: int) -> Refund:
    if (before.session_id, before.participant_no, before.amount_minor) != (
        session_id,
        participant_no,
        amount_minor,
    ):
        raise Refused(Code.CONFLICT, "This request_id was used for another refund.")
    return before


async def _check(
    connection: Transacting, session: SessionMoney, participant_no: int, amount_minor: int
) -> None:
    if amount_minor % money.step_minor(session.currency):
        reason = f"not a whole number of {money.step_minor(session.currency)} minor units"
        raise Refused(Code.BAD_REQUEST, "Stripe can't pay that.", fields={"amount_minor": reason})
    await _require_no_dispute(connection, session.id)
    refunding.plan(await returns.paid_by(connection, session.id, participant_no), amount_minor)


async def _require_no_dispute(connection: Transacting, session_id: SessionId) -> None:
    if await disputes.open_disputes(connection, session_id):
        raise Refused(Code.CONFLICT, "A bank is deciding about this charge; it can't be refunded meanwhile.")


async def _state(
    hub: Hub, connection: Transacting, who: Principal, session_id: SessionId, amount_minor: int
) -> RefundState:
    # Together with what they did before: many small ones by one person are not a way around a second.
    alone_minor = await refunds.refunded_alone(connection, session_id, who.user_id)
    return "approved" if alone_minor + amount_minor <= hub.refund_alone_minor else "pending_approval"


async def _locked(connection: Transacting, refund_id: str) -> Refund:
    found = await refunds.refund(connection, refund_id)
    if found is None:
        raise Refused(Code.NOT_FOUND, "There is no such refund.")
    await refunds.lock_money(connection, found.session_id)
    again = await refunds.refund(connection, refund_id)
    return again or found


def _decided(found: Refund, who: Principal, *, refused: RefundState) -> Refund:
    if found.state == refused or found.decided_by != who.user_id:
        raise Refused(Code.CONFLICT, "It was decided before.")
    return found


async def _decide(
    hub: Hub, connection: Transacting, who: Principal, found: Refund, state: RefundState, reason: str
) -> Refund:
    by = who.user_id
    # Who takes back their own request decides nothing as a second person.
    decided = await refunds.decide_refund(
        connection,
        found.id,
        state,
        decided_by=None if by == found.requested_by else by,
        now_ms=hub.now_ms(),
    )
    if decided is None:
        raise Refused(Code.CONFLICT, "It was decided before.")
    await _note(hub, connection, who, f"refund_{state}", decided, reason)
    return decided


async def _stage(hub: Hub, connection: Transacting, approved: Refund) -> None:
    await returns.stage_refund(connection, approved, environment=hub.offer.environment, now_ms=hub.now_ms())


async def _note(
    hub: Hub, connection: Transacting, who: Principal, action: str, about: Refund, reason: str
) -> None:
    detail: dict[str, Any] = {
        "amount_minor": about.amount_minor,
        "currency": about.currency,
        "state": about.state,
    }
    await admin.note_action(
        connection,
        who.user_id,
        action,
        subject=about.id,
        session_id=about.session_id,
        reason=reason,
        detail=detail,
        now_ms=hub.now_ms(),
        keyring=hub.keyring,
        about=about.guest_id,
    )
