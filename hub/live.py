"""The one door through which a session changes: decide, commit, and set its people free once it is over."""

from collections.abc import Awaitable, Callable, Mapping

import structlog

from rooms import deadlines, departure
from rooms.departure import Proofs
from rooms.directory import Standing
from rooms.errors import NotFound
from rooms.ids import HubId, SessionId, UserId
from rooms.news import Change
from rooms.room import OVER, Room
from store.redis.directory import Directory
from store.redis.people import People
from store.redis.rooms import Rooms
from store.redis.turns import Decide, Loaded

log = structlog.get_logger()

HeardHere = Callable[[Room], Proofs]
"""When this process's own sockets in a room were last heard."""
HeardElsewhere = Callable[[HubId], Awaitable[Proofs]]
"""When another hub's sockets were last heard, from its heartbeat."""

LastBeats = Callable[[], Awaitable[Mapping[HubId, int]]]
"""When each hub that is not retired last said that it lives."""
SILENT_MS = 1_800
"""A hub that has not been heard for this long has missed a heartbeat: its sockets may be gone."""


class Live:
    """Changes to sessions, on whatever hub or worker this is.

    `order(room)` puts the further holds that a room asks for on record; it is repeatable.
    """

    def __init__(
        self,
        rooms: Rooms,
        people: People,
        directory: Directory,
        *,
        heard_here: HeardHere,
        heard_elsewhere: HeardElsewhere,
        here: Callable[[], HubId],
        last_beats: LastBeats | None = None,
        order: Callable[[Room], Awaitable[None]] | None = None,
    ) -> None:
        self.rooms = rooms
        self._people = people
        self._directory = directory
        self._heard_here = heard_here
        self._heard_elsewhere = heard_elsewhere
        self._here = here
        self._last_beats = last_beats
        self._order = order

    async def change(self, session_id: SessionId, decide: Decide) -> Loaded:
        """Decide and commit. Raises what the decision refuses with, and what `Rooms.change` does."""
        own: list[Room] = []

        def decided(room: Room, *, now_ms: int) -> Change:
            change = _punctually(decide, room, now_ms=now_ms)
            own[:] = [room, change.room]
            return change

        loaded = await self.rooms.change(session_id, decided)
        if loaded.room.state in OVER:
            await self.free(loaded.room)
        elif own:
            # What others decided in the same commit is theirs to follow up: who knocks anew is not let go.
            await self._free_guests(own[0], own[1])
        return loaded

    async def change_with_proofs(
        self, session_id: SessionId, decide: Callable[[Room, Proofs, int], Change]
    ) -> Loaded:
        """As `change`, for decisions that may end presence: they are told when each socket was heard."""
        loaded = await self.rooms.require(session_id)
        proofs = await self.proofs(loaded.room)
        silent = await self._silent(loaded)

        def decided(room: Room, *, now_ms: int) -> Change:
            change = decide(room, proofs, now_ms)
            if not silent or room.state in OVER or change.room.state not in OVER:
                return change
            # An orderly end counts a socket up to now only where somebody can say that it is still there.
            lost = _of_hubs(room, silent, proofs)
            left = departure.drop(room, lost, reason="hub_lost", now_ms=now_ms)
            over = decide(left.room, proofs, now_ms)
            return Change(over.room, (*left.news, *over.news))

        return await self.change(session_id, decided)

    async def tick(self, session_id: SessionId) -> bool:
        """Apply the deadlines that are due. False when the room is gone or nothing was."""
        try:
            before = await self.rooms.require(session_id)
            after = await self.change_with_proofs(
                session_id,
                lambda room, proofs, now_ms: deadlines.tick(room, proofs=proofs, now_ms=now_ms),
            )
        except NotFound:
            return False
        changed = after.room.version > before.room.version
        if changed:
            try:
                await self.order(after.room)
            except Exception as error:  # noqa: BLE001 - the room asks again, and others wait
                log.warning("room.not_ordered", session_id=session_id, error=type(error).__name__)
        return changed

    async def order(self, room: Room) -> None:
        """Put the holds that a room asks for on record. A room that is not heard asks again."""
        if self._order is not None and room.state not in OVER:
            await self._order(room)

    async def proofs(self, room: Room) -> Proofs:
        """When each socket in the room was last heard: our own exactly, others' as their hub last said."""
        heard = dict(self._heard_here(room))
        hubs = {anchor.hub for person in room.people for anchor in person.anchors}
        for hub in hubs - {self._here()}:
            heard.update(await self._heard_elsewhere(hub))
        return heard

    async def _silent(self, loaded: Loaded) -> set[HubId]:
        """Hubs with sockets in the room that have missed a heartbeat, or are gone altogether."""
        hubs = {anchor.hub for person in loaded.room.people for anchor in person.anchors} - {self._here()}
        if not hubs or self._last_beats is None:
            return set()
        beats = await self._last_beats()
        return {hub for hub in hubs if loaded.now_ms - beats.get(hub, 0) > SILENT_MS}

    async def free(self, room: Room) -> None:
        """The session is over: nobody is held by it. Harmless the second time."""
        for person in room.people:
            standing = await self._people.release(person.user_id, room.id)
            if person.role == "practitioner":
                await self._directory.show(standing)

    async def _free_guests(self, before: Room, after: Room) -> None:
        """Guests of a live room who are out of it by this change are held by it no more."""
        if after.kind != "live_room":
            return
        were_in = {guest.user_id for guest in before.guests if guest.lobby != "refused"}
        for guest in after.guests:
            if guest.lobby == "refused" and guest.user_id in were_in:
                await self._people.release(guest.user_id, after.id)

    async def corrected(self, standing: Standing) -> Standing:
        """How a practitioner really stands: a session that is over holds nobody, whatever was left of it."""
        held_by = standing.session_id
        if held_by is None or not standing.confirmed or await self.holds(held_by, standing.user_id):
            return standing
        return await self._people.release(standing.user_id, held_by)

    async def is_over(self, session_id: SessionId) -> bool:
        """Whether nothing of a session is live any more, so that it holds nobody."""
        loaded = await self.rooms.load(session_id)
        return loaded is None or loaded.room.state in OVER

    async def holds(self, session_id: SessionId, user_id: UserId) -> bool:
        """Whether a session holds this person: nothing of it is over for them."""
        loaded = await self.rooms.load(session_id)
        if loaded is None or loaded.room.state in OVER:
            return False
        me = loaded.room.participant(user_id)
        return me is not None and me.lobby != "refused"


def _punctually(decide: Decide, room: Room, *, now_ms: int) -> Change:
    """Decide on the room as it is by now: a ring, a wait or a grace that is over does not last until somebody
    notices. Deadlines that depend on who was there need proofs, and are left to the tick.
    """
    due = Change(room) if deadlines.needs_proofs(room) else deadlines.tick(room, now_ms=now_ms)
    change = decide(due.room, now_ms=now_ms)
    return Change(change.room, (*due.news, *change.news))


def _of_hubs(room: Room, hubs: set[HubId], proofs: Proofs) -> Proofs:
    """The last proof of every socket of these hubs in the room; of one never heard of, its entry."""
    return {
        anchor.connection: proofs.get(anchor.connection, anchor.since_ms)
        for person in room.people
        for anchor in person.anchors
        if anchor.hub in hubs
    }
