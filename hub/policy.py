"""The privacy policy as it is told: at once to everybody who is there, and to the others when they come.

Going on after that, once it is in effect, is acceptance. Coming is not, and neither is what a page does by
itself: only an event that a person means counts.
"""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final

import asyncpg
import msgspec

import config
from hub.edge.connection import Connection, Frame
from hub.edge.fanout import deliver, frame
from hub.edge.inbox import Answers
from hub.outbound import PolicyUpdated
from hub.tasks import Job
from rooms.ids import UserId
from store.postgres import policies
from store.postgres.policies import Texts, Version

FOLDER: Final = Path(config.__file__).parent / "policy"

NOT_ACTIONS: Final = frozenset(
    {"auth:refresh", "directory:watch", "directory:unwatch", "analytics:event", "chat:read"}
)
"""What a page sends by itself."""


def deployed() -> Texts:
    """The texts that came with this release."""
    return Texts((FOLDER / "en.md").read_text(), (FOLDER / "fr.md").read_text())


class Policy:
    """Tells this hub's people of new versions, and notices who goes on. `sockets` are all that are here, and
    `sockets_of` those of one person.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        *,
        sockets: Callable[[], Collection[Connection]],
        sockets_of: Callable[[UserId], Collection[Connection]],
        spawn: Callable[[str, Job], None],
        now_ms: Callable[[], int],
    ) -> None:
        self._pool = pool
        self._sockets = sockets
        self._sockets_of = sockets_of
        self._spawn = spawn
        self._now_ms = now_ms
        self._latest: Version | None = None
        self._counts_from_ms: dict[UserId, int] = {}

    async def start(self) -> None:
        """Publish the first version where there is none, and know the latest."""
        await policies.first_policy(self._pool, deployed(), now_ms=self._now_ms())
        self._latest = (await policies.versions(self._pool))[0]

    def hear(self, _message: bytes = b"") -> None:
        """A version was published, or may have been while nothing was heard."""
        self._spawn("policy.tell", self.tell_all)

    async def tell_all(self) -> None:
        """Tell everybody who is here, if there is something new."""
        latest = (await policies.versions(self._pool))[0]
        if self._latest is not None and latest.version <= self._latest.version:
            return
        self._latest = latest
        here = list(self._sockets())
        people = {connection.user_id for connection in here}
        deliver(_told(latest), here)
        await policies.note_notices(self._pool, list(people), latest.version, now_ms=self._now_ms())
        for user_id in people:
            self._counts_from_ms.setdefault(user_id, latest.effective_at_ms)

    def opened(self, connection: Connection) -> None:
        """A socket came. Under the first version there is nothing new to tell."""
        if self._latest is not None and self._latest.version > 1:
            self._spawn("policy.greet", lambda: self._greet(connection))

    def gone(self, connection: Connection) -> None:
        """A socket went; with their last one, a person's acceptance is looked up anew when they come."""
        if all(one is connection for one in self._sockets_of(connection.user_id)):
            self._counts_from_ms.pop(connection.user_id, None)

    def acted(self, connection: Connection, event: str) -> None:
        """A person did something, and it was accepted."""
        from_ms = self._counts_from_ms.get(connection.user_id)
        if from_ms is None or event in NOT_ACTIONS or self._now_ms() < from_ms:
            return
        del self._counts_from_ms[connection.user_id]
        self._spawn("policy.accept", lambda: self._accept(connection.user_id))

    async def _greet(self, connection: Connection) -> None:
        wanted = await policies.unaccepted(self._pool, connection.user_id)
        if not wanted or connection.closed:
            return
        deliver(_told(wanted[-1]), [connection])
        await policies.note_notices(
            self._pool, [connection.user_id], wanted[-1].version, now_ms=self._now_ms()
        )
        self._await_use(connection, wanted)

    async def _accept(self, user_id: UserId) -> None:
        await policies.accept_by_use(self._pool, user_id, now_ms=self._now_ms())
        wanted = await policies.unaccepted(self._pool, user_id)
        for connection in self._sockets_of(user_id):
            self._await_use(connection, wanted)

    def _await_use(self, connection: Connection, wanted: Sequence[Version]) -> None:
        """Who never accepted explicitly is asked to; going on says nothing of them."""
        if not connection.closed and wanted and wanted[0].version > 1:
            self._counts_from_ms[connection.user_id] = wanted[0].effective_at_ms


class Heeding:
    """Passes events on, and notices those that a person means."""

    def __init__(self, dispatch: Answers, policy: Policy) -> None:
        self._dispatch = dispatch
        self._policy = policy

    async def answer(self, connection: Connection, name: str, args: Sequence[msgspec.Raw]) -> bytes:
        """As the dispatch answers."""
        body = await self._dispatch.answer(connection, name, args)
        if body.startswith(b'{"ok":true'):
            self._policy.acted(connection, name)
        return body


def _told(latest: Version) -> Frame:
    body = PolicyUpdated(latest.version, latest.effective_at_ms, latest.published_at_ms)
    return frame("policy:updated", msgspec.json.encode(body))
