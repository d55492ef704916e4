"""Cases between moderators: who may look into one, and who has it. Of one's own nobody may."""

from collections.abc import Collection
from dataclasses import dataclass

from hub.edge.auth import Principal
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.moderation import flagging
from hub.wire_moderation import Claimed, ClaimFlag
from rooms import queue
from rooms.errors import NotFound
from rooms.ids import SessionId, UserId
from rooms.room import OVER, Room
from store.moderation_records import Flag
from store.postgres import audit, flags
from store.postgres.pool import Transacting


@dataclass(frozen=True, slots=True)
class Place:
    """The session that a decision is about: its room while there is one, and who takes part."""

    session_id: SessionId
    room: Room | None
    people: frozenset[UserId]

    @property
    def open(self) -> bool:
        """Whether it still goes on."""
        return self.room is not None and self.room.state not in OVER


async def claim(hub: Hub, who: Principal, body: ClaimFlag) -> Claimed:
    """Take a case for a while, or renew that. Raises `not_found`, `forbidden` for one's own, `conflict`."""
    known = await flags.flag(hub.pool, body.flag_id)
    if known is None:
        raise NotFound
    place = await place_of(hub, known.session_id)
    now_ms = hub.now_ms()
    async with hub.pool.acquire() as connection, connection.transaction():
        flag = await flags.lock_flag(connection, body.flag_id)
        if flag is None:
            raise NotFound
        require_foreign(place, flag, who)
        decided = claimed(hub, flag, who, version=body.version, now_ms=now_ms)
        if decided != flag.claim:
            await flags.save_claim(connection, flag.id, decided, now_ms=now_ms)
        if decided.version != flag.version:
            await put_on_record(
                hub, connection, who, "flag_claimed", flag.user_id, flag.session_id, flag_id=flag.id
            )
    if flag.first_claimed_at_ms is None:
        hub.desk.claimed_s(max(0, now_ms - flag.created_at_ms) / 1000)
    await flagging.tell_changed(hub, flag.id)
    return Claimed(await flagging.flag_view(hub, await read_again(hub, flag.id)))


def claimed(hub: Hub, flag: Flag, who: Principal, *, version: int, now_ms: int) -> queue.Claim:
    """The case as this moderator has it then. Raises Refused(conflict) with what is different."""
    try:
        return queue.claim(
            flag.claim, who.user_id, version=version, lease_ms=hub.standards.lease_ms, now_ms=now_ms
        )
    except queue.Stale as error:
        raise Refused(Code.CONFLICT, str(error), fields={"version": f"is {flag.version} now"}) from None
    except queue.Taken as error:
        raise Refused(Code.CONFLICT, str(error), fields={"flag_id": "claimed by another moderator"}) from None
    except queue.Closed as error:
        raise Refused(Code.CONFLICT, str(error), fields={"status": f"is {flag.status}"}) from None


async def place_of(hub: Hub, session_id: SessionId) -> Place:
    """The session, from the live store and the record."""
    loaded = await hub.live.rooms.load(session_id)
    recorded = await flags.concerned(hub.pool, session_id)
    room = None if loaded is None else loaded.room
    live = [] if room is None else [person.user_id for person in room.people]
    return Place(session_id, room, frozenset((*recorded, *live)))


def require_foreign(place: Place, flag: Flag | None, who: Principal) -> None:
    """Raises OwnCase for whoever took part, is meant, or reported it."""
    concerned: Collection[UserId] = [] if flag is None else flag.concerned
    queue.require_foreign({*concerned, *place.people}, who.user_id)


async def put_on_record(
    hub: Hub,
    connection: Transacting,
    who: Principal,
    action: str,
    subject_id: UserId | None,
    session_id: SessionId,
    **detail: str | int | None,
) -> None:
    """Put into the audit chain what was done; the last step of a transaction."""
    await audit.append(
        connection,
        actor_id=who.user_id,
        actor_role=who.role,
        action=action,
        subject_id=subject_id,
        session_id=session_id,
        detail=detail,
        now_ms=hub.now_ms(),
        keyring=hub.keyring,
    )


async def read_again(hub: Hub, flag_id: str) -> Flag:
    """The case as it is by now. Raises NotFound."""
    flag = await flags.flag(hub.pool, flag_id)
    if flag is None:
        raise NotFound
    return flag
