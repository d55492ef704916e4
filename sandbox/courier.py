"""Delivers webhooks in the background: persistent, retried with backoff, bounded in every direction."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping

import aiohttp

from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.state import Json, Store

ATTEMPTS_MAX = 20
BACKOFF_FIRST_MS = 200
BACKOFF_MAX_MS = 30_000
ANSWER_WITHIN_S = 20
AT_ONCE = 8
PENDING_MAX = 100_000
UNDELIVERED_MAX = 1_000
REORDER_HOLD_MS = 2_000
_IDLE_S = 5.0

Signer = Callable[[Json], Mapping[str, str]]
log = logging.getLogger("sandbox.courier")


class Courier:
    """Queue of outgoing webhooks, kept in the store until answered with 2xx or given up.

    A delivery is `{id, vendor, type, url, body, content_type, signer, attempts, due_ms, after}`; `signer`
    names a function registered with `sign_with`, called at each attempt because signatures carry a time.
    """

    def __init__(self, store: Store, clock: Clock, faults: Faults) -> None:
        self._store, self._clock, self._faults = store, clock, faults
        self._signers: dict[str, Signer] = {}
        self._wake = asyncio.Event()
        self._flying: dict[str, asyncio.Task[None]] = {}
        last = max((int(d["id"]) for d in store.all("delivery")), default=0)
        self._last_id = last

    def sign_with(self, name: str, signer: Signer) -> None:
        """Register the function that makes the headers of one kind of delivery."""
        self._signers[name] = signer

    def send(self, *, vendor: str, kind: str, url: str, body: str, content_type: str, extra: Json) -> None:
        """Queue one webhook, changed by whatever webhook faults are in force."""
        rules = {rule.action: rule for rule in self._faults.on_webhook(vendor, kind)}
        copies = 2 if "duplicate_webhook" in rules else 1
        due_ms = self._clock.now_ms()
        if delay := rules.get("delay_webhooks"):
            due_ms += delay.ms if delay.ms is not None else 1_000
        for _ in range(copies):
            if self._store.count("delivery") >= PENDING_MAX:
                log.warning("webhook dropped: %d are waiting already", PENDING_MAX)
                return
            self._last_id += 1
            ident = f"{self._last_id:012d}"
            delivery = {
                "id": ident,
                "vendor": vendor,
                "type": kind,
                "url": url,
                "body": body,
                "content_type": content_type,
                "attempts": 0,
                "due_ms": due_ms,
                "overtaken": True,
                **extra,
            }
            if reorder := rules.get("reorder_webhooks"):
                # It waits until a later webhook to the same address went first, or a while at most.
                hold_ms = reorder.ms if reorder.ms is not None else REORDER_HOLD_MS
                delivery |= {"overtaken": False, "due_ms": due_ms + hold_ms}
            self._store.put("delivery", ident, delivery)
        self._wake.set()

    def wake(self) -> None:
        """Look for due deliveries now, because the clock was moved."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver until cancelled; unanswered deliveries stay in the store for the next start."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            try:
                while True:
                    self._wake.clear()
                    wait_s = self._start_due(http)
                    # Not wait_for: on Python 3.11 it swallows a cancellation that meets the wake-up.
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(wait_s):
                            await self._wake.wait()
            finally:
                for task in self._flying.values():
                    task.cancel()
                await asyncio.gather(*self._flying.values(), return_exceptions=True)

    def _start_due(self, http: aiohttp.ClientSession) -> float:
        """Start what is due; returns how long nothing more will be, in seconds."""
        now_ms, wait_ms = self._clock.now_ms(), int(_IDLE_S * 1000)
        for delivery in self._store.all("delivery"):
            if len(self._flying) >= AT_ONCE:
                break
            if delivery["id"] in self._flying:
                continue
            if delivery["due_ms"] > now_ms:
                wait_ms = min(wait_ms, delivery["due_ms"] - now_ms)
                continue
            task = asyncio.create_task(self._deliver(http, delivery))
            self._flying[delivery["id"]] = task
        return wait_ms / 1000

    async def _deliver(self, http: aiohttp.ClientSession, delivery: Json) -> None:
        try:
            headers = {
                "Content-Type": delivery["content_type"],
                **self._signers[delivery["signer"]](delivery),
            }
            answered = await self._post(http, delivery, headers)
            if answered:
                self._store.delete("delivery", delivery["id"])
                self._release_overtaken(delivery)
            else:
                self._put_back(delivery)
            self._store.commit()
        finally:
            self._flying.pop(delivery["id"], None)
            self._wake.set()

    async def _post(self, http: aiohttp.ClientSession, delivery: Json, headers: Mapping[str, str]) -> bool:
        try:
            async with http.post(
                delivery["url"], data=delivery["body"].encode(), headers=headers, allow_redirects=False
            ) as response:
                return 200 <= response.status < 300
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    def _put_back(self, delivery: Json) -> None:
        delivery["attempts"] += 1
        if delivery["attempts"] >= ATTEMPTS_MAX:
            log.warning("webhook given up: %s to %s", delivery["type"], delivery["url"])
            self._store.delete("delivery", delivery["id"])
            self._store.put("undelivered", delivery["id"], delivery | {"body": ""})
            while self._store.count("undelivered") > UNDELIVERED_MAX:
                self._store.delete("undelivered", self._store.oldest_id("undelivered") or "")
            return
        backoff_ms = min(BACKOFF_FIRST_MS << min(delivery["attempts"] - 1, 16), BACKOFF_MAX_MS)
        delivery["due_ms"] = self._clock.now_ms() + backoff_ms
        self._store.put("delivery", delivery["id"], delivery)

    def _release_overtaken(self, delivered: Json) -> None:
        for held in self._store.all("delivery"):
            if held["id"] < delivered["id"] and held["url"] == delivered["url"] and not held["overtaken"]:
                held |= {"overtaken": True, "due_ms": self._clock.now_ms()}
                self._store.put("delivery", held["id"], held)
