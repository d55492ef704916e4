from html.parser import HTMLParser

import pytest
from msgspec.structs import replace

from hub import wire
from hub.routes.receipt_page import length, receipt_page
from hub.routes.replies import Interval, Receipt
from hub.words import WORDS

START = 1_790_000_000_000
RECEIPT = Receipt(
    session_id="0190c5f2-6f3e-7c3a-9b1d-2f5b6f0a1c11",
    practitioner=wire.Named("p", "Pia"),
    guest=wire.Named("g", "Gus"),
    currency="usd",
    intervals=[Interval(START, START + 60_000), Interval(START + 90_000, START + 600_000)],
    billed_ms=570_000,
    free_ms=0,
    rate_minor_per_minute=300,
    cap_minor=30_000,
    subtotal_minor=2_850,
    tip_minor=0,
    total_minor=2_850,
    refunded_minor=0,
    waived=None,
    started_at_ms=START,
    ended_at_ms=START + 600_000,
    end_reason="ended_by_guest",
    transcript_head="ab" * 32,
)


class Reader(HTMLParser):
    """Which elements, attributes and words a document has; fails on an element that is not closed."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(document)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def read(receipt: Receipt) -> Reader:
    return Reader(receipt_page(receipt, nonce="n0nce"))


def test_it_says_what_was_charged_and_for_which_time() -> None:
    page = read(RECEIPT)
    for words in ("Gus", "Pia", "$28.50", "$3.00 a minute", "9 min 30 s", "ab" * 32, "by the guest"):
        assert words in page.words
    assert page.tags.count("li") == 2
    assert page.tags.count("rect") == 3


def test_the_guest_is_not_shown_what_the_practitioner_earns() -> None:
    assert "You earn" not in read(RECEIPT).words
    theirs = read(replace(RECEIPT, fee_minor=570, practitioner_minor=2_280)).words
    assert "You earn" in theirs
    assert "$22.80" in theirs
    assert "-$5.70" in theirs


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "$nonce ${guest}"]
)
def test_a_name_is_only_ever_text(name: str) -> None:
    page = read(replace(RECEIPT, guest=wire.Named("g", name), end_reason=name, waived=name))
    assert name in page.words
    assert "script" not in page.tags
    assert "img" not in page.tags


def test_it_carries_nothing_that_runs_or_is_fetched() -> None:
    page = read(RECEIPT)
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    names = {name for name, _ in page.attributes}
    assert not {name for name in names if name.startswith("on")} | names & {"src", "href", "style"}
    assert ("nonce", "n0nce") in page.attributes


def test_without_billed_time_there_is_no_line() -> None:
    page = read(replace(RECEIPT, intervals=[], billed_ms=0, started_at_ms=None, transcript_head=None))
    assert "No time was billed." in page.words
    assert "svg" not in page.tags


def test_a_waiver_is_explained() -> None:
    page = read(replace(RECEIPT, waived="below_minimum", total_minor=0))
    assert "nothing is charged" in page.words
    assert "$0.00" in page.words


@pytest.mark.parametrize(
    ("length_ms", "words"),
    [
        (0, "0 s"),
        (999, "0.999 s"),
        (60_000, "1 min 0 s"),
        (3_723_500, "1 h 2 min 3.5 s"),
        (3_600_000, "1 h 0 s"),
    ],
)
def test_a_length_is_exact(length_ms: int, words: str) -> None:
    assert length(length_ms) == words


@pytest.mark.parametrize("code", sorted(WORDS["en"].waived))
def test_why_nothing_is_charged_is_said_in_words(code: str) -> None:
    waived = replace(RECEIPT, waived=code, total_minor=0)
    assert WORDS["en"].waived[code] in Reader(receipt_page(waived, nonce="n")).words


def test_a_tip_is_shown_and_is_part_of_what_the_practitioner_earns() -> None:
    told = replace(RECEIPT, tip_minor=500, fee_minor=570, practitioner_minor=2_280)
    words = Reader(receipt_page(told, nonce="n")).words
    assert "$5.00" in words
    assert "$27.80" in words


def test_the_practitioner_sees_what_the_platform_pays_for_free_time_and_the_guest_does_not() -> None:
    free = replace(RECEIPT, free_ms=60_000, fee_minor=570, practitioner_minor=2_280)
    assert "paid by the platform" not in read(replace(RECEIPT, free_ms=60_000)).words
    theirs = read(replace(free, promotion_minor=240)).words
    assert "Free time, paid by the platform" in theirs
    assert "$2.40" in theirs
    assert "$25.20" in theirs
