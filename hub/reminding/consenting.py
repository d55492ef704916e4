"""STOP and START by text: consent is withdrawn, and granted again, for whoever has the number.

STOP counts for everybody who has it in their profile. START gives back only what a STOP from the same number
took, and only if nothing was decided since: a number that changed hands turns nothing on.
"""

from collections.abc import Sequence
from typing import Final

from hub.words import Language
from rooms.ids import UserId
from rooms.texting import Meaning
from store.postgres import consents, reminders
from store.postgres.pool import Transacting
from store.postgres.reminders import Reached

SHARING_MAX: Final = 100
"""So many people may have one number; what Twilio refuses to send to the others withdraws theirs as well."""


async def heard(
    db: Transacting, number: str, number_mark: bytes, told: Meaning, *, now_ms: int
) -> tuple[bool, Language]:
    """Somebody wrote this from a number: whether it changed anything, and the language of the answer."""
    people = await reminders.people_with(db, number, limit=SHARING_MAX)
    changed = False
    for person in people:
        if told == "stop":
            changed |= await withdraw(db, person.id, number_mark, now_ms=now_ms)
        elif told == "start":
            changed |= await give_back(db, person.id, number_mark, now_ms=now_ms)
    return changed, _language(people)


async def withdraw(db: Transacting, person_id: UserId, number_mark: bytes, *, now_ms: int) -> bool:
    """No texts to this person from now on; False when they had none before."""
    await consents.lock_consents(db, person_id)
    if not await consents.note_consent(db, person_id, "sms", granted=False, now_ms=now_ms):
        return False
    await reminders.note_stop(db, person_id, number_mark, now_ms=now_ms)
    return True


async def give_back(db: Transacting, person_id: UserId, number_mark: bytes, *, now_ms: int) -> bool:
    """What was withdrawn from this number holds again; False if it was not, or one decided since."""
    await consents.lock_consents(db, person_id)
    if not await reminders.stopped_by(db, person_id, number_mark):
        return False
    return await consents.note_consent(db, person_id, "sms", granted=True, now_ms=now_ms)


def _language(people: Sequence[Reached]) -> Language:
    """The first one that anybody with the number chose."""
    return next((person.language for person in people if person.language is not None), "en")
