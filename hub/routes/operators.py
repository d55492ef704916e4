"""What operators and load balancers ask: alive, ready, and the figures."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from hub.metrics import Metrics

ANSWER_WITHIN_S = 2.0


class Operators:
    """`/healthz`, `/readyz`, `/metrics`. `checks` are the stores, each by a question that it must answer."""

    def __init__(
        self,
        checks: dict[str, Callable[[], Awaitable[object]]],
        metrics: Metrics,
        *,
        draining: Callable[[], bool],
    ) -> None:
        self._checks = checks
        self._metrics = metrics
        self._draining = draining

    def routes(self) -> list[web.RouteDef]:
        """The three routes."""
        return [
            web.get("/healthz", self.alive),
            web.get("/readyz", self.ready),
            web.get("/metrics", self.figures),
        ]

    async def alive(self, _request: web.Request) -> web.Response:
        """The process answers."""
        return web.json_response({"status": "alive"})

    async def ready(self, _request: web.Request) -> web.Response:
        """People may be sent here: both stores answer, and the hub is not going away."""
        if self._draining():
            return web.json_response({"status": "draining"}, status=503)
        answers = await asyncio.gather(*map(_answers, self._checks.values()))
        missing = [name for name, answered in zip(self._checks, answers, strict=True) if not answered]
        if missing:
            return web.json_response({"status": "unavailable", "missing": missing}, status=503)
        return web.json_response({"status": "ready"})

    async def figures(self, _request: web.Request) -> web.Response:
        """Prometheus' text format."""
        return web.Response(body=self._metrics.exposition(), content_type="text/plain", charset="utf-8")


async def _answers(check: Callable[[], Awaitable[object]]) -> bool:
    try:
        await asyncio.wait_for(check(), ANSWER_WITHIN_S)
    except Exception:  # noqa: BLE001  Whatever the reason, the store does not answer.
        return False
    return True
