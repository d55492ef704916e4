"""Addresses that money can be sent to without us: Bitcoin, Ethereum, cash tags."""

import hashlib
import re
from typing import Final

from rooms.safety.message import Message
from rooms.safety.normalise import Span

ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE58: Final = re.compile(r"(?<![0-9A-Za-z])[13][1-9A-HJ-NP-Za-km-z]{25,34}(?![0-9A-Za-z])")
_BECH32: Final = re.compile(r"(?<![0-9a-z])bc1[ac-hj-np-z02-9]{25,62}(?![0-9a-z])")
_ETHEREUM: Final = re.compile(r"(?<![0-9a-z])0x[0-9a-f]{40}(?![0-9a-z])")
_CASH_TAG: Final = re.compile(r"(?<![a-z0-9$])\$[a-z][a-z0-9_-]{3,19}(?![a-z0-9])")


class Wallet:
    """Finds addresses of wallets and cash tags."""

    def find(self, message: Message) -> list[Span]:
        """Where they stand."""
        text = message.text
        found = [match.span() for match in _BASE58.finditer(text.given) if _base58_checks(match.group())]
        for pattern in (_BECH32, _ETHEREUM, _CASH_TAG):
            found += [text.given_span(*match.span()) for match in pattern.finditer(text.plain)]
        return found


def _base58_checks(address: str) -> bool:
    """Whether the last four bytes are the checksum of the others, as every old Bitcoin address has it."""
    number = 0
    for char in address:
        number = number * 58 + ALPHABET.index(char)
    if number.bit_length() > 200:
        return False
    raw = number.to_bytes(25, "big")
    return hashlib.sha256(hashlib.sha256(raw[:-4]).digest()).digest()[:4] == raw[-4:]
