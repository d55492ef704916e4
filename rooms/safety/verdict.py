"""What the rules say of a message."""

from enum import StrEnum
from typing import Final, Literal

from msgspec import Struct

Action = Literal["allow", "flag", "hold", "block"]
Severity = Literal["low", "medium", "high", "critical"]
OnTimeout = Literal["release", "reject"]

ACTIONS: Final[tuple[Action, ...]] = ("allow", "flag", "hold", "block")
"""From the mildest to the strictest."""

SEVERITIES: Final[tuple[Severity, ...]] = ("low", "medium", "high", "critical")


class Category(StrEnum):
    """What a finding is about; one queue of the moderators each."""

    DISTRESS = "distress"
    MINOR = "minor"
    OFF_PLATFORM = "off_platform"
    CONTACT = "contact"
    LINK = "link"
    CARD_NUMBER = "card_number"
    HARASSMENT = "harassment"
    SEXUAL = "sexual"
    VIOLENCE = "violence"
    SCAM = "scam"
    SPAM = "spam"
    REPORT = "report"
    FRAUD = "fraud"


class Finding(Struct, frozen=True):
    """A rule that fired, and where: `start` and `end` are offsets into the text as it was given.

    A flag's place in the queue follows from `severity`; `action` is what the rule asks for.
    """

    rule: str
    version: str
    category: Category
    severity: Severity
    action: Action
    start: int
    end: int


class Verdict(Struct, frozen=True):
    """What happens to a message.

    `text` is what is stored and told: as given, or with card numbers masked to their last four digits
    (`masked`). `finding` is the one that decided; a masked message that is otherwise allowed has
    `action` "flag" and the card's finding. `shadow` holds what rules on trial would have said; they decide
    nothing. `on_timeout` is what becomes of a held message that nobody looks at. `also` holds what else was
    found by rules that are live: somebody who threatens may be in distress as well.
    """

    action: Action
    text: str
    finding: Finding | None = None
    shadow: tuple[Finding, ...] = ()
    masked: bool = False
    on_timeout: OnTimeout = "reject"
    also: tuple[Finding, ...] = ()
