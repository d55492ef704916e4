"""Where somebody comes from, as keyed hashes: enough to see that two are the same, and nothing else.

    key of a month = HMAC-SHA-256(root, "fraud marks YYYY-MM"),  mark = HMAC-SHA-256(key, kind and value)

The key rotates with the month (UTC). Each sighting is marked under this month's key and last month's, so what
is less than a month apart can be compared, and what is further apart can not. Without the hub's root secret,
which DATA_KEY wraps, nobody can try out addresses against the marks. The values themselves are never kept.
"""

import hashlib
import hmac
import ipaddress
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from billing.fraud import Mark

MARK_BYTES: Final = 16
IPV6_SITE_BITS: Final = 64
"""One subscriber has at least so much of IPv6."""
TEXT_MAX: Final = 400

DIGITS = re.compile(r"\d+")


class Marks:
    """Makes marks under keys derived from the hub's root secret."""

    def __init__(self, root: bytes) -> None:
        self._root = root

    def of(self, caller: "Caller", *, at_ms: int) -> list[tuple[Mark, str, str]]:
        """What may be known of a caller: kind, mark under this month's key, and under last month's."""
        this, last = _months(at_ms)
        return [
            (kind, self._mark(this, kind, value), self._mark(last, kind, value))
            for kind, value in caller.values().items()
        ]

    def _mark(self, month: str, kind: str, value: str) -> str:
        key = _month_key(self._root, month)
        return hmac.digest(key, f"{kind}\n{value}".encode(), hashlib.sha256)[:MARK_BYTES].hex()


class Caller:
    """Somebody's address and browser, as a request told; kept for the length of that request alone."""

    __slots__ = ("_address", "_browser")

    def __init__(self, address: str, agent: str, languages: str) -> None:
        self._address = address
        # Without version numbers: a browser that was updated is no new one.
        self._browser = DIGITS.sub("", f"{agent[:TEXT_MAX]}\n{languages[:TEXT_MAX]}")

    def values(self) -> "dict[Mark, str]":
        """What tells callers apart. An address that is not of the public internet tells nothing."""
        values: dict[Mark, str] = {"browser": self._browser}
        site = _site(self._address)
        if site is not None:
            values["network"] = site
            values["device"] = f"{site}\n{self._browser}"
        return values


def _site(address: str) -> str | None:
    """The subscriber's network; None for an address that is not of the public internet."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    parsed = mapped or parsed
    if not parsed.is_global:
        return None
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, IPV6_SITE_BITS), strict=False))
    return str(parsed)


def _months(at_ms: int) -> tuple[str, str]:
    this = datetime.fromtimestamp(at_ms / 1000, UTC).replace(day=1)
    return f"{this:%Y-%m}", f"{this - timedelta(days=1):%Y-%m}"


@lru_cache(maxsize=4)
def _month_key(root: bytes, month: str) -> bytes:
    return hmac.digest(root, f"fraud marks {month}".encode(), hashlib.sha256)
