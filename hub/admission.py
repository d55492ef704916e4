"""Who may connect, beyond having a token: everyone the hub knows, or gets to know by it."""

from collections import OrderedDict
from collections.abc import Callable

import asyncpg

from hub.edge.auth import Principal
from hub.errors import Code, Refused
from hub.moderation.suspending import require_welcome
from rooms.ids import Role, UserId
from store.postgres import people
from store.privacy.keys import Keyring
from store.privacy.tombstones import buried
from store.redis.moderation import Moderation

REMEMBERED = 50_000


class Admission:
    """Makes a profile at somebody's first connection. `closed` refuses everyone while it is set."""

    def __init__(
        self, pool: asyncpg.Pool, moderation: Moderation, keyring: Keyring, *, now_ms: Callable[[], int]
    ) -> None:
        self.pool = pool
        self.keyring = keyring
        self.moderation = moderation
        self.now_ms = now_ms
        self._known: OrderedDict[UserId, Role] = OrderedDict()
        self.closed: Refused | None = None

    async def admit(self, principal: Principal) -> Principal:
        """The principal, once there is a profile for it. Raises Refused while closed, or suspended."""
        if self.closed is not None:
            raise self.closed
        await require_welcome(self, principal.user_id)
        if self._known.get(principal.user_id) != principal.role:
            # A token outlives whoever is erased, and the memory of ended sign-ins may be lost.
            if await buried(self.pool, self.keyring, principal.user_id):
                raise Refused(Code.UNAUTHENTICATED, "This sign-in was ended.")
            await people.ensure(
                self.pool,
                person_id=principal.user_id,
                role=principal.role,
                name=principal.name,
                email=principal.email,
                now_ms=self.now_ms(),
            )
            self._known[principal.user_id] = principal.role
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return principal
