"""Rules about guests who pay, or try to: cards that are tested, and accounts that are in a hurry."""

from collections.abc import Iterator, Sequence

from billing.fraud import Decline, Facts, Hit, Rule, Text
from billing.fraud_windows import Sightings, by, moving, named

NETWORK_SEEN_MS = 2 * 86_400_000
"""A decline counts where its guest was seen that day or the day before: one sighting a day is kept."""


def declines_person(facts: Facts, rule: Rule) -> Iterator[Hit]:
    """One person is declined again and again."""
    for guest_id, declined in by(facts.declined, lambda one: one.guest_id).items():
        for last, recent in moving(declined, rule.window_ms):
            if len(recent) >= rule.threshold:
                yield Hit("person", guest_id, last.at_ms, _declines(recent))


def declines_card(facts: Facts, rule: Rule) -> Iterator[Hit]:
    """One card is declined again and again, on several accounts."""
    for card, declined in by(facts.declined, lambda one: one.card).items():
        for last, recent in moving(declined, rule.window_ms):
            people = {one.guest_id for one in recent}
            if len(recent) >= rule.threshold and len(people) >= rule.people:
                yield Hit("card", card, last.at_ms, {**_declines(recent), "people": named(sorted(people))})


def declines_network(facts: Facts, rule: Rule) -> Iterator[Hit]:
    """Several people of one network are declined again and again."""
    for network, declined in _by_network(facts).items():
        for last, recent in moving(declined, rule.window_ms):
            people = {one.guest_id for one in recent}
            if len(recent) >= rule.threshold and len(people) >= rule.people:
                yield Hit(
                    "network", network, last.at_ms, {**_declines(recent), "people": named(sorted(people))}
                )


def cards_person(facts: Facts, rule: Rule) -> Iterator[Hit]:
    """One person comes with card after card."""
    for person_id, saved in by(facts.saved, lambda one: one.person_id).items():
        for last, recent in moving(saved, rule.window_ms):
            cards = {one.card for one in recent}
            if len(cards) >= rule.threshold:
                yield Hit("person", person_id, last.at_ms, {"cards": len(cards)})


def cards_network(facts: Facts, rule: Rule) -> Iterator[Hit]:
    """Card after card is declined on one network."""
    for network, declined in _by_network(facts).items():
        for last, recent in moving(declined, rule.window_ms):
            cards = {one.card for one in recent if one.card is not None}
            if len(cards) >= rule.threshold:
                people = named(sorted({one.guest_id for one in recent}))
                yield Hit("network", network, last.at_ms, {"cards": len(cards), "people": people})


def accounts_card(facts: Facts, rule: Rule) -> Iterator[Hit]:
    """One card is saved on account after account."""
    for card, saved in by(facts.saved, lambda one: one.card).items():
        for last, recent in moving(saved, rule.window_ms):
            people = {one.person_id for one in recent}
            if len(people) >= rule.threshold:
                yield Hit("card", card, last.at_ms, {"count": len(people), "people": named(sorted(people))})


def starts_person(facts: Facts, rule: Rule) -> Iterator[Hit]:
    """One person asks for session after session."""
    for guest_id, asked in by(facts.asked, lambda one: one.guest_id).items():
        for last, recent in moving(asked, rule.window_ms):
            if len(recent) >= rule.threshold:
                sessions = named(one.session_id for one in recent)
                yield Hit("person", guest_id, last.at_ms, {"starts": len(recent), "sessions": sessions})


def new_account_cap(facts: Facts, rule: Rule) -> Iterator[Hit]:
    """Somebody new agrees to pay for a long time at once; in minutes of the rate, for every currency."""
    for one in facts.asked:
        known_ms = one.at_ms - one.since_ms
        if known_ms > rule.window_ms or not one.rate_minor_per_minute:
            continue
        minutes = one.cap_minor // one.rate_minor_per_minute
        if minutes >= rule.threshold:
            told = {"minutes": minutes, "known_minutes": known_ms // 60_000, "sessions": [one.session_id]}
            yield Hit("person", one.guest_id, one.at_ms, told)


def texts_prefix(facts: Facts, rule: Rule) -> Iterator[Hit]:
    """Messages pour to one prefix, and next to nothing comes of them."""
    for prefix, texts in by(facts.texts, _prefix).items():
        for last, recent in moving(texts, rule.window_ms):
            used = sum(one.used for one in recent)
            if len(recent) >= rule.threshold and 100 * used < rule.percent * len(recent):
                yield Hit("prefix", prefix, last.at_ms, {"sent": len(recent), "used": used})


def _prefix(text: Text) -> str:
    return text.prefix


def _declines(recent: Sequence[Decline]) -> dict[str, object]:
    return {"declines": len(recent), "sessions": named(one.session_id for one in recent)}


def _by_network(facts: Facts) -> dict[str, list[Decline]]:
    """Declines by the networks that their guests were seen on shortly before."""
    seen = Sightings(facts.sightings, "network")
    found: dict[str, list[Decline]] = {}
    for one in facts.declined:
        for network in seen.names(one.guest_id, at_ms=one.at_ms, window_ms=NETWORK_SEEN_MS):
            found.setdefault(network, []).append(one)
    return found
