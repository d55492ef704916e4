"""Twilio, by its own library over the hub's own client: messages are sent, looked up and deleted.

The library has no limit on time that it keeps to, so each call has ours. Twilio has no idempotency keys:
whoever does not know whether a message was sent looks for it, and never sends it again.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
from aiohttp import encode_basic_auth
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from hub.vendors.asking import ANSWER_MAX, TIMEOUT_S, VendorRefused, VendorUnavailable

PAGE: Final = 50
ROUNDS_MAX: Final = 200
"""Of so many pages what lies there for one number is deleted at a time; the rest the next time."""

VALIDITY_MAX_S: Final = 14_400
"""How long Twilio may take to deliver a message, at most."""
NOT_DONE: Final = frozenset({401, 403, 404, 429})
"""Answers after which it is certain that nothing was sent; tried again once they are mended."""
_SERVICE: Final = "MG"


class NotSent(VendorUnavailable):
    """Twilio does not send now, and it is certain that it did not."""


class SmsRefused(VendorRefused):
    """Twilio will not send this. `error` is its own number for why: 21610 for somebody who wrote STOP."""

    def __init__(self, status: int, error: int) -> None:
        super().__init__(status)
        self.error = error


class _OverOurs(AsyncHttpClient):  # type: ignore[misc]  # It comes without types.
    """The library's calls over a client that is shared and reaches the configured hosts alone."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        super().__init__(None, True, TIMEOUT_S)
        self._http = http

    async def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  As the library calls it.
        allow_redirects: bool = False,
    ) -> Response:
        """One call. Never follows a redirect, whatever the library asks for; bounded in time and size."""
        del timeout, allow_redirects
        sent = dict(headers or {})
        if auth is not None:
            sent["Authorization"] = encode_basic_auth(*auth)
        async with self._http.request(
            method,
            url,
            params=params,
            data=data,
            headers=sent,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
        ) as response:
            raw = b""
            async for chunk in response.content.iter_chunked(16 * 1024):
                raw += chunk
                if len(raw) > ANSWER_MAX:
                    raise VendorUnavailable("the answer is too large")
            return Response(response.status, raw.decode("utf-8", "replace"), response.headers)


class Twilio:
    """One Twilio account. `base` is the API's address."""

    def __init__(self, http: aiohttp.ClientSession, *, base: str, account_sid: str, auth_token: str) -> None:
        self.client = Client(account_sid, auth_token, http_client=_OverOurs(http))
        self.client.api.base_url = base.rstrip("/")

    async def forget(self, number: str) -> int:
        """Delete every message to or from a number; how many. Raises VendorUnavailable or VendorRefused."""
        deleted = 0
        for asked in ({"to": number}, {"from_": number}):
            for _ in range(ROUNDS_MAX):
                async with _answering():
                    found = await self.client.messages.list_async(**asked, limit=PAGE, page_size=PAGE)
                for message in found:
                    await self._delete(str(message.sid))
                deleted += len(found)
                if not found:
                    break
            else:
                raise VendorUnavailable("there is more than is deleted at a time")
        return deleted

    async def send(
        self, to: str, body: str, *, sender: str, status_callback: str, validity_s: int | None = None
    ) -> str:
        """Send a message; its sid. `sender` is a number or a messaging service (MG…).

        What is not delivered within `validity_s` is not delivered at all. Raises NotSent, SmsRefused, or
        VendorUnavailable: then it may have been sent, and nobody knows.
        """
        by = {"messaging_service_sid" if sender.startswith(_SERVICE) else "from_": sender}
        if validity_s is not None:
            by["validity_period"] = str(min(max(1, validity_s), VALIDITY_MAX_S))
        async with _sending():
            made = await self.client.messages.create_async(
                to=to, body=body, status_callback=status_callback, **by
            )
        return str(made.sid)

    async def find(self, to: str, part: str, *, since_ms: int) -> str | None:
        """The sid of a message to this number that has `part` in it and was made since then (Unix ms).

        Among the last 50 to the number: not by when it was sent, for that is unknown while it waits. What was
        sent a moment ago may not be listed yet. Raises VendorUnavailable or VendorRefused.
        """
        since = datetime.fromtimestamp(since_ms // 1000, UTC)
        async with _answering():
            found = await self.client.messages.list_async(to=to, limit=PAGE, page_size=PAGE)
        for message in found:
            if part in str(message.body) and (message.date_created is None or message.date_created >= since):
                return str(message.sid)
        return None

    async def _delete(self, sid: str) -> None:
        """Also one that is gone already."""
        try:
            async with _answering():
                await self.client.messages(sid).delete_async()
        except VendorRefused as error:
            if error.status != 404:
                raise


@asynccontextmanager
async def _answering() -> AsyncIterator[None]:
    """One call, within our time, with the two ways to fail that every vendor has."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            yield
    except TwilioRestException as error:
        status = error.status or 0
        if status in (401, 403, 408, 409, 425, 429) or status >= 500 or 300 <= status < 400:
            raise VendorUnavailable(str(status)) from None
        raise VendorRefused(status) from None
    except (TwilioException, aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise VendorUnavailable(type(error).__name__) from None


@asynccontextmanager
async def _sending() -> AsyncIterator[None]:
    """The same where being done twice does harm: so what is certain not to have been done is told apart."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            yield
    except TwilioRestException as error:
        status = error.status or 0
        if status in NOT_DONE or 300 <= status < 400:
            raise NotSent(str(status)) from None
        if 400 <= status < 500 and status != 408:
            raise SmsRefused(status, error.code or 0) from None
        raise VendorUnavailable(str(status)) from None
    except aiohttp.ClientConnectorError as error:
        raise NotSent(type(error).__name__) from None
    except (TwilioException, aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise VendorUnavailable(type(error).__name__) from None


def signature(auth_token: str, url: str, fields: Mapping[str, str]) -> str:
    """What Twilio puts into `X-Twilio-Signature` when it posts these fields to exactly this address."""
    return str(RequestValidator(auth_token).compute_signature(url, dict(fields)))
