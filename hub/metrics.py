"""Figures for operators, in Prometheus' format. No label holds anything of a person."""

import time
from collections.abc import Callable, Iterable, Sequence

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from hub.edge.connection import Connection
from hub.edge.inbox import Answers
from hub.events import HANDLERS
from store.moderation_records import QueueFigures
from store.postgres.erasures import Figures

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 6.0, 10.0)


class Metrics:
    """The figures of one process, in a registry of its own."""

    def __init__(self, *, connections: Callable[[], int], rooms: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        self.answered = Counter(
            "hub_events", "Events answered, by name and code", ["event", "code"], registry=self.registry
        )
        self.took_s = Histogram(
            "hub_event_seconds",
            "Time from an event to its answer",
            ["event"],
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self.claimed_s = Histogram(
            "hub_flag_claim_seconds",
            "Time from a case to the first moderator who takes it",
            buckets=(1, 5, 15, 30, 60, 120, 300, 900, 3_600, 14_400),
            registry=self.registry,
        )
        self._waiting = Gauge("hub_flags_waiting", "Cases that nobody has decided", registry=self.registry)
        self._oldest_s = Gauge(
            "hub_flags_oldest_seconds", "Age of the oldest of them", registry=self.registry
        )
        self._erasures = Gauge(
            "hub_erasures",
            "Erasures that are not done: all, those with ten days left, and those that should be",
            ["which"],
            registry=self.registry,
        )
        self._removed = Gauge(
            "hub_retention_removed_rows",
            "Rows removed or emptied because of their age, since the beginning, by kind",
            ["kind"],
            registry=self.registry,
        )
        Gauge("hub_connections", "Open connections", registry=self.registry).set_function(connections)
        Gauge("hub_rooms", "Rooms that are followed", registry=self.registry).set_function(rooms)

    def queue(self, figures: QueueFigures, *, now_ms: int) -> None:
        """How the moderators' queue stands."""
        oldest_ms = now_ms if figures.oldest_at_ms is None else figures.oldest_at_ms
        self._waiting.set(figures.waiting)
        self._oldest_s.set(max(0, now_ms - oldest_ms) / 1000)

    def erasures(self, figures: Figures) -> None:
        """How people's erasures stand."""
        self._erasures.labels("open").set(figures.open)
        self._erasures.labels("late").set(figures.late)
        self._erasures.labels("overdue").set(figures.overdue)

    def removed(self, totals: Iterable[tuple[str, int]]) -> None:
        """How much was removed because of its age."""
        for kind, rows in totals:
            self._removed.labels(kind).set(rows)

    def exposition(self) -> bytes:
        """Everything, as text."""
        return generate_latest(self.registry)


class _Error(msgspec.Struct):
    code: str


class _Answer(msgspec.Struct):
    ok: bool
    error: _Error | None = None


class Counted:
    """Counts and times what a dispatch answers."""

    def __init__(self, dispatch: Answers, metrics: Metrics) -> None:
        self._dispatch = dispatch
        self._metrics = metrics

    async def answer(self, connection: Connection, name: str, args: Sequence[msgspec.Raw]) -> bytes:
        """As the dispatch answers."""
        began_s = time.perf_counter()
        body = await self._dispatch.answer(connection, name, args)
        # A client may name anything; only our own names become labels.
        known = name if name in HANDLERS else "unknown"
        self._metrics.took_s.labels(known).observe(time.perf_counter() - began_s)
        self._metrics.answered.labels(known, _code(body)).inc()
        return body


def _code(body: bytes) -> str:
    if body.startswith(b'{"ok":true'):
        return "ok"
    answer = msgspec.json.decode(body, type=_Answer)
    return answer.error.code if answer.error is not None else "unknown"
