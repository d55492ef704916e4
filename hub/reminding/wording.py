"""What a reminder says: who with, when on the recipient's own clock, and nothing about what it is for.

It fits into one message of the 7-bit alphabet, whatever the names are.
"""

import hashlib
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from hub.words import WORDS, Language
from rooms.ids import UserId
from rooms.texting import PLACES, places, plain
from store.postgres.reminders import Known

REF_LETTERS: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Without those that are taken for one another when read aloud."""
REF_LENGTH: Final = 6
SHORTEST_NAME: Final = 8


def ref(reminder_id: str) -> str:
    """What a reminder is found by at Twilio, and named by to people: `7K2MPD`."""
    number = int.from_bytes(hashlib.sha256(reminder_id.encode()).digest()[:8])
    letters = []
    for _ in range(REF_LENGTH):
        number, place = divmod(number, len(REF_LETTERS))
        letters.append(REF_LETTERS[place])
    return "".join(letters)


def named(known: Known) -> UserId | None:
    """Whose name is in the reminder: the practitioner's in the guest's. A guest's name is never sent."""
    return None if known.hosts else known.practitioner_id


def reminder(known: Known, where: tuple[ZoneInfo, ...], reminder_id: str, *, url: str) -> str:
    """The text to somebody whose clock is in one of these zones."""
    language: Language = known.language or "en"
    words = WORDS[language].texts
    filled = {"when": when(known.starts_at_ms, where, language), "url": url, "ref": ref(reminder_id)}
    if known.hosts:
        return words["reminder_host"].format(**filled)
    name = plain(" ".join(known.practitioner_name.split()))
    if not name:
        return words["reminder"].format(who=words["somebody"], **filled)
    text = words["reminder"].format(who=name, **filled)
    while (places(text) or 0) > PLACES and len(name) > SHORTEST_NAME:
        name = name[:-1].rstrip()
        text = words["reminder"].format(who=f"{name}.", **filled)
    return text


def when(at_ms: int, where: tuple[ZoneInfo, ...], language: Language) -> str:
    """A moment as `Tue 3 March at 18:00 (Paris)`; in UTC where their clocks may differ."""
    words = WORDS[language].texts
    local = datetime.fromtimestamp(at_ms / 1000, UTC)
    place = "UTC"
    clocks = [local.astimezone(zone) for zone in where]
    if clocks and len({clock.utcoffset() for clock in clocks}) == 1:
        local, place = clocks[0], where[0].key.rpartition("/")[2].replace("_", " ")
    return words["when"].format(
        weekday=words["weekdays"].split()[local.weekday()],
        day=local.day,
        month=words["months"].split()[local.month - 1],
        time=f"{local:%H:%M}",
        place=place,
    )
