"""Rules about who is paid: by themselves, by one guest, for time that was not given, or elsewhere."""

from collections import Counter
from collections.abc import Iterator, Sequence

from billing.fraud import Billed, Facts, Hit, Mark, Rule, Saved
from billing.fraud_windows import Sightings, by, moving, named
from rooms.ids import UserId


def shared_card(facts: Facts, rule: Rule) -> Iterator[Hit]:
    """A guest pays a practitioner with that practitioner's own card."""
    cards = by(facts.saved, lambda one: one.person_id)
    for one in facts.billed:
        if one.brought_minor and _cards(cards, one.guest_id, one.at_ms) & _cards(
            cards, one.practitioner_id, one.at_ms
        ):
            told: dict[str, object] = {"guest": one.guest_id, "sessions": [one.session_id]}
            yield Hit("practitioner", one.practitioner_id, one.at_ms, told)


def shared_device(facts: Facts, rule: Rule) -> Iterator[Hit]:
    """Guest and practitioner come with the same browser from the same network."""
    return _shared(facts, rule, "device")


def shared_network(facts: Facts, rule: Rule) -> Iterator[Hit]:
    """Guest and practitioner come from one network that few others use. Families do: it weighs less."""
    return _shared(facts, rule, "network")


def one_guest(facts: Facts, rule: Rule) -> Iterator[Hit]:
    """Nearly all that a practitioner earns comes from one guest, though there are enough others."""
    for practitioner_id, billed in by(facts.billed, lambda one: one.practitioner_id).items():
        for currency in sorted({one.currency for one in billed}):
            paid = [one for one in billed if one.currency == currency and one.brought_minor]
            for last, recent in moving(paid, rule.window_ms):
                told = _share_of_one(recent, rule)
                if told is not None:
                    yield Hit("practitioner", practitioner_id, last.at_ms, {**told, "currency": currency})


def promotions_share(facts: Facts, rule: Rule) -> Iterator[Hit]:
    """Nearly all that a practitioner earns is free time, which costs its guests nothing."""
    for practitioner_id, billed in by(facts.billed, lambda one: one.practitioner_id).items():
        for currency in sorted({one.currency for one in billed}):
            paid = [one for one in billed if one.currency == currency and one.brought_minor]
            for last, recent in moving(paid, rule.window_ms):
                free_minor = sum(one.promotion_minor for one in recent)
                whole_minor = sum(one.brought_minor for one in recent)
                if len(recent) >= rule.sessions and 100 * free_minor >= rule.percent * whole_minor:
                    told: dict[str, object] = {
                        "share": 100 * free_minor // whole_minor,
                        "count": len(recent),
                        "currency": currency,
                        "sessions": named(one.session_id for one in recent if one.promotion_minor),
                    }
                    yield Hit("practitioner", practitioner_id, last.at_ms, told)


def silent_sessions(facts: Facts, rule: Rule) -> Iterator[Hit]:
    """Session after long session in which one side writes nothing. Healing by video often is silent."""
    for practitioner_id, billed in by(facts.billed, lambda one: one.practitioner_id).items():
        long = [one for one in billed if one.billed_ms >= rule.minutes * 60_000]
        for last, recent in moving(long, rule.window_ms):
            silent = [one for one in recent if not (one.guest_spoke and one.practitioner_spoke)]
            if len(silent) >= rule.threshold and 100 * len(silent) >= rule.percent * len(recent):
                told = {
                    "silent": len(silent),
                    "of": len(recent),
                    "sessions": named(s.session_id for s in silent),
                }
                yield Hit("practitioner", practitioner_id, last.at_ms, told)


def unseen_minutes(facts: Facts, rule: Rule) -> Iterator[Hit]:
    """More was billed than the media provider saw the two together; quiet where it told nothing."""
    for one in facts.billed:
        if one.provider is None or not one.billed_ms:
            continue
        unseen_ms = one.billed_ms - _common_ms(one.billed, one.provider)
        if unseen_ms >= rule.minutes * 60_000 and 100 * unseen_ms >= rule.percent * one.billed_ms:
            told = {
                "unseen_s": unseen_ms // 1000,
                "billed_s": one.billed_ms // 1000,
                "sessions": [one.session_id],
            }
            yield Hit("practitioner", one.practitioner_id, one.at_ms, told)


