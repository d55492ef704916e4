"""The way out: every HTTP client of the hub is made here, and reaches the vendors' configured hosts alone.

Any other host is refused before its name is even looked up, and no redirect is followed, wherever it leads:
with our credentials and somebody's data, a request goes where the settings say or nowhere.
"""

from collections.abc import Collection, Mapping
from types import SimpleNamespace
from typing import Final, NamedTuple, NoReturn

import aiohttp
import structlog
from aiohttp.client import ClientRequest, ClientTimeout
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from prometheus_client import Counter
from yarl import URL

from config.settings import Settings
from store.privacy.vendors import VendorId

TIMEOUT_S: Final = 5.0
SHOWN_MAX: Final = 100

log = structlog.get_logger()


class Place(NamedTuple):
    """Where a vendor answers."""

    scheme: str
    host: str
    port: int


class HostRefused(aiohttp.ClientConnectionError):
    """Nobody configured this host, or a vendor sent us elsewhere. Nothing was looked up, nothing was sent."""


def places(settings: Settings) -> Mapping[VendorId, Place]:
    """Where each vendor is, from the settings: the whole list of hosts that the hub speaks HTTP with."""
    bases: dict[VendorId, str] = {
        "supabase": settings.supabase_url,
        "stripe": settings.stripe_api_base,
        "twilio": settings.twilio_api_base,
        "agora": settings.agora_api_base,
    }
    return {vendor: _place(URL(base)) for vendor, base in bases.items()}


class Refusals:
    """Counts what was refused, for the operators' figures."""

    def __init__(self) -> None:
        self.count = Counter(
            "hub_outbound_refused", "Requests to hosts that nobody configured, and redirects", registry=None
        )

    def refuse(self, what: str, url: URL) -> NoReturn:
        """Raises HostRefused, always."""
        self.count.inc()
        log.error("outbound.refused", what=what, host=str(url.host)[:SHOWN_MAX])
        raise HostRefused(f"{what} is refused")


class OnlyThere(aiohttp.TCPConnector):
    """Connects to `allowed` places and to no other, through no proxy."""

    def __init__(self, allowed: Collection[Place], refusals: Refusals) -> None:
        super().__init__()
        self._allowed = frozenset(allowed)
        self._refusals = refusals

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: ClientTimeout,  # noqa: ASYNC109  As the library calls it.
    ) -> Connection:
        """Also for a connection that is open already. Raises HostRefused."""
        key: ConnectionKey = req.connection_key
        if req.proxy is not None or key.proxy is not None:
            self._refusals.refuse("a proxy", req.url)
        if _place(req.url) not in self._allowed:
            self._refusals.refuse("a host", req.url)
        return await super().connect(req, traces, timeout)


def client(allowed: Collection[Place], refusals: Refusals) -> aiohttp.ClientSession:
    """A client for these places. It reads nothing from the environment, and keeps no cookie."""
    return aiohttp.ClientSession(
        connector=OnlyThere(allowed, refusals),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
        trace_configs=[_following_nobody(refusals)],
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
    )


def _following_nobody(refusals: Refusals) -> aiohttp.TraceConfig:
    """Some callers ask for redirects to be followed: the vendors' own libraries do."""

    async def refuse(
        _session: aiohttp.ClientSession, _context: SimpleNamespace, told: aiohttp.TraceRequestRedirectParams
    ) -> None:
        refusals.refuse("a redirect", told.url)

    tracing = aiohttp.TraceConfig()
    tracing.on_request_redirect.append(refuse)
    return tracing


def _place(url: URL) -> Place:
    return Place(url.scheme, (url.host or "").rstrip(".").lower(), url.port or 0)
