"""A month of ordinary traffic, and every kind of fraud, as facts; all from one seed.

The ordinary month has what looks suspicious and is not: regulars, beginners with one loyal guest, silent
healing by video, households and carriers behind one address, a card in a family, banks that decline twice,
impatient guests, a few disputes, a practitioner who moves to another bank.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from msgspec.structs import replace

from billing.fraud import CROWD_MS, Asked, Billed, Decline, Disputed, Facts, Moved, Saved, Sighting, Text
from rooms.ids import SessionId, UserId
from store.privacy.marks import Caller, Marks

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
BEGIN: Final = 1_792_310_400_000
"""18 October 2026: the month crosses into November, where the keys of marks rotate."""
DAYS: Final = 30
AGENTS: Final = [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1 Mobile Safari/604.1",
    "Mozilla/5.0 (Linux; Android 15; K) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1 Version/18.0 Safari/605.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0",
]
LANGUAGES: Final = ["en-GB,en", "fr-FR,fr", "en-US,en", "de-DE,de"]


@dataclass
class Person:
    """Somebody with their habits."""

    id: UserId
    since_ms: int
    places: list[str]
    agents: list[str]
    language: str
    card: str = ""


@dataclass
class Traffic:
    """Facts as they come to be. `rng` decides everything."""

    rng: Random
    marks: Marks = field(default_factory=lambda: Marks(bytes(range(32))))
    facts: dict[str, list[Any]] = field(
        default_factory=lambda: {name: [] for name in Facts.__struct_fields__}
    )
    sessions: int = 0

    def all(self) -> Facts:
        facts = {name: tuple(of) for name, of in self.facts.items()}
        return Facts(**facts | {"sightings": tuple(_crowded(self.facts["sightings"]))})

    def person(self, name: str, *, since_ms: int | None = None, places: list[str] | None = None) -> Person:
        rng = self.rng
        return Person(
            UserId(name),
            BEGIN - rng.randrange(1, 400) * DAY if since_ms is None else since_ms,
            places or [self.place() for _ in range(rng.choice([1, 1, 2, 3]))],
            rng.sample(AGENTS, rng.choice([1, 1, 1, 2])),
            rng.choice(LANGUAGES),
        )

    def place(self) -> str:
        # One in eight sits behind one of few addresses that a carrier shares among many.
        rng = self.rng
        if rng.random() < 0.125:
            return f"8.0.0.{rng.randrange(20)}"
        return f"9.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"

    def save(self, person: Person, card: str, at_ms: int) -> None:
        person.card = card
        self.facts["saved"].append(Saved(person.id, card, at_ms))

    def see(self, person: Person, at_ms: int, *, place: str | None = None, agent: str | None = None) -> None:
        rng = self.rng
        caller = Caller(
            place or rng.choice(person.places), agent or rng.choice(person.agents), person.language
        )
        for kind, mark, before in self.marks.of(caller, at_ms=at_ms):
            self.facts["sightings"].append(Sighting(person.id, kind, mark, before, at_ms))

    def decline(self, guest: Person, host: Person, at_ms: int, card: str | None = None) -> None:
        if card is not None:
            self.save(guest, card, at_ms - MINUTE)
        self.facts["declined"].append(Decline(self._next(), guest.id, host.id, card or guest.card, at_ms))

    def ask(self, guest: Person, host: Person, at_ms: int, *, minutes: int = 120) -> SessionId:
        session_id = self._next()
        cap_minor = 300 * minutes
        since_ms = guest.since_ms
        self.facts["asked"].append(Asked(session_id, guest.id, host.id, since_ms, 300, cap_minor, at_ms))
        return session_id

    def bill(self, guest: Person, host: Person, at_ms: int, **more: Any) -> None:
        session_id = self.ask(guest, host, at_ms - HOUR)
        length_ms = self.rng.randrange(10, 75) * MINUTE
        span = (at_ms - more.get("billed_ms", length_ms), at_ms)
        told: dict[str, Any] = {
            "billed_ms": length_ms,
            "charged_minor": length_ms // MINUTE * 300,
            "currency": "usd",
            "guest_spoke": True,
            "practitioner_spoke": True,
            "billed": (span,),
            # Media begins a little later and may be lost for a moment.
            "provider": ((span[0] + self.rng.randrange(20_000), span[1]),)
            if self.rng.random() < 0.5
            else None,
        } | more
        self.facts["billed"].append(Billed(session_id, guest.id, host.id, at_ms=at_ms, **told))

    def _next(self) -> SessionId:
        self.sessions += 1
        return SessionId(f"session-{self.sessions}")


def ordinary(seed: int, *, people: int = 900) -> Traffic:
    """A month in which nobody cheats."""
    traffic = Traffic(Random(seed))
    hosts = [traffic.person(f"host-{n}") for n in range(people // 10)]
    guests = [_guest(traffic, n) for n in range(people)]
    for couple in range(0, people // 15, 2):
        # A household: one network, and often one card.
        guests[couple].places = guests[couple + 1].places
        if couple % 3:
            traffic.save(guests[couple + 1], guests[couple].card, BEGIN)
    # A practitioner's partner pays for a session now and then, from the same sofa.
    guests[-1].places = hosts[3].places
    silent = {host.id for host in traffic.rng.sample(hosts, len(hosts) // 6)}
    # Beginners have a loyal guest or two; the others have regulars, and whoever comes by.
    beginners = len(hosts) // 4
    for n, host in enumerate(hosts):
        loyal = traffic.rng.sample(guests, 1 + n % 2 if n < beginners else 12)
        for _ in range(traffic.rng.randrange(4, 30) if n < beginners else traffic.rng.randrange(40, 110)):
            guest = traffic.rng.choice(loyal if n < beginners or traffic.rng.random() < 0.5 else guests)
            _visit(traffic, guest, host, _some_time(traffic.rng), silent=host.id in silent)
    for day in (3, 17):
        _visit(traffic, guests[-1], hosts[3], BEGIN + day * DAY, silent=False)
    for person in (*hosts, *guests):
        for day in range(-30, DAYS, 2 if person in hosts else 10):
            traffic.see(person, BEGIN + day * DAY + traffic.rng.randrange(DAY))
    for host in hosts[-2:]:
        traffic.facts["moved"].append(Moved(host.id, BEGIN + 20 * DAY))
    for text in range(600):
        at_ms = BEGIN + text * HOUR + traffic.rng.randrange(HOUR)
        traffic.facts["texts"].append(Text(f"+4477{text % 7}", traffic.rng.random() < 0.8, at_ms))
    return traffic


def _guest(traffic: Traffic, n: int) -> Person:
    rng = traffic.rng
    # One in five joins during the month.
    joined = BEGIN + rng.randrange(DAYS * DAY) if n % 5 == 0 else None
    guest = traffic.person(f"guest-{n}", since_ms=joined)
    traffic.save(guest, f"card-{n}", max(guest.since_ms, BEGIN - 80 * DAY))
    if rng.random() < 0.1:
        traffic.save(guest, f"card-{n}-new", BEGIN + rng.randrange(DAYS * DAY))
    return guest


def _some_time(rng: Random) -> int:
    return BEGIN + rng.randrange(DAYS) * DAY + rng.randrange(8, 22) * HOUR + rng.randrange(HOUR)


def _visit(traffic: Traffic, guest: Person, host: Person, at_ms: int, *, silent: bool) -> None:
    """One visit with what goes before it: a few refusals, a bank that says no, another try."""
    rng = traffic.rng
    if at_ms < guest.since_ms + 5 * HOUR:
        return
    traffic.see(guest, at_ms - HOUR)
    traffic.see(host, at_ms - HOUR)
    for _ in range(rng.choice([0] * 9 + [1, 2, 4])):
        traffic.ask(
            guest, host, at_ms - rng.randrange(HOUR, 3 * HOUR), minutes=rng.choice([60, 120, 120, 240])
        )
    if rng.random() < 0.04:
        for again in range(rng.choice([1, 1, 2, 3])):
            traffic.decline(guest, host, at_ms - 50 * MINUTE + again * MINUTE)
        if rng.random() < 0.5:
            traffic.save(guest, f"{guest.card}+", at_ms - 40 * MINUTE)
    spoke = not silent or rng.random() < 0.2
    traffic.bill(guest, host, at_ms, guest_spoke=spoke, practitioner_spoke=spoke or rng.random() < 0.5)
    if rng.random() < 0.002:
        billed = traffic.facts["billed"][-1]
        traffic.facts["disputed"].append(Disputed(billed.session_id, guest.id, host.id, at_ms + 5 * DAY))


def _crowded(sightings: list[Sighting]) -> list[Sighting]:
    """With how many people came with the same, as the record counts it."""
    seen: dict[str, list[Sighting]] = defaultdict(list)
    for one in sightings:
        if one.kind != "browser":
            seen[one.mark].append(one)
    told = []
    for one in sightings:
        others = (*seen[one.mark], *seen[one.before]) if one.kind != "browser" else ()
        crowd = {other.person_id for other in others if one.at_ms - CROWD_MS < other.at_ms <= one.at_ms}
        told.append(replace(one, crowd=max(1, len(crowd))))
    return told


def _declines_person(traffic: Traffic, guest: Person, host: Person, at_ms: int) -> None:
    for n in range(7):
        traffic.decline(guest, host, at_ms + n * MINUTE)


def _declines_card(traffic: Traffic, guest: Person, host: Person, at_ms: int) -> None:
    for n in range(6):
        other = traffic.person(f"{guest.id}-{n}")
        traffic.decline(other, host, at_ms + n * HOUR, card="stolen")


def _declines_network(traffic: Traffic, guest: Person, host: Person, at_ms: int) -> None:
    for n in range(12):
        other = traffic.person(f"{guest.id}-{n % 4}", places=["9.9.9.9"])
        traffic.see(other, at_ms)
        traffic.decline(other, host, at_ms + n * MINUTE, card=f"tested-{n % 4}")


def _cards_person(traffic: Traffic, guest: Person, host: Person, at_ms: int) -> None:
    for n in range(5):
        traffic.save(guest, f"{guest.id}-{n}", at_ms + n * HOUR)


def _cards_network(traffic: Traffic, guest: Person, host: Person, at_ms: int) -> None:
    for n in range(9):
        other = traffic.person(f"{guest.id}-{n}", places=["9.9.9.8"])
        traffic.see(other, at_ms)
        traffic.decline(other, host, at_ms + n * HOUR, card=f"generated-{n}")


def _accounts_card(traffic: Traffic, guest: Person, host: Person, at_ms: int) -> None:
    for n in range(5):
        traffic.save(traffic.person(f"{guest.id}-{n}"), "everybodys", at_ms + n * DAY)


def _starts_person(traffic: Traffic, guest: Person, host: Person, at_ms: int) -> None:
    for n in range(12):
        traffic.ask(guest, host, at_ms + 4 * n * MINUTE)


def _new_account_cap(traffic: Traffic, guest: Person, host: Person, at_ms: int) -> None:
    guest.since_ms = at_ms - 5 * MINUTE
    traffic.ask(guest, host, at_ms, minutes=480)


def _shared_card(traffic: Traffic, guest: Person, host: Person, at_ms: int) -> None:
    traffic.save(host, "own", at_ms - 200 * DAY)
    traffic.save(guest, "own", at_ms - HOUR)
    traffic.bill(guest, host, at_ms)


def _shared_device(traffic: Traffic, guest: Person, host: Person, at_ms: int) -> None:
    for n in range(3):
        for person in (guest, host):
            person.language = "en"
            traffic.see(person, at_ms + n * DAY - HOUR, place="9.9.9.7", agent=AGENTS[0])
        traffic.bill(guest, host, at_ms + n * DAY)


def _shared_network(traffic: Traffic, guest: Person, host: Person, at_ms: int) -> None:
    for n in range(4):
        traffic.see(guest, at_ms + n * DAY - HOUR, place="9.9.9.6", agent=AGENTS[0])
        traffic.see(host, at_ms + n * DAY - HOUR, place="9.9.9.6", agent=AGENTS[1])
        traffic.bill(guest, host, at_ms + n * DAY)


def _one_guest(traffic: Traffic, guest: Person, host: Person, at_ms: int) -> None:
    for n in range(30):
        other = guest if n % 6 else traffic.person(f"{guest.id}-{n}")
        traffic.bill(other, host, at_ms + n * 10 * HOUR)


def _promotions_share(traffic: Traffic, guest: Person, host: Person, at_ms: int) -> None:
    for n in range(10):
        other = traffic.person(f"{guest.id}-{n}")
        traffic.bill(other, host, at_ms + n * DAY, charged_minor=50, promotion_minor=3_000)


def _silent_sessions(traffic: Traffic, guest: Person, host: Person, at_ms: int) -> None:
    for n in range(12):
        traffic.bill(guest, host, at_ms + n * HOUR, billed_ms=50 * MINUTE, practitioner_spoke=False)


def _unseen_minutes(traffic: Traffic, guest: Person, host: Person, at_ms: int) -> None:
    span = (at_ms - HOUR, at_ms)
    seen = ((span[0], span[0] + 20 * MINUTE),)
    traffic.bill(guest, host, at_ms, billed=(span,), billed_ms=HOUR, provider=seen)


def _disputes_share(traffic: Traffic, guest: Person, host: Person, at_ms: int) -> None:
    for n in range(20):
        traffic.bill(traffic.person(f"{guest.id}-{n}"), host, at_ms + n * HOUR)
    for billed in traffic.facts["billed"][-4:]:
        told = Disputed(billed.session_id, billed.guest_id, host.id, billed.at_ms + DAY)
        traffic.facts["disputed"].append(told)


def _payout_moved(traffic: Traffic, guest: Person, host: Person, at_ms: int) -> None:
    for n in range(10):
        traffic.see(host, at_ms - (n + 4) * DAY, agent=AGENTS[0])
    traffic.see(host, at_ms - 2 * HOUR, agent="curl/8.9.1")
    traffic.facts["moved"].append(Moved(host.id, at_ms))


def _texts_prefix(traffic: Traffic, guest: Person, host: Person, at_ms: int) -> None:
    for n in range(60):
        traffic.facts["texts"].append(Text("+88213", n % 20 == 0, at_ms + n * 20_000))


PATTERNS: Final[dict[str, Callable[[Traffic, Person, Person, int], None]]] = {
    "declines_person": _declines_person,
    "declines_card": _declines_card,
    "declines_network": _declines_network,
    "cards_person": _cards_person,
    "cards_network": _cards_network,
    "accounts_card": _accounts_card,
    "starts_person": _starts_person,
    "new_account_cap": _new_account_cap,
    "shared_card": _shared_card,
    "shared_device": _shared_device,
    "shared_network": _shared_network,
    "one_guest": _one_guest,
    "promotions_share": _promotions_share,
    "silent_sessions": _silent_sessions,
    "unseen_minutes": _unseen_minutes,
    "disputes_share": _disputes_share,
    "payout_moved": _payout_moved,
    "texts_prefix": _texts_prefix,
}
"""Of each rule, the fraud that it is there for."""


def cheat(traffic: Traffic, rule: str) -> set[str]:
    """Put one fraud among the others; the ids that it may be found by begin so."""
    guest, host = traffic.person(f"fraud-{rule}-guest"), traffic.person(f"fraud-{rule}-host")
    PATTERNS[rule](traffic, guest, host, BEGIN + 14 * DAY)
    return {guest.id, host.id}
