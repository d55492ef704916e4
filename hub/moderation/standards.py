"""The numbers that moderators' work is bound by, from the settings."""

from dataclasses import dataclass

from config.settings import Settings

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Standards:
    """How long a claim lasts unrenewed; how strikes fade, and from which weight on a suspension is suggested;
    how long after a decision it may be appealed; how long evidence is kept; how long words of a review wait
    to be looked at, and guests for a practitioner.
    """

    lease_ms: int
    half_life_days: int
    suggest_at: int
    appeal_ms: int
    evidence_ms: int
    review_held_ms: int = 3 * DAY_MS
    waitlist_ms: int = DAY_MS


def standards(settings: Settings) -> Standards:
    """The settings, in the units that the rules take."""
    return Standards(
        lease_ms=settings.claim_lease_s * 1000,
        half_life_days=settings.strike_half_life_days,
        suggest_at=settings.strikes_to_suggest_suspension,
        appeal_ms=settings.appeal_days * DAY_MS,
        evidence_ms=settings.evidence_days * DAY_MS,
        review_held_ms=settings.review_held_s * 1000,
        waitlist_ms=settings.waitlist_s * 1000,
    )
