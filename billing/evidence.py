"""What the bank is shown when a charge is disputed: the metered time and the bill, never what was said."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Literal

from msgspec import Struct

from billing import money

LENGTH_MAX: Final = 20_000
"""Stripe takes 150,000 characters in all fields together."""

Metered = tuple[int, Literal["billed", "present"], int, int]
"""Participant (0 is the practitioner), kind, from and to in Unix milliseconds."""


class Proof(Struct, frozen=True):
    """The bill of one guest's part of a session, and the spans that prove it. Times are Unix milliseconds."""

    billed_ms: int
    free_ms: int
    rate_minor_per_minute: int
    subtotal_minor: int
    total_minor: int
    currency: str
    requested_at_ms: int
    accepted_at_ms: int | None
    live_at_ms: int | None
    ended_at_ms: int | None
    end_reason: str | None
    message_count: int
    transcript_head: str | None
    intervals: tuple[Metered, ...]


def evidence(proof: Proof) -> dict[str, object]:
    """Stripe's fields of dispute evidence, as text."""
    began_ms = proof.live_at_ms if proof.live_at_ms is not None else proof.requested_at_ms
    return {
        "product_description": "A live one-to-one online session, charged by the minute of time that both"
        " people were connected.",
        "service_date": _at(began_ms)[:10],
        "access_activity_log": _log(proof)[:LENGTH_MAX],
        "uncategorized_text": _bill(proof)[:LENGTH_MAX],
    }


def _bill(proof: Proof) -> str:
    def show(minor: int) -> str:
        return money.show(minor, proof.currency)

    lines = [
        "Rate, minimum and cap were shown to the customer, who then asked for the session.",
        f"Requested: {_at(proof.requested_at_ms)}",
        f"Accepted: {_maybe(proof.accepted_at_ms)}",
        f"Began: {_maybe(proof.live_at_ms)}",
        f"Ended: {_maybe(proof.ended_at_ms)} ({proof.end_reason or 'not said'})",
        f"Time together: {_length(proof.billed_ms)}, of which free: {_length(proof.free_ms)}",
        f"Rate: {show(proof.rate_minor_per_minute)} a minute",
        f"Price of the time: {show(proof.subtotal_minor)}",
        f"Charged: {show(proof.total_minor)}",
        f"Messages exchanged: {proof.message_count}",
    ]
    if proof.transcript_head is not None:
        lines.append(f"Digest of the record: {proof.transcript_head}")
    return "\n".join(lines)


def _log(proof: Proof) -> str:
    heads = {
        ("billed", 1): "Time that was charged (both connected):",
        ("present", 1): "Customer connected:",
        ("present", 0): "Provider connected:",
    }
    lines: list[str] = []
    for (kind, guest), head in heads.items():
        lines.append(head)
        lines += _spans(proof.intervals, kind, of_guest=bool(guest))
    return "\n".join(lines)


def _spans(intervals: Sequence[Metered], wanted: str, *, of_guest: bool) -> list[str]:
    return [
        f"  {_at(from_ms)} to {_at(to_ms)} ({_length(to_ms - from_ms)})"
        for participant_no, kind, from_ms, to_ms in intervals
        if kind == wanted and (participant_no > 0) is of_guest
    ]


def _at(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _maybe(at_ms: int | None) -> str:
    return "never" if at_ms is None else _at(at_ms)


def _length(length_ms: int) -> str:
    minutes, rest_ms = divmod(length_ms, 60_000)
    return f"{minutes} min {rest_ms // 1000} s"
