"""Why the hub refuses: one closed set of codes, and the one place where errors become codes.

Everything that may be said to a client passes through `Refused`. The rules' own errors and unknown
exceptions are turned into it here, once, so that an internal detail can't slip out by another way.
"""

from enum import StrEnum
from typing import Any

import structlog

from rooms.errors import RoomError

log = structlog.get_logger()


class Code(StrEnum):
    """The public contract's codes; a client may switch on them."""

    BAD_REQUEST = "bad_request"
    UNAUTHENTICATED = "unauthenticated"
    PAYMENT_REQUIRED = "payment_required"
    CARD_DECLINED = "card_declined"
    ACTION_REQUIRED = "action_required"
    FORBIDDEN = "forbidden"
    UNDERAGE = "underage"
    POLICY_PENDING = "policy_pending"
    BLOCKED = "blocked"
    MUTED = "muted"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    BUSY = "busy"
    NOT_LIVE = "not_live"
    OFFLINE = "offline"
    EXPIRED = "expired"
    TOO_LARGE = "too_large"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    SUSPENDED = "suspended"
    """Only in `connect_error`: the person may not connect at all."""
    DRAINING = "draining"
    """Only in `connect_error`: this hub is going away; another one will answer."""


HTTP_STATUS: dict[Code, int] = {
    Code.BAD_REQUEST: 400,
    Code.UNAUTHENTICATED: 401,
    Code.PAYMENT_REQUIRED: 402,
    Code.CARD_DECLINED: 402,
    Code.ACTION_REQUIRED: 402,
    Code.FORBIDDEN: 403,
    Code.UNDERAGE: 403,
    Code.POLICY_PENDING: 403,
    Code.BLOCKED: 403,
    Code.MUTED: 403,
    Code.NOT_FOUND: 404,
    Code.CONFLICT: 409,
    Code.BUSY: 409,
    Code.NOT_LIVE: 409,
    Code.OFFLINE: 409,
    Code.EXPIRED: 409,
    Code.TOO_LARGE: 413,
    Code.RATE_LIMITED: 429,
    Code.UNAVAILABLE: 503,
    Code.SUSPENDED: 403,
    Code.DRAINING: 503,
}

CONNECT_CODES = frozenset(
    {Code.UNAUTHENTICATED, Code.FORBIDDEN, Code.SUSPENDED, Code.RATE_LIMITED, Code.DRAINING}
)
"""The codes that `connect_error` may carry."""

RETRYABLE = frozenset({Code.RATE_LIMITED, Code.UNAVAILABLE, Code.DRAINING, Code.BUSY, Code.OFFLINE})
"""The same request may succeed later without any change to it."""

RETRY_AFTER_DEFAULT_MS = 1_000
"""What a rate limit answers when whoever refused did not say how long to wait."""


class Refused(Exception):
    """The hub answers no. `rate_limited` always has `retry_after_ms`; `fields` maps path to reason.

    `until_ms` says in a `connect_error` how long a suspension lasts, if it ends.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        retry_after_ms: int | None = None,
        fields: dict[str, str] | None = None,
        until_ms: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fields = fields
        self.until_ms = until_ms
        if retry_after_ms is None and code is Code.RATE_LIMITED:
            retry_after_ms = RETRY_AFTER_DEFAULT_MS
        self.retry_after_ms = retry_after_ms

    @property
    def retryable(self) -> bool:
        """Whether the unchanged request may succeed later."""
        return self.code in RETRYABLE


def wire(refused: Refused) -> dict[str, Any]:
    """`{"code", "message", "retryable", "retry_after_ms"?, "fields"?}`: what stands under `error`."""
    error: dict[str, Any] = {
        "code": refused.code.value,
        "message": refused.message,
        "retryable": refused.retryable,
    }
    if refused.retry_after_ms is not None:
        error["retry_after_ms"] = refused.retry_after_ms
    if refused.fields:
        error["fields"] = refused.fields
    return error


def connect_refusal(refused: Refused) -> tuple[str, dict[str, Any]]:
    """The message and the `data` of a `connect_error`; its codes are a smaller set.

    A passing failure (say, the sign-in keys can't be read just now) is told as `unauthenticated`, with
    `retryable` left true: nobody was let in, and trying again is right.
    """
    data = wire(refused)
    del data["message"]
    if refused.code not in CONNECT_CODES:
        data["code"] = Code.UNAUTHENTICATED.value
    if refused.until_ms is not None:
        data["until_ms"] = refused.until_ms
    return refused.message, data


def refused_from(error: Exception, *, where: str) -> Refused:
    """Any exception as a refusal. `where` names the event or route; the unknown is logged with its trace."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, RoomError):
        retry_after_ms = getattr(error, "retry_after_ms", None)
        return Refused(Code(error.code), str(error), retry_after_ms=retry_after_ms)
    log_unexpected(error, where=where)
    return Refused(Code.UNAVAILABLE, "Something went wrong on our side; please try again.")


def log_unexpected(error: BaseException, *, where: str) -> None:
    """Log an error's type and the lines it passed, never its words: they may quote what a person wrote."""
    lines: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        lines.append(f"{code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    log.error("hub.unexpected", where=where, error=type(error).__name__, trace=lines[-12:])
