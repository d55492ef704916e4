"""Free texts under somebody's key: sealed in the transaction that keeps them, read while the key lives."""

from typing import Final

from store.postgres.pool import Db
from store.privacy.keys import Keyring, SealBrokenError, ShreddedError

REMOVED: Final = "Removed with the person it was about."
"""What staff read in place of a text that nobody can open any more."""


async def sealed_for(keyring: Keyring, db: Db, whose: str, aad: bytes, text: str) -> bytes | None:
    """A text under somebody's key. None when that key was destroyed: of who was removed, no word is kept."""
    try:
        return (await keyring.within(whose, db)).seal(aad, text.encode())
    except ShreddedError:
        return None


async def opened(keyring: Keyring, whose: str | None, aad: bytes, sealed: bytes | None) -> str | None:
    """The text again; None when nobody can read it any more. Asks the keyring's own pool."""
    if whose is None or sealed is None:
        return None
    try:
        return (await keyring.find(whose)).open(aad, sealed).decode()
    except (ShreddedError, SealBrokenError):
        return None


async def shown(keyring: Keyring, whose: str | None, aad: bytes, sealed: bytes | None) -> str:
    """The text, or the words that stand in its place."""
    text = await opened(keyring, whose, aad, sealed)
    return REMOVED if text is None else text
