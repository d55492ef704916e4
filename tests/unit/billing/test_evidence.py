"""Evidence for a bank: the metered time and the bill, nothing of what was said and nobody's name."""

from msgspec.structs import replace

from billing.evidence import LENGTH_MAX, Proof, evidence

AT = 1_790_000_000_000
PROOF = Proof(
    billed_ms=250_000,
    free_ms=60_000,
    rate_minor_per_minute=300,
    subtotal_minor=950,
    total_minor=950,
    currency="usd",
    requested_at_ms=AT,
    accepted_at_ms=AT + 5_000,
    live_at_ms=AT + 10_000,
    ended_at_ms=AT + 300_000,
    end_reason="ended_by_guest",
    message_count=12,
    transcript_head="ab" * 32,
    intervals=(
        (1, "billed", AT + 10_000, AT + 260_000),
        (0, "present", AT + 9_000, AT + 300_000),
        (1, "present", AT + 10_000, AT + 260_000),
    ),
)


def test_it_shows_what_was_billed_and_who_was_there() -> None:
    fields = evidence(PROOF)
    assert fields["service_date"] == "2026-09-21"
    assert fields["access_activity_log"] == (
        "Time that was charged (both connected):\n"
        "  2026-09-21 14:13:30 UTC to 2026-09-21 14:17:40 UTC (4 min 10 s)\n"
        "Customer connected:\n"
        "  2026-09-21 14:13:30 UTC to 2026-09-21 14:17:40 UTC (4 min 10 s)\n"
        "Provider connected:\n"
        "  2026-09-21 14:13:29 UTC to 2026-09-21 14:18:20 UTC (4 min 51 s)"
    )
    bill = str(fields["uncategorized_text"])
    assert "Charged: $9.50" in bill
    assert "of which free: 1 min 0 s" in bill
    assert "ab" * 32 in bill


def test_however_broken_the_line_was_it_stays_within_stripes_limit() -> None:
    many = tuple((1, "billed", AT + i, AT + i + 1) for i in range(5_000))
    fields = evidence(replace(PROOF, intervals=many, live_at_ms=None, accepted_at_ms=None))
    assert all(len(str(text)) <= LENGTH_MAX for text in fields.values())
    assert "Began: never" in str(fields["uncategorized_text"])
