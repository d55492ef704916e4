"""One call to a vendor: bounded in time and size, to a configured host alone, with two ways to fail."""

from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import msgspec

TIMEOUT_S: Final = 8.0
ANSWER_MAX: Final = 256 * 1024


class VendorUnavailable(Exception):
    """The vendor did not answer, or not now. What was asked may have been done: look, or ask again."""


class VendorRefused(Exception):
    """The vendor will not do this, however often it is asked.

    `status` is the answer's, `code` the vendor's own number for why, if the answer has a field of that name.
    """

    def __init__(self, status: int, code: int | None = None) -> None:
        super().__init__(f"answered {status}" if code is None else f"answered {status}, code {code}")
        self.status = status
        self.code = code


class Vendor:
    """A vendor's API under one base address. `headers` go with every call and are never logged."""

    def __init__(self, http: aiohttp.ClientSession, base: str, headers: Mapping[str, str]) -> None:
        self._http = http
        self._base = base.rstrip("/")
        self._headers = dict(headers)

    async def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """The answer to a call, a JSON object. Raises VendorUnavailable or VendorRefused.

        No redirect is followed: it could lead to a host that nobody configured, with our credentials.
        """
        try:
            async with self._http.request(
                method,
                f"{self._base}{path}",
                json=body,
                params=query,
                headers=self._headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            ) as response:
                raw = await _read(response)
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise VendorUnavailable(type(error).__name__) from None
        # A clash of credentials is ours to mend, so it is asked again once it is mended.
        if status in (401, 403, 408, 409, 425, 429) or status >= 500 or 300 <= status < 400:
            raise VendorUnavailable(str(status))
        if status >= 400:
            raise VendorRefused(status, _code(raw))
        return _object(raw)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    raw = b""
    async for chunk in response.content.iter_chunked(16 * 1024):
        raw += chunk
        if len(raw) > ANSWER_MAX:
            raise VendorUnavailable("the answer is too large")
    return raw


def _code(raw: bytes) -> int | None:
    try:
        code = msgspec.json.decode(raw, type=dict[str, Any]).get("code")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return code if type(code) is int else None


def _object(raw: bytes) -> dict[str, Any]:
    if not raw.strip():
        return {}
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise VendorUnavailable("the answer is no JSON object") from None
