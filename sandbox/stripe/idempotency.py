"""Idempotency keys as Stripe keeps them: replay, mismatch, in flight, forgotten after a day."""

import hashlib

from sandbox.state import Json
from sandbox.stripe.errors import StripeError
from sandbox.stripe.world import World

REMEMBERED_MS = 24 * 3_600_000
KEY_MAX = 255


class Keys:
    """Answers stored per key. Only those of requests that began to execute are kept, 500s included."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._in_flight: set[str] = set()

    def begin(self, key: str, path: str, body: str) -> Json | None:
        """The stored `{status, body}` to replay, or None when the caller must execute and then `finish`.

        Raises `StripeError`: 400 for other parameters, 409 while the first request still runs.
        """
        if len(key) > KEY_MAX:
            raise StripeError("The idempotency key is too long.", kind="idempotency_error")
        stored = self._stored(key)
        if stored is not None and stored["request"] != _digest(path, body):
            raise StripeError(
                f"The idempotency key '{key}' was first used with another endpoint or parameters.",
                kind="idempotency_error",
            )
        if key in self._in_flight:
            raise StripeError(
                "Another request with this idempotency key is still in progress.",
                status=409,
                kind="idempotency_error",
                code="idempotency_key_in_use",
            )
        if stored is not None:
            return stored
        self._in_flight.add(key)
        return None

    def finish(self, key: str, path: str, body: str, status: int, answer: Json) -> None:
        """Keep the answer of a request that began to execute."""
        stored = {
            "request": _digest(path, body),
            "status": status,
            "body": answer,
            "at_ms": self._world.clock.now_ms(),
        }
        # Deleted first, so that a key used anew after a day moves to the end of the order.
        self._world.store.delete("idempotency", key)
        self._world.store.put("idempotency", key, stored)
        self.abandon(key)
        self._forget()

    def abandon(self, key: str) -> None:
        """The request is over, stored or not."""
        self._in_flight.discard(key)

    def _stored(self, key: str) -> Json | None:
        stored = self._world.store.get("idempotency", key)
        if stored is None or self._world.clock.now_ms() - stored["at_ms"] >= REMEMBERED_MS:
            return None
        return stored

    def _forget(self) -> None:
        # Keys lie in order of first use, so the oldest are in front; a few a time keeps this cheap.
        for _ in range(2):
            oldest = self._world.store.oldest_id("idempotency")
            if oldest is not None and self._stored(oldest) is None:
                self._world.store.delete("idempotency", oldest)


def _digest(path: str, body: str) -> str:
    return hashlib.sha256(f"{path}\n{body}".encode()).hexdigest()
