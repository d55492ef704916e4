"""One's own erasure: asked for, looked at, taken back; and its receipt, for whoever is nobody here any
more.
"""

import asyncpg
import msgspec
from aiohttp import web

from hub import leaving
from hub.edge.auth import UUID, Principal
from hub.errors import refused_from
from hub.hub import Hub
from hub.routes.answer import Route, json, not_found, query, refusal
from store.postgres import erasures
from store.postgres.erasures import Standing, State

RECEIPT = "/v1/erasures/{receipt}"


class Erasure(msgspec.Struct, frozen=True):
    """How one's erasure stands. `receipt` is the number by which it can be asked for when it is done.

    `waits_for` says what has to be over first: `sessions`, `dispute`, `appeal` or `balance`; near its end,
    `others`: what a duty may still write that read about them before.
    """

    receipt: str
    state: State
    requested_at_ms: int
    cancellable_until_ms: int
    due_by_ms: int
    waits_for: str | None = None


class ReceiptReply(msgspec.Struct, frozen=True):
    """What an erasure came to. It does not say whose it was: nobody knows by then."""

    receipt: str
    state: State
    requested_at_ms: int
    due_by_ms: int
    done_at_ms: int | None


def told(standing: Standing) -> Erasure:
    """An erasure in the words of the contract."""
    return Erasure(
        standing.receipt,
        standing.state,
        standing.received_at_ms,
        standing.cancellable_until_ms,
        standing.due_by_ms,
        standing.waits_for,
    )


async def ask(hub: Hub, who: Principal, request: web.Request) -> Erasure:
    """`DELETE /v1/me`: noted at once, done once the grace is over; nothing new begins until then."""
    query(request, ())
    return told(await leaving.request(hub, who))


async def show(hub: Hub, who: Principal, request: web.Request) -> Erasure:
    """`GET /v1/me/erasure`: the latest, also one that was taken back."""
    query(request, ())
    standing = await erasures.latest(hub.pool, who.user_id)
    if standing is None:
        raise not_found()
    return told(standing)


async def cancel(hub: Hub, who: Principal, request: web.Request) -> Erasure:
    """`POST /v1/me/erasure/cancel`: everything stays as it was. The second time it is the same."""
    query(request, ())
    return told(await leaving.cancel(hub, who))


class Receipts:
    """`GET /v1/erasures/{receipt}`, for whoever has the number: nobody can sign in for it any more."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    def routes(self) -> list[web.RouteDef]:
        """The one route."""
        return [web.get(RECEIPT, self.show)]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """What became of it; a number that was never given out is `not_found`."""
        try:
            receipt = request.match_info["receipt"]
            standing = None if UUID.fullmatch(receipt) is None else await self._standing(receipt)
        except Exception as error:  # noqa: BLE001  Whatever it was, the client gets a code of the contract.
            return refusal(refused_from(error, where=f"GET {RECEIPT}"))
        if standing is None:
            return refusal(not_found())
        return json(
            ReceiptReply(
                standing.receipt,
                standing.state,
                standing.received_at_ms,
                standing.due_by_ms,
                standing.done_at_ms,
            )
        )

    async def _standing(self, receipt: str) -> Standing | None:
        return await erasures.by_receipt(self._pool, receipt)


ROUTES = [
    Route("DELETE", "/v1/me", Erasure, ask),
    Route("GET", "/v1/me/erasure", Erasure, show),
    Route("POST", "/v1/me/erasure/cancel", Erasure, cancel),
]
