"""Fraud, as rules over facts: what is known of people's money in a stretch of time, and what stands out.

A rule reads facts and names a subject, a moment, and why. It takes no money and stops nobody: live findings
are put before a person, shadow findings are only counted. The rules themselves are in `fraud_rules.py`, their
thresholds in a file that `fraud_file.py` reads.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Final, Literal

from msgspec import Struct

from rooms.ids import SessionId, UserId

Mode = Literal["shadow", "live"]
SubjectKind = Literal["person", "practitioner", "card", "network", "prefix"]
Mark = Literal["browser", "device", "network"]

CROWD_MS: Final = 30 * 86_400_000
"""How far back a network's crowd is counted."""
NAMED_MAX: Final = 20
"""Sessions or people that one finding names."""


class Decline(Struct, frozen=True):
    """A bank said no to a hold, a charge or a tip. `card` is the card's fingerprint, where it is known."""

    session_id: SessionId
    guest_id: UserId
    practitioner_id: UserId
    card: str | None
    at_ms: int


class Asked(Struct, frozen=True):
    """A guest asked for a session; `since_ms` is how long they have been known."""

    session_id: SessionId
    guest_id: UserId
    practitioner_id: UserId
    since_ms: int
    rate_minor_per_minute: int
    cap_minor: int
    at_ms: int


class Billed(Struct, frozen=True):
    """A guest's part of a session was settled. `spoke` is whether guest and practitioner wrote anything.

    `promotion_minor` is what the platform pays the practitioner for free time. `billed` are the spans that
    were charged, `provider` those in which the media provider saw both, as pairs of Unix milliseconds; None
    where no provider told.
    """

    session_id: SessionId
    guest_id: UserId
    practitioner_id: UserId
    billed_ms: int
    charged_minor: int
    currency: str
    guest_spoke: bool
    practitioner_spoke: bool
    at_ms: int
    billed: tuple[tuple[int, int], ...] = ()
    provider: tuple[tuple[int, int], ...] | None = None
    promotion_minor: int = 0

    @property
    def brought_minor(self) -> int:
        """What the session brought in for the practitioner's account, whoever paid for it."""
        return self.charged_minor + self.promotion_minor


class Disputed(Struct, frozen=True):
    """A guest's bank took up a charge."""

    session_id: SessionId
    guest_id: UserId
    practitioner_id: UserId
    at_ms: int


class Sighting(Struct, frozen=True):
    """A person came with this browser, from this network, or both (a device), as keyed hashes.

    The key changes every month, so each sighting has its hash under this month's key and under the last
    one's: two of one thing have one in common as long as less than a month lies between them.
    """

    person_id: UserId
    kind: Mark
    mark: str
    before: str
    at_ms: int
    crowd: int = 1
    """How many different people came with the same within `CROWD_MS` up to then, these included."""

    @property
    def marks(self) -> frozenset[str]:
        """Under either key."""
        return frozenset((self.mark, self.before))


class Saved(Struct, frozen=True):
    """A person saved a card with this fingerprint."""

    person_id: UserId
    card: str
    at_ms: int


class Moved(Struct, frozen=True):
    """A practitioner's earnings go somewhere else from now on."""

    practitioner_id: UserId
    at_ms: int


class Text(Struct, frozen=True):
    """A message by SMS to a number with this prefix; `used` is whether anything came of it: a sign-in."""

    prefix: str
    used: bool
    at_ms: int


class Facts(Struct, frozen=True):
    """All that rules see."""

    declined: tuple[Decline, ...] = ()
    asked: tuple[Asked, ...] = ()
    billed: tuple[Billed, ...] = ()
    disputed: tuple[Disputed, ...] = ()
    sightings: tuple[Sighting, ...] = ()
    saved: tuple[Saved, ...] = ()
    moved: tuple[Moved, ...] = ()
    texts: tuple[Text, ...] = ()


class Rule(Struct, frozen=True):
    """One rule's numbers. `threshold` is what fires it; the others only rules that need them have.

    `weight`: a review opens once a subject's live rules weigh enough together. `percent` is a share;
    `sessions`, `people` and `minutes` say how much there must be before the rule has an opinion.
    """

    mode: Mode
    hours: int
    weight: int
    threshold: int = 0
    percent: int = 0
    sessions: int = 0
    people: int = 0
    minutes: int = 0

    @property
    def window_ms(self) -> int:
        """How far back the rule looks."""
        return self.hours * 3_600_000


class Rules(Struct, frozen=True):
    """All rules by their ids. `review_at` is the weight at which a review opens."""

    version: int
    review_at: int
    rules: dict[str, Rule]

    @property
    def window_ms(self) -> int:
        """How far back the rule looks that looks back furthest."""
        return max(rule.window_ms for rule in self.rules.values())


class Hit(Struct, frozen=True):
    """A rule fired. `facts` are numbers and ids, never a word that a person wrote."""

    kind: SubjectKind
    subject: str
    at_ms: int
    facts: dict[str, object]


class Finding(Struct, frozen=True):
    """What is kept of a hit: once a rule, subject and window. `reason` says the same in words."""

    rule: str
    version: int
    mode: Mode
    weight: int
    subject_kind: SubjectKind
    subject: str
    window_no: int
    at_ms: int
    reason: str
    facts: dict[str, object]

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What there is one finding of."""
        return self.rule, self.subject_kind, self.subject, self.window_no


Scan = Callable[[Facts, Rule], Iterator[Hit]]


class Kind(Struct, frozen=True):
    """A rule as it is in the code: how it reads facts, its reason in words, and the numbers that it needs."""

    scan: Scan
    words: str
    needs: frozenset[str] = frozenset({"threshold"})


def evaluate(
    facts: Facts,
    rules: Rules,
    kinds: dict[str, Kind],
    *,
    among: Collection[tuple[str, str]] | None = None,
) -> list[Finding]:
    """What stands out, the earliest moment in each window, in order of time.

    Each rule walks through the facts as they came to be, so that history gives what was found at the time.
    `among` names the subjects (kind, id) of which all facts are there; others are passed over.
    """
    found: dict[tuple[str, str, str, int], Finding] = {}
    for rule_id, rule in rules.rules.items():
        for hit in kinds[rule_id].scan(facts, rule):
            if among is not None and (hit.kind, hit.subject) not in among:
                continue
            key = (rule_id, hit.kind, hit.subject, hit.at_ms // rule.window_ms)
            earlier = found.get(key)
            if earlier is None or hit.at_ms < earlier.at_ms:
                found[key] = _finding(rule_id, rule, rules.version, kinds[rule_id].words, hit)
    return sorted(found.values(), key=lambda finding: (finding.at_ms, finding.key))


def _finding(rule_id: str, rule: Rule, version: int, words: str, hit: Hit) -> Finding:
    return Finding(
        rule_id,
        version,
        rule.mode,
        rule.weight,
        hit.kind,
        hit.subject,
        hit.at_ms // rule.window_ms,
        hit.at_ms,
        words.format(hours=rule.hours, **hit.facts),
        hit.facts,
    )
