"""The receipt as a page to read and to print: no script, no outside resource, everything escaped."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from string import Template

from msgspec import UNSET

from billing import money
from hub.routes.replies import Interval, Receipt
from hub.words import waived

_PAGE = Template((Path(__file__).parent / "receipt.html").read_text(encoding="utf-8"))
_WIDTH = 1_000
"""The time line's own unit of length; the page scales it."""

_ENDINGS = {
    "ended_by_guest": "by the guest",
    "ended_by_practitioner": "by the practitioner",
    "cancelled_by_guest": "cancelled by the guest before it began",
    "declined": "declined by the practitioner",
    "ring_timeout": "not answered",
    "hold_timeout": "the payment was not confirmed in time",
    "card_declined": "the card was declined",
    "not_joined": "not both people joined",
    "line_lost": "the connection did not come back",
    "funding_over": "the funded time was used up",
    "session_limit": "the longest session was reached",
    "ended_by_moderator": "by a moderator",
    "practitioner_fault": "it could not go on for a reason on the practitioner's side",
    "practitioner_conduct": "by a moderator, because of the practitioner",
    "guest_conduct": "by a moderator, because of the guest",
    "minor": "by a moderator, because the guest is not an adult",
    "guest_no_show": "the guest did not come",
    "practitioner_no_show": "the practitioner did not come",
    "nobody_came": "the two did not meet",
    "next_booking": "the next booking began",
    "booked_time_over": "the booked time was over",
    "booking_cancelled_early": "cancelled by the guest in good time",
    "booking_cancelled_late": "cancelled by the guest when that was not free any more",
    "booking_cancelled_by_practitioner": "cancelled by the practitioner",
    "booking_not_held": "the money could not be held in time",
    "booking_called_off": "called off by the platform",
    "not_opened": "called off by the platform",
}


def receipt_page(receipt: Receipt, *, nonce: str) -> str:
    """The whole document. `nonce` is the one that the response's policy allows styles by."""
    head = receipt.transcript_head
    return _PAGE.substitute(
        nonce=escape(nonce),
        guest=escape(receipt.guest.name or "the guest"),
        practitioner=escape(receipt.practitioner.name or "the practitioner"),
        date=escape(_date(receipt.started_at_ms or receipt.ended_at_ms)),
        timeline=_timeline(receipt),
        rows="\n".join(_rows(receipt)),
        note="" if receipt.waived is None else f"<p>{escape(waived(receipt.waived) or 'Waived.')}</p>",
        session_id=escape(receipt.session_id),
        ended=escape(_ENDINGS.get(receipt.end_reason or "", receipt.end_reason or "not begun")),
        chain="" if head is None else _chain(head),
    )


def _rows(receipt: Receipt) -> Iterator[str]:
    """The way from time to amount, line by line."""

    def show(minor: int) -> str:
        return money.show(minor, receipt.currency)

    yield _row("Time together", length(receipt.billed_ms))
    if receipt.free_ms:
        yield _row("Free of charge", length(receipt.free_ms))
    rate = receipt.rate_minor_per_minute
    yield _row("Rate", f"{show(rate)} a minute" if rate else "free")
    if receipt.cap_minor:
        yield _row("Agreed at most", show(receipt.cap_minor))
    what = "Price of the time" if receipt.kind == "time" else "Agreed for a booking that is missed"
    yield _row(what, show(receipt.subtotal_minor))
    if receipt.tip_minor:
        yield _row("Tip", show(receipt.tip_minor))
    if receipt.refunded_minor:
        yield _row("Refunded", show(-receipt.refunded_minor))
    if receipt.fee_minor is UNSET or receipt.practitioner_minor is UNSET:
        yield _row("Charged", show(receipt.total_minor), kind="total")
        return
    yield _row("Charged to the guest", show(receipt.total_minor))
    yield _row("Platform fee", show(-receipt.fee_minor))
    promotion_minor = 0 if receipt.promotion_minor is UNSET else receipt.promotion_minor
    if promotion_minor:
        yield _row("Free time, paid by the platform", show(promotion_minor))
    earned_minor = receipt.practitioner_minor + promotion_minor + receipt.tip_minor
    yield _row("You earn", show(earned_minor), kind="total")


def _row(name: str, value: str, *, kind: str = "") -> str:
    opened = f'<div class="{kind}">' if kind else "<div>"
    return f"{opened}<dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"


def _timeline(receipt: Receipt) -> str:
    """The billed spans on a line from the session's start to its end, then each in words."""
    start_ms, end_ms = receipt.started_at_ms, receipt.ended_at_ms
    if start_ms is None or end_ms is None or end_ms <= start_ms or not receipt.intervals:
        return '<p class="soft">No time was billed.</p>'
    bars = "".join(_bar(span, start_ms, end_ms) for span in receipt.intervals)
    spans = "\n".join(_span(span) for span in receipt.intervals)
    return (
        f'<svg viewBox="0 0 {_WIDTH} 12" preserveAspectRatio="none" role="img" '
        f'aria-label="{len(receipt.intervals)} billed spans">'
        f'<rect class="track" x="0" y="5" width="{_WIDTH}" height="2"/>{bars}</svg>\n'
        f'<div class="ends soft">{_time(start_ms)}{_time(end_ms)}</div>\n<ol>\n{spans}\n</ol>\n'
    )


def _bar(span: Interval, start_ms: int, end_ms: int) -> str:
    scale = _WIDTH / (end_ms - start_ms)
    x, width = (span.from_ms - start_ms) * scale, (span.to_ms - span.from_ms) * scale
    # However short a span is, it leaves a mark.
    return f'<rect class="span" x="{x:.2f}" y="2" width="{max(width, 1.5):.2f}" height="8"/>'


def _span(span: Interval) -> str:
    both = f"<span>{_time(span.from_ms)} &ndash; {_time(span.to_ms)}</span>"
    return f'<li>{both}<span class="soft">{escape(length(span.to_ms - span.from_ms))}</span></li>'


def _chain(head: str) -> str:
    return (
        '<p class="soft">The head of the transcript&rsquo;s chain. Whoever took part can rebuild it from the '
        f"transcript; one changed message, and it differs.</p>\n<p><code>{escape(head)}</code></p>"
    )


def length(length_ms: int) -> str:
    """A duration for people, exact to the millisecond: `1 h 2 min 3.5 s`."""
    minutes, rest_ms = divmod(length_ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest_ms / 1000:.3f}".rstrip("0").rstrip(".")
    return " ".join(_parts((hours, "h"), (minutes, "min"))) + f"{' ' if hours or minutes else ''}{seconds} s"


def _parts(*parts: tuple[int, str]) -> Iterable[str]:
    return (f"{count} {unit}" for count, unit in parts if count)


def _moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def _time(at_ms: int) -> str:
    moment = _moment(at_ms)
    return f'<time datetime="{moment.isoformat()}">{moment:%H:%M:%S} UTC</time>'


def _date(at_ms: int | None) -> str:
    if at_ms is None:
        return "not begun"
    moment = _moment(at_ms)
    return f"{moment.day} {moment:%B %Y}"
