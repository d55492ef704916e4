"""Telephone numbers as keyed hashes: that two are the same can be seen, and nobody is told which.

There are few enough numbers to try them all, so without the hub's root secret, which DATA_KEY wraps,
a hash must be worth nothing.
"""

import hashlib
import hmac
from typing import Final

_PURPOSE: Final = b"telephone numbers"


class Numbers:
    """Makes marks of numbers, which stay the same when DATA_KEY is exchanged."""

    def __init__(self, root: bytes) -> None:
        self._key = hmac.digest(root, _PURPOSE, hashlib.sha256)

    def mark(self, number: str) -> bytes:
        """32 bytes that stand for a number in E.164."""
        return hmac.digest(self._key, number.encode(), hashlib.sha256)
