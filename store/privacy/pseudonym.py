"""An id that leads to nobody, in the place of somebody's who is erased.

It follows from the person's own data key. So it is the same however often an erasure is resumed, and once
that key is destroyed nobody can find it from the person's id again: not by trying, and not with DATA_KEY.
"""

import uuid

from rooms.ids import UserId
from store.privacy.keys import DataKey, Keyring, ShreddedError

_WHAT = b"pseudonym"


def pseudonym(key: DataKey) -> UserId:
    """A person's pseudonym, from their key."""
    return UserId(str(uuid.UUID(bytes=key.mark(_WHAT), version=4)))


async def find(keyring: Keyring, user_id: UserId) -> UserId | None:
    """A person's pseudonym; None once their key is destroyed, because what it would have to agree with was
    renamed before that.
    """
    try:
        return pseudonym(await keyring.load(user_id))
    except ShreddedError:
        return None


def passing() -> UserId:
    """An id for what came too late to get the pseudonym: another each time, and nobody's."""
    return UserId(str(uuid.uuid4()))
