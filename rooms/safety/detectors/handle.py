"""Names of people on other services: "insta: moonhealer", "@moon_healer", "my snap is …"."""

import re
from typing import Final

from rooms.safety.message import Message
from rooms.safety.normalise import Span

SERVICES: Final = (
    "insta(?:gram)?|ig|snap(?:chat)?|telegram|tele|tg|whats ?app|wapp|discord|facebook|fb|messenger|signal|"
    "tik ?tok|skype|kik|wechat|viber|twitter|linkedin|threads|mastodon|only ?fans|imessage|facetime|zoom"
)
_NAME: Final = r"@?[a-z0-9_][a-z0-9_.]{1,29}"
# What comes between a service and a name: "insta: x", "my insta is x", "mon insta c'est x".
_LINK: Final = r"(?: ?[:=>@#/-]{1,3} ?| (?:is|id|name|handle|user(?:name)?|c'est|est)[ :]{1,2}(?:is )?)"
_ON_SERVICE: Final = re.compile(rf"(?<![a-z0-9])(?:{SERVICES}){_LINK}({_NAME})")
_AT_NAME: Final = re.compile(r"(?<![a-z0-9_.@/])@([a-z0-9_](?:[a-z0-9_.]{1,28})[a-z0-9_])(?![a-z0-9_@])")
_INVITES: Final = re.compile(
    r"(?<![a-z])(?:find|follow|add|dm|message|text|write|insta|handle|snap|telegram|ajoute|suis|suivez|ecris|"
    r"contacte|trouve|retrouve|im|i'm|it's|c'est)(?![a-z])"
)
NEAR: Final = 40
"""Characters before an @name in which an invitation makes it one."""
_COMMON: Final = frozenset(
    [
        "the",
        "a",
        "an",
        "my",
        "not",
        "so",
        "very",
        "really",
        "good",
        "bad",
        "down",
        "broken",
        "new",
        "old",
        "on",
        "off",
        "for",
        "now",
        "today",
        "here",
    ]
)


class Handle:
    """Finds names on other services."""

    def find(self, message: Message) -> list[Span]:
        """Where they stand. A bare @name counts when it looks made for a service or follows an invitation."""
        text = message.text
        found = [
            text.given_span(*match.span())
            for match in _ON_SERVICE.finditer(text.plain)
            if match.group(1).lstrip("@") not in _COMMON
        ]
        if "@" in text.plain:
            found += [
                text.given_span(*match.span())
                for match in _AT_NAME.finditer(text.plain)
                if _made_up(match.group(1)) or _invited(text.plain, match.start())
            ]
        return found


def _invited(plain: str, at: int) -> bool:
    return _INVITES.search(plain[max(0, at - NEAR) : at]) is not None


def _made_up(name: str) -> bool:
    return any(not char.isalpha() for char in name)
