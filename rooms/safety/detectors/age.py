"""What people say of their own age, when it is a child's: "I'm 15", "j'ai 14 ans"."""

import re
from typing import Final

from rooms.safety.message import Message
from rooms.safety.normalise import Span

_NUMBER_EN: Final = (
    r"(?:[89]|1[0-7]|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen)"
)
_NUMBER_FR: Final = r"(?:[89]|1[0-7]|huit|neuf|onze|douze|treize|quatorze|quinze|seize|dix(?:[- ]sept)?)"
_A_LITTLE: Final = (
    r"(?:(?:only|just|almost|nearly|still|actually|about to turn|turning|gonna be|a|technically|barely"
    r"|really) ){0,2}"
)
# Only what follows an age may follow it: "I'm 15 minutes late" is none.
_AFTER: Final = (
    r"(?=\s*(?:$|[,.!?;)\n\u2026]|-?years?[- ]old(?![a-z])|yrs?(?: old)?(?![a-z])|y/?o(?![a-z])"
    r"|(?:and|but|btw|so|lol|haha|ok|if|now|in|next|turning|is that|does that|please|pls|sorry|actually"
    r"|tho|though|can|will|going on)(?![a-z])))"
)
_EN: Final = re.compile(
    r"(?<![a-z])(?:i ?'?m|i am|i be|my age is|i(?: just)? turned|i turn|i(?:'ll| will) be) "
    rf"{_A_LITTLE}{_NUMBER_EN}(?![\d:°%/]|\.\d){_AFTER}"
)
_SHORT: Final = re.compile(
    r"(?<![a-z0-9])(?:[89]|1[0-7]) ?(?:yo|y/o|yrs old|years? old) (?:girl|boy|here|female|male|teen)(?![a-z])"
)
_FR: Final = re.compile(
    r"(?<![a-z])(?:j ?'? ?ai|g|chui|j'vais avoir|je vais avoir|j'aurai) "
    r"(?:(?:que|juste|seulement|bientot|presque|a peine|deja|encore) )?"
    rf"{_NUMBER_FR} ?ans(?![a-z])(?! (?:d[e' ]|en plus|derriere))"
)
# "When I was", "like I'm 15 again": not an age of today.
_BEFORE: Final = re.compile(
    r"(?:like|as if|as though|feel|when|comme si|quand|pretend(?:ing)?|reve|dream|imagine)[ ,]{1,2}"
    r"(?:that )?$"
)
_AGAIN: Final = re.compile(r"\s*(?:years? old |yo )?(?:again|inside|at heart|weeks|months)(?![a-z])")
BEFORE: Final = 24
"""Characters around an age in which a word can make it another's, or another day's."""


class Age:
    """Finds a child's age that somebody claims for themselves."""

    def find(self, message: Message) -> list[Span]:
        """Where it stands."""
        plain = message.text.plain
        return [
            message.text.given_span(*match.span())
            for pattern in (_EN, _SHORT, _FR)
            for match in pattern.finditer(plain)
            if not _BEFORE.search(plain[max(0, match.start() - BEFORE) : match.start()])
            and not _AGAIN.match(plain[match.end() : match.end() + BEFORE])
        ]
