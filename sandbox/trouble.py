"""Applies the faults of a request to a vendor's handler. Stripe has its own way, for its idempotency."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from sandbox.faults import HANG_MS, Faults

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def with_faults(faults: Faults, vendor: str, prefix: str, handler: Handler) -> Handler:
    """`handler`, made to hang, fail or lose its answer whenever a rule says so."""

    async def handle(request: web.Request) -> web.StreamResponse:
        rule = faults.on_request(vendor, request.method, request.path.removeprefix(prefix))
        if rule is None:
            return await handler(request)
        if rule.action == "429":
            return web.json_response(
                {
                    "code": 429,
                    "error_code": "over_request_rate_limit",
                    "msg": "Too many",
                    "message": "Too many requests",
                    "status": 429,
                },
                status=429,
            )
        if rule.action == "500":
            return web.json_response(
                {
                    "code": 500,
                    "error_code": "unexpected_failure",
                    "msg": "As asked for",
                    "message": "As asked for",
                    "status": 500,
                },
                status=500,
            )
        if rule.action == "hang":
            await asyncio.sleep((rule.ms if rule.ms is not None else HANG_MS) / 1000)
        response = await handler(request)
        if rule.action == "apply_then_drop" and request.transport is not None:
            request.transport.abort()
        return response

    return handle
