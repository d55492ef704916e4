"""Who somebody is: a valid token, of a sign-in that was not ended meanwhile."""

from collections.abc import Callable

from aiohttp import web

from hub.edge.auth import Principal, Tokens
from hub.edge.connection import Connection
from hub.errors import Code, Refused
from rooms.ids import UserId
from store.redis.revocations import Revocations, Scope


class Identity:
    """From a token to a principal. Fails closed: without the live store nobody is let in.

    `seen(principal)` is told of everybody who is let in; it neither waits nor fails.
    """

    def __init__(
        self, tokens: Tokens, revocations: Revocations, *, seen: Callable[[Principal], None] | None = None
    ) -> None:
        self._tokens = tokens
        self._revocations = revocations
        self._seen = seen

    async def verify(self, token: object) -> Principal:
        """Whom a token speaks for. Raises Refused, or the store's errors."""
        return await self._current(await self._tokens.verify(token))

    async def bearer(self, request: web.Request) -> Principal:
        """The same for an HTTP request's `Authorization` header."""
        return await self._current(await self._tokens.bearer(request))

    async def sign_out(self, who: Principal, scope: Scope, *, at_s: int) -> None:
        """End this sign-in, the person's others, or all, on every hub at once."""
        await self._revocations.revoke(who.user_id, who.session_id, scope, at_s=at_s)

    async def drop_revoked(self, connections: list[Connection]) -> None:
        """Close those of a person's connections whose sign-in is over."""
        for connection in connections:
            if await self._revoked(connection.principal):
                connection.drop("signed_out")

    async def _current(self, principal: Principal) -> Principal:
        if await self._revoked(principal):
            raise Refused(Code.UNAUTHENTICATED, "This sign-in was ended.")
        if self._seen is not None:
            self._seen(principal)
        return principal

    async def _revoked(self, who: Principal) -> bool:
        return await self._revocations.is_revoked(
            UserId(who.user_id), who.session_id, issued_at_s=who.issued_at_s
        )
