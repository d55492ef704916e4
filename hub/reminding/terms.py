"""How reminders are sent, as the settings say it."""

from collections.abc import Sequence
from typing import NamedTuple

from config import reminding
from config.settings import Settings
from rooms.reminders import Quiet


class Terms(NamedTuple):
    """How reminders are sent. `sender`: a number or a messaging service; `public_url` without a slash."""

    leads_s: Sequence[int]
    quiet: Quiet
    sender: str
    public_url: str
    per_prefix_per_hour: int
    per_person_per_day: int


def configured_terms(settings: Settings) -> Terms | None:
    """Those of this installation; None where nobody is reminded."""
    leads_s = reminding.leads(settings.reminders)
    if settings.twilio_from is None or not leads_s:
        return None
    return Terms(
        leads_s=leads_s,
        quiet=Quiet(*reminding.quiet_hours(settings.quiet_hours)),
        sender=settings.twilio_from,
        public_url=settings.public_url,
        per_prefix_per_hour=settings.sms_per_prefix_per_hour,
        per_person_per_day=settings.sms_per_person_per_day,
    )
