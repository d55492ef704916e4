"""What lists of words cannot find: numbers, addresses, links, ages, floods. One file each, no I/O."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Final, Protocol

from publicsuffixlist import PublicSuffixList

from rooms.safety.book import Options
from rooms.safety.detectors.age import Age
from rooms.safety.detectors.card import Card
from rooms.safety.detectors.email import Email
from rooms.safety.detectors.flood import Flood, Repeated
from rooms.safety.detectors.handle import Handle
from rooms.safety.detectors.iban import Iban
from rooms.safety.detectors.link import AnyLink, Links, SuspiciousLink
from rooms.safety.detectors.phone import Phone
from rooms.safety.detectors.wallet import Wallet
from rooms.safety.message import Message
from rooms.safety.normalise import Span


class Detector(Protocol):
    """Something that finds places in a message."""

    def find(self, message: Message) -> list[Span]:
        """Where it is found in the new message, as offsets into the text as given."""
        ...


@cache
def _suffixes() -> PublicSuffixList:
    """The public suffix list that comes with its package; 15,000 rules, read once."""
    return PublicSuffixList()


@cache
def _links(options: Options) -> Links:
    return Links(
        _suffixes(),
        allowed_hosts=options.allowed_hosts,
        plain_suffixes=options.plain_suffixes,
        shorteners=options.shorteners,
    )


DETECTORS: Final[Mapping[str, Callable[[Options], Detector]]] = {
    "age": lambda _options: Age(),
    "card": lambda _options: Card(),
    "email": lambda _options: Email(_suffixes()),
    "flood": lambda options: Flood(messages=options.flood_messages, within_ms=options.flood_within_s * 1_000),
    "handle": lambda _options: Handle(),
    "iban": lambda _options: Iban(),
    "link": lambda options: AnyLink(_links(options)),
    "phone": lambda options: Phone(options.phone_countries, options.allowed_phones),
    "repeated": lambda options: Repeated(
        times=options.repeated_times, within_ms=options.repeated_within_s * 1_000
    ),
    "suspicious_link": lambda options: SuspiciousLink(_links(options)),
    "wallet": lambda _options: Wallet(),
}
"""The detectors that a rule may name."""
