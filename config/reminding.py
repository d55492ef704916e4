"""When people are reminded, in the words of a setting."""

from typing import Final

LEADS_MAX: Final = 5
LEAD_MIN_S, LEAD_MAX_S = 300, 604_800
NONE: Final = "none"


def leads(text: str) -> tuple[int, ...]:
    """`86400,3600,600`: seconds before the start, the longest first. `none`: nobody is. Raises ValueError."""
    if text.strip() == NONE:
        return ()
    wrong = f"must be {NONE}, or up to {LEADS_MAX} different numbers of seconds, {LEAD_MIN_S} to {LEAD_MAX_S}"
    parts = text.split(",")
    if not 1 <= len(parts) <= LEADS_MAX or not all(part.strip().isdecimal() for part in parts):
        raise ValueError(wrong)
    found = sorted({int(part) for part in parts}, reverse=True)
    if len(found) < len(parts) or found[0] > LEAD_MAX_S or found[-1] < LEAD_MIN_S:
        raise ValueError(wrong)
    return tuple(found)


def quiet_hours(text: str) -> tuple[int, int]:
    """`21-8`: from the first full hour of the local day until the second. `0-0`: none. Raises ValueError."""
    first, _, last = text.partition("-")
    if not (first.strip().isdecimal() and last.strip().isdecimal()) or int(first) > 23 or int(last) > 23:
        raise ValueError("must be two hours from 0 to 23, such as 21-8")
    return int(first), int(last)


def checked_leads(text: str) -> str:
    """A validator of the setting."""
    leads(text)
    return text


def checked_hours(text: str) -> str:
    """The same for the hours."""
    quiet_hours(text)
    return text