def disputes_share(facts: Facts, rule: Rule) -> Iterator[Hit]:
    """Banks take up an unusual share of a practitioner's charges."""
    billed = by((one for one in facts.billed if one.charged_minor), lambda one: one.practitioner_id)
    for practitioner_id, disputed in by(facts.disputed, lambda one: one.practitioner_id).items():
        for last, recent in moving(disputed, rule.window_ms):
            of = sum(
                last.at_ms - rule.window_ms < one.at_ms <= last.at_ms
                for one in billed.get(practitioner_id, ())
            )
            if len(recent) >= rule.threshold and 100 * len(recent) >= rule.percent * of:
                told = {
                    "disputes": len(recent),
                    "of": of,
                    "sessions": named(one.session_id for one in recent),
                }
                yield Hit("practitioner", practitioner_id, last.at_ms, told)


def payout_moved(facts: Facts, rule: Rule) -> Iterator[Hit]:
    """Earnings are sent elsewhere shortly after somebody came with a browser that is new to the account."""
    seen = Sightings(facts.sightings, "browser")
    for one in facts.moved:
        sightings = [other for other in seen.of(one.practitioner_id) if other.at_ms <= one.at_ms]
        known = [other.marks for other in sightings if other.at_ms <= one.at_ms - rule.window_ms]
        new = [
            other
            for other in sightings
            if other.at_ms > one.at_ms - rule.window_ms and not any(other.marks & marks for marks in known)
        ]
        # Somebody whom we saw nowhere before has no new browser: it is their first.
        if new and known:
            told: dict[str, object] = {
                "after_minutes": (one.at_ms - min(other.at_ms for other in new)) // 60_000
            }
            yield Hit("practitioner", one.practitioner_id, one.at_ms, told)


def _cards(cards: dict[str, list[Saved]], person_id: UserId, at_ms: int) -> set[str]:
    return {one.card for one in cards.get(person_id, ()) if one.at_ms <= at_ms}


def _shared(facts: Facts, rule: Rule, kind: Mark) -> Iterator[Hit]:
    seen = Sightings(facts.sightings, kind)
    for practitioner_id, billed in by(facts.billed, lambda one: one.practitioner_id).items():
        if not seen.of(UserId(practitioner_id)):
            continue
        for guest_id, paid in by(
            (one for one in billed if one.brought_minor), lambda one: one.guest_id
        ).items():
            for last, recent in moving(paid, rule.window_ms):
                both = [
                    seen.marks(
                        UserId(person_id), at_ms=last.at_ms, window_ms=rule.window_ms, crowd=rule.people
                    )
                    for person_id in (guest_id, practitioner_id)
                ]
                if len(recent) >= rule.sessions and both[0] & both[1]:
                    told = {
                        "guest": guest_id,
                        "count": len(recent),
                        "sessions": named(s.session_id for s in recent),
                    }
                    yield Hit("practitioner", practitioner_id, last.at_ms, told)


def _share_of_one(recent: Sequence[Billed], rule: Rule) -> dict[str, object] | None:
    if len(recent) < rule.sessions:
        return None
    paid: Counter[str] = Counter()
    for one in recent:
        paid[one.guest_id] += one.brought_minor
    (guest_id, most_minor), whole_minor = paid.most_common(1)[0], paid.total()
    if len(paid) < rule.people or 100 * most_minor <= rule.percent * whole_minor:
        return None
    sessions = named(one.session_id for one in recent if one.guest_id == guest_id)
    share = 100 * most_minor // whole_minor
    return {
        "guest": guest_id,
        "share": share,
        "people": len(paid),
        "count": len(recent),
        "sessions": sessions,
    }


def _common_ms(one: Sequence[tuple[int, int]], other: Sequence[tuple[int, int]]) -> int:
    return sum(max(0, min(a[1], b[1]) - max(a[0], b[0])) for a in one for b in other)
