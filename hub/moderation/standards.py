"""The numbers that moderators' work is bound by, from the settings."""

from dataclasses import dataclass

from config.settings import Settings

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Standards:
    """How long a claim lasts unrenewed; how strikes fade, and from which weight on a suspension is suggested;
    how long after a decision it may be appealed; how long evidence is kept.
    """

    lease_ms: int
    half_life_days: int
    suggest_at: int
    appeal_ms: int
    evidence_ms: int


def standards(settings: Settings) -> Standards:
    """The settings, in the units that the rules take."""
    return Standards(
        lease_ms=settings.claim_lease_s * 1000,
        half_life_days=settings.strike_half_life_days,
        suggest_at=settings.strikes_to_suggest_suspension,
        appeal_ms=settings.appeal_days * DAY_MS,
        evidence_ms=settings.evidence_days * DAY_MS,
    )
