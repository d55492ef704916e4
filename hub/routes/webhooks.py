"""Where Stripe calls us. A call is verified, kept, answered; what it means is worked out afterwards."""

from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg
import msgspec
import structlog
from aiohttp import web

from billing.webhook_signature import BadSignature, verify
from store.postgres import inbox

BODY_MAX: Final = 256 * 1024
CHUNK: Final = 64 * 1024
OF_PEOPLE: Final = ("customer.", "payment_method.")
"""Events about people and cards themselves, which nobody looks up: whom they are about is not kept either, or
it would outlive somebody who was removed."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = structlog.get_logger()


class _Object(msgspec.Struct, frozen=True):
    id: str | None = None


class _Data(msgspec.Struct, frozen=True):
    object: _Object


class _Event(msgspec.Struct, frozen=True):
    """The part of an event that says where to look; the rest is read anew from Stripe."""

    id: str
    type: str
    livemode: bool
    data: _Data
    account: str | None = None
    created: int | None = None


class StripeWebhooks:
    """The two endpoints: the platform's own events, and those of connected accounts.

    Each has a secret of its own. `livemode` is whether our key is a live one: events of the other mode are
    refused, or a test event could move real sessions. `now_s` gives Unix seconds.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        *,
        secret: str,
        connect_secret: str,
        livemode: bool,
        now_s: Callable[[], float],
    ) -> None:
        self._pool = pool
        self._secrets = {"stripe": secret, "stripe-connect": connect_secret}
        self._livemode = livemode
        self._now_s = now_s

    def routes(self) -> list[web.RouteDef]:
        """`POST /webhooks/stripe` and `POST /webhooks/stripe-connect`."""
        return [web.post(f"/webhooks/{source}", self._endpoint(source)) for source in self._secrets]

    def _endpoint(self, source: str) -> Handler:
        async def receive(request: web.Request) -> web.StreamResponse:
            return await self._receive(request, source)

        return receive

    async def _receive(self, request: web.Request, source: str) -> web.Response:
        raw = await body(request)
        if raw is None:
            return refusal(413, "too_large", "The body is larger than 256 KiB.")
        try:
            verify(
                raw,
                request.headers.get("Stripe-Signature", ""),
                self._secrets[source],
                now_s=self._now_s(),
            )
            event = msgspec.json.decode(raw, type=_Event)
        except BadSignature as error:
            log.warning("webhooks.refused", source=source, reason=str(error))
            return refusal(400, "bad_request", "The signature does not fit.")
        except (msgspec.DecodeError, UnicodeDecodeError):
            return refusal(400, "bad_request", "The body is no event.")
        if event.livemode != self._livemode:
            return refusal(400, "bad_request", "The event is of the other mode.")
        return await self._keep(event, source)

    async def _keep(self, event: _Event, source: str) -> web.Response:
        # Only what tells where to look is kept: an event carries names and addresses of people.
        where = {"account": event.account, "created": event.created}
        object_id = None if event.type.startswith(OF_PEOPLE) else event.data.object.id
        try:
            await inbox.insert_event(
                self._pool,
                event_id=event.id,
                source=source,
                type=event.type,
                object_id=object_id,
                payload=where,
                now_ms=int(self._now_s() * 1000),
            )
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError):
            return refusal(400, "bad_request", "The event cannot be kept.")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            log.exception("webhooks.not_kept", source=source)
            return refusal(503, "unavailable", "Try again later.")
        return web.json_response({"received": True})


async def body(request: web.Request) -> bytes | None:
    """The body exactly as it came, or None if it is too large."""
    if (request.content_length or 0) > BODY_MAX:
        return None
    raw = bytearray()
    while chunk := await request.content.read(CHUNK):
        raw += chunk
        if len(raw) > BODY_MAX:
            return None
    return bytes(raw)


def refusal(status: int, code: str, message: str) -> web.Response:
    """A no in the contract's form."""
    error = {"code": code, "message": message, "retryable": status >= 500}
    return web.json_response({"error": error}, status=status)
