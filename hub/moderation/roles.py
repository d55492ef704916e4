"""Who becomes what: one admin decides about another person, never about themselves."""

import uuid_utils

from hub.edge.auth import Principal
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.vendors.asking import VendorRefused, VendorUnavailable
from hub.vendors.supabase import SignIn
from hub.workers.roles import LEASE_MS, Roles
from rooms.ids import Role, UserId
from store.postgres import admin, people, roles
from store.postgres.pool import Transacting
from store.postgres.roles import RoleChange

NO_KEY = (
    "Roles can't be changed here: the hub was not given the identity provider's service key"
    " (SUPABASE_SERVICE_KEY)."
)


async def change(hub: Hub, who: Principal, user_id: UserId, role: Role, reason: str) -> bool:
    """Give somebody a role. True when the identity provider knows; False when a worker goes on telling it.

    On record and in force here at once either way: what they signed in with is taken no more. Raises Refused.
    """
    if hub.roles is None:
        raise Refused(Code.UNAVAILABLE, NO_KEY)
    if user_id == who.user_id:
        raise Refused(Code.FORBIDDEN, "Another admin has to decide about your own role.")
    sign_in = await _sign_in(hub.roles, user_id)
    async with hub.pool.acquire() as connection, connection.transaction():
        ordered = await _order(hub, connection, who, sign_in, role, reason)
    return await hub.roles.carry_out(ordered)


async def _sign_in(duty: Roles, user_id: UserId) -> SignIn:
    try:
        known = await duty.supabase.person(user_id)
    except (VendorUnavailable, VendorRefused):
        message = "The identity provider can't be asked just now; please try again."
        raise Refused(Code.UNAVAILABLE, message) from None
    if known is None:
        raise Refused(Code.NOT_FOUND, "There is no such person.")
    return known


async def _order(
    hub: Hub, db: Transacting, who: Principal, sign_in: SignIn, role: Role, reason: str
) -> RoleChange:
    user_id, now_ms = UserId(sign_in.id), hub.now_ms()
    if await roles.role_of(db, who.user_id) is None:
        # They never asked for anything before; from here on the record decides, not the token.
        await people.ensure(
            db, person_id=who.user_id, role=who.role, name=who.name, email=who.email, now_ms=now_ms
        )
    admins = await roles.locked_admins(db)
    # Read under the lock: of two admins who lower each other at once, the second is an admin no more. Whoever
    # decides stays one, so there is always one left.
    if who.user_id not in admins:
        raise Refused(Code.FORBIDDEN, "You are no admin any more.")
    previous = await roles.role_of(db, user_id)
    if previous is None:
        previous = "guest"
        await people.ensure(
            db, person_id=user_id, role=previous, name=sign_in.name, email=sign_in.email or "", now_ms=now_ms
        )
    wanted = RoleChange(str(uuid_utils.uuid7()), user_id, role, attempts=1)
    if not await roles.order(
        db, wanted, previous=previous, ordered_by=who.user_id, now_ms=now_ms, lease_ms=LEASE_MS
    ):
        raise Refused(Code.CONFLICT, "Their role is being changed already; try again in a moment.")
    await roles.set_role(db, user_id, role)
    await admin.note_action(
        db,
        who.user_id,
        "role_changed",
        subject=user_id,
        session_id=None,
        reason=reason,
        detail={"role": role, "previous": previous},
        now_ms=now_ms,
        keyring=hub.keyring,
        about=user_id,
    )
    return wanted
