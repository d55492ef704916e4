"""Makes practitioners of guests whose application was approved: the role at the identity provider first,
since every token says it, and then the practice in the directory.
"""

from collections.abc import Callable
from typing import Final, Protocol

import asyncpg
import structlog

from hub.correcting import Peers
from hub.errors import log_unexpected
from rooms.ids import Role, UserId
from store.postgres import disclosures, practices
from store.postgres.practices import Approved

BATCH: Final = 20

log = structlog.get_logger()


class SetsRoles(Protocol):
    """The identity provider, as far as roles are concerned."""

    async def set_role(self, user_id: UserId, role: Role) -> object:
        """Set `app_metadata.role`; the second time is harmless. Raises when it is not known to be set."""


class Applications:
    """The duty. What fails stays approved, and is tried again at the next turn."""

    def __init__(
        self, pool: asyncpg.Pool, roles: SetsRoles, peers: Peers, *, now_ms: Callable[[], int]
    ) -> None:
        self._pool = pool
        self._roles = roles
        self._peers = peers
        self._now_ms = now_ms

    async def run_once(self) -> int:
        """Gives how many became practitioners. Raises what Postgres raises."""
        due = await practices.approved(self._pool, limit=BATCH)
        return sum([await self._verify(application) for application in due])

    async def _verify(self, application: Approved) -> bool:
        who, now_ms = application.person_id, self._now_ms()
        try:
            await disclosures.disclosed(self._pool, who, "supabase", "role", now_ms=now_ms)
            await self._roles.set_role(who, "practitioner")
        except Exception as error:  # noqa: BLE001  One that fails must not keep the others waiting.
            log_unexpected(error, where="applications")
            return False
        async with self._pool.acquire() as connection, connection.transaction():
            person_id = await practices.finish(connection, application.id)
            if person_id is None:
                return False
            await practices.verify(connection, person_id, now_ms=self._now_ms())
        log.info("practitioner.verified")
        await self._peers.tell_directory(person_id)
        return True
