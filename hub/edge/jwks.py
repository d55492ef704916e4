"""The identity provider's public keys: fetched when needed, seldom, and never trusted blindly.

However many connections wait for a key, one request is on its way. A key that nobody knows costs at most one
request per cool-down, so invented key ids can't make this process hammer the provider. When the provider is
away, keys seen before serve on for a bounded time.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import jwt
import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric import ec, rsa

log = structlog.get_logger()

KEYS_MAX = 16
RSA_BITS_MIN = 2048


class KeysUnavailableError(Exception):
    """The keys can't be read just now."""


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """A public key and the one algorithm that may be used with it, whatever a token says."""

    algorithm: str
    public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey


class Jwks:
    """The key set at `url`. Times are seconds; `now_s` is the clock they are read from."""

    def __init__(
        self,
        url: str,
        *,
        http: aiohttp.ClientSession,
        now_s: Callable[[], float],
        fresh_s: float = 600,
        stale_s: float = 3600,
        cool_down_s: float = 30,
        timeout_s: float = 3,
        size_max_bytes: int = 64 * 1024,
    ) -> None:
        self._url = url
        self._http = http
        self._now_s = now_s
        self._fresh_s = fresh_s
        self._stale_s = stale_s
        self._cool_down_s = cool_down_s
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._size_max_bytes = size_max_bytes
        self._keys: dict[str, VerifyKey] = {}
        self._fetched_s = float("-inf")
        self._tried_s = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, kid: str) -> VerifyKey | None:
        """The key called `kid`, or None if there is none. Raises `KeysUnavailableError`."""
        now_s = self._now_s()
        known = self._keys.get(kid)
        if known is not None and now_s - self._fetched_s < self._fresh_s:
            return known
        if self._fetching is not None or now_s - self._tried_s >= self._cool_down_s:
            await self._fetch()
        if self._now_s() - self._fetched_s >= self._fresh_s + self._stale_s:
            raise KeysUnavailableError
        return self._keys.get(kid)

    async def _fetch(self) -> None:
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._refresh(), name="jwks")
        # Shielded: one impatient connection must not take the keys away from all the others.
        await asyncio.shield(self._fetching)

    async def _refresh(self) -> None:
        self._tried_s = self._now_s()
        try:
            keys = await self._download()
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
            log.warning("jwks.failed", error=type(error).__name__)
        else:
            self._keys = keys
            self._fetched_s = self._now_s()
        finally:
            self._fetching = None

    async def _download(self) -> dict[str, VerifyKey]:
        # A redirect could lead the hub to keys of somebody else's choosing.
        async with self._http.get(self._url, allow_redirects=False, timeout=self._timeout) as answer:
            if answer.status != 200:
                raise ValueError("status")
            body = bytearray()
            async for chunk in answer.content.iter_any():
                body += chunk
                if len(body) > self._size_max_bytes:
                    raise ValueError("too large")
        keys = _parse(bytes(body))
        if not keys:
            raise ValueError("no usable key")
        return keys


def _parse(body: bytes) -> dict[str, VerifyKey]:
    """The usable keys of a key set. Raises `ValueError` (msgspec's own is one) if it isn't a key set."""
    document = msgspec.json.decode(body, type=dict[str, Any])
    listed = document.get("keys")
    if not isinstance(listed, list):
        raise ValueError("keys")  # noqa: TRY004  Every malformed key set is the same error.
    found: dict[str, VerifyKey] = {}
    for described in listed[:KEYS_MAX]:
        kid = described.get("kid") if isinstance(described, dict) else None
        key = _verify_key(described) if isinstance(kid, str) and kid else None
        if key is not None and isinstance(kid, str):
            found[kid] = key
    return found


def _verify_key(described: dict[str, Any]) -> VerifyKey | None:
    """A key for ES256 or RS256, or None: symmetric keys, other curves and short moduli are passed over."""
    algorithm = {"EC": "ES256", "RSA": "RS256"}.get(str(described.get("kty")))
    if algorithm is None or described.get("alg", algorithm) != algorithm:
        return None
    if described.get("use", "sig") != "sig":
        return None
    public_part: dict[str, Any] = {
        name: described[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in described
    }
    try:
        public = jwt.PyJWK(public_part, algorithm).key
    except jwt.PyJWTError:
        return None
    if isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1):
        return VerifyKey(algorithm, public)
    if isinstance(public, rsa.RSAPublicKey) and public.key_size >= RSA_BITS_MIN:
        return VerifyKey(algorithm, public)
    return None
