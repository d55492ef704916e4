"""What is asked of an HTTP request before it may become a WebSocket: where it comes from, and how often.

A missing Origin passes: native clients send none, and the token is the defence. A browser always sends one,
so a page elsewhere can't use its visitor's network position.
"""

import ipaddress
from collections.abc import Callable, Iterable

from aiohttp import web

from hub.edge.limits import Limits, Numbers

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
ADDRESS = web.RequestKey("ADDRESS", str)
"""The client's own address."""
OVER_LIMIT_MS = web.RequestKey("OVER_LIMIT_MS", int)
"""0, or how long this address has to wait before it may connect again."""
FORWARDED_MAX = 32
"""Addresses read from `X-Forwarded-For`, at most."""
IPV6_SITE_BITS = 64
"""One subscriber has at least so much of IPv6; limits count it as one address."""


class Door:
    """Lets requests in or not. `origins` as browsers write them; `proxies` as networks in CIDR notation."""

    def __init__(
        self,
        *,
        origins: Iterable[str],
        proxies: Iterable[str],
        numbers: Numbers,
        monotonic: Callable[[], float],
    ) -> None:
        self._origins = frozenset(origin.lower().rstrip("/") for origin in origins)
        self._proxies = tuple(ipaddress.ip_network(proxy, strict=False) for proxy in proxies)
        self._connects = (
            Limits(numbers.connects, clock_ms=lambda: monotonic() * 1000)
            if numbers.connects is not None
            else None
        )

    def check(self, request: web.Request) -> None:
        """Note the client's address and its limit on the request. Raises an HTTP 400 or 403."""
        given = request.headers.getall("Origin", [])
        if len(given) > 1 or (given and given[0].lower() not in self._origins):
            raise web.HTTPForbidden(text="This origin is not allowed.")
        if "sid" in request.query or request.query.get("transport") != "websocket":
            raise web.HTTPBadRequest(text="Only the websocket transport is spoken here.")
        address = self.address(request)
        request[ADDRESS] = address
        # The handshake still succeeds: only a Socket.IO answer can say how long to wait.
        request[OVER_LIMIT_MS] = self._connects.take(site(address)) if self._connects is not None else 0

    def address(self, request: web.Request) -> str:
        """The client's address. `X-Forwarded-For` counts only as far as trusted proxies wrote it."""
        address = request.remote or ""
        hops = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")[-FORWARDED_MAX:]
        for hop in reversed(hops):
            if not self._trusted(address):
                break
            said = hop.strip()
            if _parsed(said) is None:
                break
            address = said
        return address

    def _trusted(self, address: str) -> bool:
        parsed = _parsed(address)
        return parsed is not None and any(parsed in proxy for proxy in self._proxies)


def site(address: str) -> str:
    """What counts as one address for limits: an IPv4 address, or the IPv6 network of one subscriber."""
    parsed = _parsed(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, IPV6_SITE_BITS), strict=False))
    return address


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return mapped or parsed
