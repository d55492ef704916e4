"""Where Twilio calls us: how a message fares, and what people write back.

What a status means is worked out afterwards, as with the other vendors. A STOP is done before it is answered:
from then on nothing is sent. Neither the number that wrote nor what it wrote is kept, only what it meant.
"""

import hmac
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl
from uuid import UUID
from xml.sax.saxutils import escape

import asyncpg
import structlog
from aiohttp import web

from hub.reminding import consenting
from hub.routes.webhooks import body, refusal
from hub.vendors.twilio import signature
from hub.words import WORDS, Language
from rooms.texting import Meaning, meaning
from store.postgres import inbox
from store.privacy.numbers import Numbers

SOURCE: Final = "twilio"
PATH: Final = "/webhooks/twilio"
FIELDS_MAX: Final = 100
SID_MAX: Final = 64

log = structlog.get_logger()


class TwilioWebhooks:
    """The endpoint. Without a `token` nothing is signed, so nothing is taken. `now_ms` is Unix time.

    Twilio signs the address that it was given, so `public_url` has to be exactly what it calls.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        numbers: Numbers,
        *,
        token: str | None,
        public_url: str,
        now_ms: Callable[[], int],
    ) -> None:
        self._pool = pool
        self._numbers = numbers
        self._token = token
        self._public_url = public_url
        self._now_ms = now_ms

    def routes(self) -> list[web.RouteDef]:
        """`POST /webhooks/twilio`."""
        return [web.post(PATH, self._receive)]

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        raw = await body(request)
        if raw is None:
            return refusal(413, "too_large", "The body is larger than 256 KiB.")
        fields = _fields(raw)
        if fields is None:
            return refusal(400, "bad_request", "The body is no form.")
        given = request.headers.get("X-Twilio-Signature", "")
        if self._token is None or not self._is_signed(request.raw_path, fields, given):
            log.warning("webhooks.refused", source=SOURCE)
            return refusal(403, "forbidden", "The signature does not fit.")
        try:
            if "MessageStatus" in fields:
                return await self._status(request.query.get("reminder", ""), fields)
            return await self._inbound(fields)
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError):
            return refusal(400, "bad_request", "This cannot be kept.")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            log.exception("webhooks.not_kept", source=SOURCE)
            return refusal(503, "unavailable", "Try again later.")

    def _is_signed(self, path: str, fields: Mapping[str, str], given: str) -> bool:
        expected = signature(self._token or "", f"{self._public_url}{path}", fields)
        return hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))

    async def _status(self, reminder: str, fields: Mapping[str, str]) -> web.Response:
        sid, status = fields.get("MessageSid", ""), fields["MessageStatus"]
        error = fields.get("ErrorCode", "")
        if not _is_uuid(reminder) or not 0 < len(sid) <= SID_MAX or not status.isalpha():
            return web.Response(status=204)
        await inbox.insert_event(
            self._pool,
            event_id=f"{SOURCE}:{sid}:{status}"[:255],
            source=SOURCE,
            type="twilio.status",
            object_id=sid,
            payload={
                "reminder": reminder,
                "status": status[:32],
                "error": int(error) if error.isdecimal() and len(error) < 10 else None,
            },
            now_ms=self._now_ms(),
        )
        return web.Response(status=204)

    async def _inbound(self, fields: Mapping[str, str]) -> web.Response:
        sid, number = fields.get("MessageSid", ""), fields.get("From", "")
        told, theirs = meaning(fields.get("Body", ""))
        if told == "other" or not 0 < len(sid) <= SID_MAX or not number.startswith("+"):
            return _say(None)
        changed, language = await self._heard(sid, number, told)
        log.info("texts.heard", told=told, changed=changed)
        # Twilio answers the words that it knows by itself; two answers would be one too many.
        return _say(None if theirs else self._answer(told, changed, language))

    async def _heard(self, sid: str, number: str, told: Meaning) -> tuple[bool, Language]:
        """Once a message, whoever repeats it: an old STOP must not undo what was decided since."""
        now_ms = self._now_ms()
        event_id = f"{SOURCE}:{sid}"
        async with self._pool.acquire() as connection, connection.transaction():
            is_new = await inbox.insert_event(
                connection,
                event_id=event_id,
                source=SOURCE,
                type=f"twilio.{told}",
                object_id=None,
                payload={},
                now_ms=now_ms,
            )
            if is_new:
                await inbox.event_done(connection, event_id)
            mark = self._numbers.mark(number)
            return await consenting.heard(connection, number, mark, told if is_new else "help", now_ms=now_ms)

    def _answer(self, told: Meaning, changed: bool, language: Language) -> str:
        code = {"stop": "stopped", "help": "help"}.get(told) or ("started" if changed else "not_started")
        return WORDS[language].texts[code].format(url=self._public_url)


def _fields(raw: bytes) -> dict[str, str] | None:
    """A form whose fields come once each; None for anything else."""
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX
        )
    except ValueError:
        return None
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else None


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _say(text: str | None) -> web.Response:
    """In Twilio's markup: nothing, or one message."""
    said = "<Response/>" if text is None else f"<Response><Message>{escape(text)}</Message></Response>"
    return web.Response(text=f'<?xml version="1.0" encoding="UTF-8"?>{said}', content_type="text/xml")
