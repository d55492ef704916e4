"""Who may take part in a session, and who may pay: adults, and those who accepted the policy once."""

from hub.errors import Code, Refused
from hub.hub import Hub
from rooms.age import is_adult
from rooms.ids import UserId
from store.postgres import people
from store.records import Person


async def to_take_part(hub: Hub, user_id: UserId) -> Person:
    """The profile of somebody who may. Raises Refused(underage, policy_pending)."""
    person = await to_pay(hub, user_id)
    if person.policy_accepted_ms is None:
        raise Refused(Code.POLICY_PENDING, "Accept the privacy policy first.")
    return person


async def to_pay(hub: Hub, user_id: UserId) -> Person:
    """The profile of somebody who is an adult. Raises Refused(underage)."""
    person = await people.person(hub.pool, user_id)
    if person is None or not adult(hub, person):
        raise Refused(Code.UNDERAGE, "Sessions are for adults: confirm your date of birth first.")
    return person


def adult(hub: Hub, person: Person) -> bool:
    """Whether somebody is an adult by now."""
    return is_adult(attested=person.adult, born_on=person.born_on, now_ms=hub.now_ms())
