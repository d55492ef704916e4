"""Links, which are judged by how they are written and never fetched."""

import ipaddress
import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

from publicsuffixlist import PublicSuffixList

from rooms.safety.message import Message
from rooms.safety.normalise import Span, Text

_WITH_SCHEME: Final = re.compile(
    r"(?<![a-z0-9])(h(?:tt|xx)ps?|ftp|wss?|tg|intent|file|vbscript)\s?(?::|\[:\])\s?//\s?([^\s<>\"]{1,500})"
)
_SCRIPT: Final = re.compile(
    r"(?<![a-z0-9])(?:(?:j\s?a\s?v\s?a|v\s?b)\s?s\s?c\s?r\s?i\s?p\s?t\s?:"
    r"|data\s?:\s?(?:text|image|application)/|blob:h)[^\s]{0,500}"
)
_BARE: Final = re.compile(
    r"(?<![a-z0-9@.-])((?:[a-z0-9-]{1,63}(?:\.|\[\.\]|\(\.\))){1,5}[a-z][a-z0-9-]{1,23})(?![a-z0-9-]|\.[a-z])"
    r"((?::\d{1,5})?/[^\s<>\"]{1,400})?"
)
_IP: Final = re.compile(r"(?<![\d.])(\d{1,3}(?:\.\d{1,3}){3})(?=[:/])(?::\d{1,5})?(?:/[^\s]{0,300})?")
_SPELLED: Final = re.compile(
    r"(?<![a-z0-9-])([a-z0-9-]{3,40}) ?[\[(]? ?(?:dot|point) ?[\])]? ?(com|net|org|fr|co uk|info)(?![a-z0-9])"
)
# A quick look before a thorough one: prose has a blank after its dots.
_DOTTED: Final = re.compile(r"[a-z0-9-](?:\.|\[\.\]|\(\.\))[a-z0-9]")
_BRACKETS: Final = str.maketrans("", "", "[]()")
LINKS_MAX: Final = 16
"""Links of one message that are read; one that may not pass is enough."""


class Link(NamedTuple):
    """A link: where it stands in `plain`, its host, and what is suspicious about it, "" if nothing."""

    span: Span
    host: str
    suspicious: str


class Links:
    """Reads links. A bare name is one when its ending is public, and shows it if that is a word."""

    def __init__(
        self,
        suffixes: PublicSuffixList,
        *,
        allowed_hosts: Iterable[str],
        plain_suffixes: Iterable[str],
        shorteners: Iterable[str],
    ) -> None:
        self._suffixes = suffixes
        self._allowed = tuple(host.lower() for host in allowed_hosts)
        self._plain_suffixes = frozenset(plain_suffixes)
        self._shorteners = frozenset(shorteners)
        # Two detectors ask for the links of one text.
        self._found: WeakKeyDictionary[Text, tuple[Link, ...]] = WeakKeyDictionary()

    def read(self, text: Text) -> tuple[Link, ...]:
        """Every link in a text that may not simply pass."""
        found = self._found.get(text)
        if found is None:
            found = self._found[text] = tuple(self._read(text.plain))
        return found

    def _read(self, plain: str) -> Iterator[Link]:
        for match in _SCRIPT.finditer(plain):
            yield Link(match.span(), "", "script")
        taken: list[Span] = []
        for link in itertools.islice(self._candidates(plain), LINKS_MAX):
            if not any(start <= link.span[0] < end for start, end in taken) and not self._is_allowed(link):
                taken.append(link.span)
                yield link

    def _candidates(self, plain: str) -> Iterator[Link]:
        for match in _WITH_SCHEME.finditer(plain) if "//" in plain else ():
            yield self._with_authority(match.span(), match.group(1), match.group(2))
        for match in _IP.finditer(plain):
            yield Link(match.span(), match.group(1), "address")
        for match in _BARE.finditer(plain) if _DOTTED.search(plain) else ():
            host = match.group(1).translate(_BRACKETS)
            if self._is_host(host, has_path=match.group(2) is not None):
                yield Link(match.span(), host, self._suspicion(host))
        for match in _SPELLED.finditer(plain) if "dot" in plain or "point" in plain else ():
            yield Link(match.span(), f"{match.group(1)}.{match.group(2).replace(' ', '.')}", "")

    def _with_authority(self, span: Span, scheme: str, rest: str) -> Link:
        authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
        user, at, host = authority.rpartition("@")
        host = host.split(":")[0].rstrip(".,;)!?") if not host.startswith("[") else host
        if scheme not in ("http", "https", "hxxp", "hxxps"):
            return Link(span, host, "scheme")
        return Link(span, host, "user" if at or user else self._suspicion(host))

    def _suspicion(self, host: str) -> str:
        if "xn--" in host or not host.isascii():
            return "lookalike"
        if host.startswith("[") or _is_address(host):
            return "address"
        private = self._suffixes.privatesuffix(host, accept_unknown=True) or host
        return "shortener" if private in self._shorteners or host in self._shorteners else ""

    def _is_host(self, host: str, *, has_path: bool) -> bool:
        suffix = self._suffixes.publicsuffix(host, accept_unknown=False)
        if suffix is None or suffix == host or not host.removesuffix(suffix).strip(".").strip("-"):
            return host in self._shorteners
        label = host.removesuffix(f".{suffix}").rpartition(".")[2]
        shown = has_path or host.startswith("www.") or suffix in self._plain_suffixes
        return shown or any(not char.isalpha() for char in label)

    def _is_allowed(self, link: Link) -> bool:
        if link.suspicious:
            return False
        return any(link.host == host or link.host.endswith(f".{host}") for host in self._allowed)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        # Browsers also take "2130706433" and "0x7f.1" for addresses.
        return bool(re.fullmatch(r"(?:0x[0-9a-f]+|\d+)(?:\.(?:0x[0-9a-f]+|\d+)){0,3}", host))
    return True


class AnyLink:
    """Finds links that are not allowed."""

    def __init__(self, links: Links) -> None:
        self._links = links

    def find(self, message: Message) -> list[Span]:
        """Where they stand."""
        return [message.text.given_span(*link.span) for link in self._links.read(message.text)]


class SuspiciousLink:
    """Finds links that pretend: scripts, user names, numeric addresses, look-alike and shortened hosts."""

    def __init__(self, links: Links) -> None:
        self._links = links

    def find(self, message: Message) -> list[Span]:
        """Where they stand."""
        found = self._links.read(message.text)
        return [message.text.given_span(*link.span) for link in found if link.suspicious]
