"""The HTTP application: every route of the web process, and how refusals and headers look."""

from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from config.settings import Settings
from hub import callers, wall_clock
from hub.edge.sockets import Sockets
from hub.errors import HTTP_STATUS, Code, Refused, refused_from, wire
from hub.hub import Hub
from hub.lifespan import Stores
from hub.metrics import Metrics
from hub.routes.agora_webhooks import AgoraWebhooks
from hub.routes.answer import table
from hub.routes.calendar import CalendarFeed
from hub.routes.documents import Documents
from hub.routes.erasure import Receipts
from hub.routes.operators import Operators
from hub.routes.page import Page
from hub.routes.topics import ROUTES
from hub.routes.twilio import TwilioWebhooks
from hub.routes.webhooks import StripeWebhooks
from store.privacy.numbers import Numbers
from store.redis.command import command

BODY_MAX = 512 * 1024

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
}


def make_app(
    settings: Settings, stores: Stores, hub: Hub, sockets: Sockets, metrics: Metrics
) -> web.Application:
    """Every route of one hub."""
    proxies = [str(network) for network in settings.trusted_proxies]
    app = web.Application(middlewares=[speak_plainly, callers.remembering(proxies)], client_max_size=BODY_MAX)
    app.on_response_prepare.append(_add_headers)
    sockets.attach(app)
    checks: dict[str, Callable[[], Awaitable[object]]] = {
        "postgres": partial(stores.pool.fetchval, "select 1"),
        "redis": partial(command, stores.redis, "PING"),
    }
    operators = Operators(
        checks,
        metrics,
        draining=lambda: sockets.draining,
    )
    stripe = StripeWebhooks(
        stores.pool,
        secret=settings.stripe_webhook_secret.get_secret_value(),
        connect_secret=settings.stripe_connect_webhook_secret.get_secret_value(),
        livemode=settings.livemode,
        now_s=wall_clock.now_s,
    )
    agora_secret = settings.agora_webhook_secret
    agora = AgoraWebhooks(
        stores.pool,
        secret=None if agora_secret is None else agora_secret.get_secret_value(),
        now_ms=wall_clock.now_ms,
    )
    twilio_token = settings.twilio_auth_token
    twilio = TwilioWebhooks(
        stores.pool,
        Numbers(stores.keyring.root),
        token=None if twilio_token is None else twilio_token.get_secret_value(),
        public_url=settings.public_url,
        now_ms=wall_clock.now_ms,
    )
    told = (operators, stripe, agora, twilio)
    for routes in (*told, Page(), Documents(), CalendarFeed(hub), Receipts(stores.pool)):
        app.add_routes(routes.routes())
    app.add_routes(table(hub, ROUTES))
    return app


@web.middleware
async def speak_plainly(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every refusal in the contract's form, whoever refused."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400 or request.path == "/socket.io/":
            raise
        return _refusal(_from_status(error), status=error.status)
    except Exception as error:  # noqa: BLE001  The last line: whatever it is, the client gets an answer.
        return _refusal(refused_from(error, where=request.match_info.route.name or request.method))


def _refusal(refused: Refused, *, status: int | None = None) -> web.Response:
    headers = {}
    if refused.retry_after_ms is not None:
        headers["Retry-After"] = str(-(-refused.retry_after_ms // 1000))
    return web.json_response(
        {"error": wire(refused)}, status=status or HTTP_STATUS[refused.code], headers=headers
    )


def _from_status(error: web.HTTPException) -> Refused:
    codes = {404: Code.NOT_FOUND, 413: Code.TOO_LARGE, 429: Code.RATE_LIMITED, 401: Code.UNAUTHENTICATED}
    code = codes.get(error.status, Code.BAD_REQUEST if error.status < 500 else Code.UNAVAILABLE)
    return Refused(code, error.reason)


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
