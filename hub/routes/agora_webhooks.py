"""Where Agora calls us. A call is verified, kept once, answered; what it means is worked out afterwards."""

from collections.abc import Callable
from typing import Final

import asyncpg
import msgspec
import structlog
from aiohttp import web

from hub.routes.webhooks import body, refusal
from hub.vendors.agora_notices import Known, Notice, is_signed, known
from store.postgres import inbox

SOURCE: Final = "agora"

log = structlog.get_logger()


class AgoraWebhooks:
    """The endpoint. Without a `secret` nothing is signed, so nothing is taken. `now_ms` is Unix time."""

    def __init__(self, pool: asyncpg.Pool, *, secret: str | None, now_ms: Callable[[], int]) -> None:
        self._pool = pool
        self._secret = secret
        self._now_ms = now_ms

    def routes(self) -> list[web.RouteDef]:
        """`POST /webhooks/agora`."""
        return [web.post("/webhooks/agora", self._receive)]

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        raw = await body(request)
        if raw is None:
            return refusal(413, "too_large", "The body is larger than 256 KiB.")
        signature = request.headers.get("Agora-Signature-V2", "")
        if self._secret is None or not is_signed(raw, signature, self._secret):
            log.warning("webhooks.refused", source=SOURCE)
            return refusal(400, "bad_request", "The signature does not fit.")
        try:
            notice = msgspec.json.decode(raw, type=Notice)
            told = known(notice)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return refusal(400, "bad_request", "The body is no notice.")
        # What is not used is not kept, but it was received: Agora need not send it again.
        return web.json_response({"received": True}) if told is None else await self._keep(notice, told)

    async def _keep(self, notice: Notice, told: Known) -> web.Response:
        try:
            await inbox.insert_event(
                self._pool,
                event_id=f"{SOURCE}:{notice.notice_id}",
                source=SOURCE,
                type=f"{SOURCE}.{told.__struct_config__.tag}",
                object_id=None,
                payload=msgspec.to_builtins(told),
                now_ms=self._now_ms(),
            )
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError):
            return refusal(400, "bad_request", "The notice cannot be kept.")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            log.exception("webhooks.not_kept", source=SOURCE)
            return refusal(503, "unavailable", "Try again later.")
        return web.json_response({"received": True})
