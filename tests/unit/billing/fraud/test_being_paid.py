"""Self-dealing, time that may not have been given, and payouts that go elsewhere: each rule at its edges."""

from collections.abc import Sequence
from typing import Any

from billing.fraud import Billed, Mark
from tests.unit.billing.fraud.scene import (
    DAY,
    GUS,
    HOUR,
    MINUTE,
    PIA,
    T0,
    billed,
    disputed,
    found,
    moved,
    saved,
    sighting,
)


def test_a_guest_with_the_practitioners_card() -> None:
    cards = [saved(T0 - 400 * DAY, "fp", PIA), saved(T0 - DAY, "fp", GUS)]
    [finding] = found("shared_card", saved=cards, billed=[billed(T0)])
    assert (finding.subject, finding.facts["guest"]) == (PIA, GUS)
    assert found("shared_card", saved=cards, billed=[billed(T0, charged_minor=0)]) == []
    assert found("shared_card", saved=cards, billed=[billed(T0 - 2 * DAY)]) == [], "saved only later"
    assert found("shared_card", saved=[saved(T0, "fp", PIA), saved(T0, "other")], billed=[billed(T0)]) == []


def shares(rule: str, kind: Mark, sessions: int, **marks: str) -> bool:
    names = {"mine": "x", "before": "", "hers": "x", "hers_before": ""} | marks
    seen = [
        sighting(T0 - HOUR, GUS, kind, names["mine"], names["before"]),
        sighting(T0 - DAY, PIA, kind, names["hers"], names["hers_before"]),
    ]
    return bool(found(rule, sightings=seen, billed=[billed(T0 + n * HOUR) for n in range(sessions)]))


def test_the_same_device_or_network_on_both_sides() -> None:
    assert shares("shared_device", "device", 2)
    assert not shares("shared_device", "device", 1)
    assert not shares("shared_device", "network", 9)
    assert shares("shared_network", "network", 3)
    assert not shares("shared_network", "network", 2)
    assert not shares("shared_network", "network", 3, hers="y")


def test_marks_are_compared_across_the_end_of_a_month() -> None:
    assert shares("shared_device", "device", 2, mine="november", before="october", hers="october")
    assert not shares("shared_device", "device", 2, mine="november", before="october", hers="september")


def test_what_was_seen_long_before_or_only_later_does_not_count() -> None:
    for at_ms in (T0 - 31 * DAY, T0 + 2 * HOUR):
        seen = [sighting(at_ms, GUS, "device", "x"), sighting(T0, PIA, "device", "x")]
        assert found("shared_device", sightings=seen, billed=[billed(T0), billed(T0 + HOUR)]) == []


def test_where_many_come_from_sharing_tells_nothing() -> None:
    for crowd, fires in ((4, True), (5, False)):
        seen = [sighting(T0 - HOUR, who, "network", "clinic", crowd=crowd) for who in (GUS, PIA)]
        visits = [billed(T0 + n * HOUR) for n in range(3)]
        assert bool(found("shared_network", sightings=seen, billed=visits)) is fires


def revenue(of_one: int, of_others: int, others: int) -> list[Billed]:
    guests = ["whale"] * of_one + [f"g{n % others}" for n in range(of_others)]
    return [billed(T0 + n * HOUR, guest) for n, guest in enumerate(guests)]


def test_one_guest_above_the_share() -> None:
    [finding] = found("one_guest", billed=revenue(15, 6, 3))
    assert (finding.facts["guest"], finding.facts["share"], finding.facts["people"]) == ("whale", 75, 4)
    assert found("one_guest", billed=revenue(14, 6, 3)) == [], "70 % are not above 70 %"
    assert found("one_guest", billed=revenue(13, 6, 3)) == [], "too few sessions to speak of a share"


def test_a_beginner_with_one_loyal_guest_is_left_alone() -> None:
    assert found("one_guest", billed=revenue(40, 0, 1)) == []
    assert found("one_guest", billed=revenue(40, 2, 2)) == []


def test_free_time_counts_as_earnings() -> None:
    free: dict[str, Any] = {"charged_minor": 0, "promotion_minor": 9_000}
    cards = [saved(T0 - HOUR, "x", who) for who in (GUS, PIA)]
    assert len(found("shared_card", saved=cards, billed=[billed(T0, **free)])) == 1
    seen = [sighting(T0 - HOUR, who, "device", "x") for who in (GUS, PIA)]
    visits = [billed(T0 + n * HOUR, **free) for n in range(2)]
    assert found("shared_device", sightings=seen, billed=visits)
    whale = [billed(T0 + n * HOUR, "whale" if n < 15 else f"g{n % 3}", **free) for n in range(21)]
    assert found("one_guest", billed=whale)


def test_a_practitioner_who_earns_by_free_time_alone_is_looked_at() -> None:
    free = [billed(T0 + n * HOUR, f"g{n}", charged_minor=750, promotion_minor=3_000) for n in range(8)]
    [finding] = found("promotions_share", billed=free)
    assert (finding.mode, finding.facts["share"], finding.facts["count"]) == ("live", 80, 8)
    assert found("promotions_share", billed=free[:7]) == []
    assert found("promotions_share", billed=[*free[:7], billed(T0 + 8 * HOUR)]) == []


def test_currencies_are_not_added_up() -> None:
    mixed = [
        billed(T0 + n * HOUR, "whale" if n % 2 else f"g{n % 4}", currency="usd" if n % 2 else "jpy")
        for n in range(30)
    ]
    assert found("one_guest", billed=mixed) == []


def test_silent_sessions_are_only_counted() -> None:
    silent = [billed(T0 + n * HOUR, practitioner_spoke=False) for n in range(10)]
    [finding] = found("silent_sessions", billed=silent)
    assert (finding.mode, finding.facts["silent"]) == ("shadow", 10)
    assert found("silent_sessions", billed=silent[1:]) == []
    spoken = [billed(T0 + (20 + n) * HOUR) for n in range(10)]
    assert found("silent_sessions", billed=[*spoken, *[billed(T0 + n) for n in range(10)]]) == []
    short = [billed(T0 + n, billed_ms=29 * MINUTE, guest_spoke=False) for n in range(20)]
    assert found("silent_sessions", billed=short) == []


def unseen(provider: Sequence[tuple[int, int]] | None) -> bool:
    span = (T0, T0 + 40 * MINUTE)
    told = None if provider is None else tuple(provider)
    return bool(found("unseen_minutes", billed=[billed(T0 + DAY, billed=(span,), provider=told)]))


def test_billed_time_that_the_provider_did_not_see() -> None:
    assert not unseen(None)
    assert not unseen([(T0, T0 + 40 * MINUTE)])
    assert not unseen([(T0 - HOUR, T0 + 20 * MINUTE), (T0 + 24 * MINUTE - 1, T0 + HOUR)])
    assert unseen([(T0 - HOUR, T0 + 20 * MINUTE), (T0 + 24 * MINUTE, T0 + HOUR)])
    assert unseen([])


def test_an_unusual_share_of_disputes() -> None:
    charges = [billed(T0 + n * HOUR) for n in range(100)]
    three = [disputed(T0 + n * HOUR) for n in (97, 98, 99)]
    [finding] = found("disputes_share", billed=charges, disputed=three)
    assert (finding.facts["disputes"], finding.facts["of"]) == (3, 100)
    assert found("disputes_share", billed=charges, disputed=three[1:]) == [], "two happen to anybody"
    assert found("disputes_share", billed=[billed(T0 - HOUR), *charges], disputed=three) == []


def test_payouts_sent_elsewhere_after_a_new_browser() -> None:
    known = [sighting(T0 - n * DAY, PIA, "browser", "old") for n in (4, 10, 20)]
    new = sighting(T0 - HOUR, PIA, "browser", "new")
    [finding] = found("payout_moved", moved=[moved(T0)], sightings=[*known, new])
    assert (finding.subject, finding.facts) == (PIA, {"after_minutes": 60})
    assert found("payout_moved", moved=[moved(T0)], sightings=known) == []
    assert found("payout_moved", moved=[moved(T0)], sightings=[new]) == [], "the first browser is no new one"
    assert found("payout_moved", moved=[moved(T0 + 72 * HOUR)], sightings=[*known, new]) == []
    elsewhere = sighting(T0 - HOUR, PIA, "network", "new")
    assert found("payout_moved", moved=[moved(T0)], sightings=[*known, elsewhere]) == []


def test_a_browser_known_under_last_months_key_is_not_new() -> None:
    known = [sighting(T0 - 10 * DAY, PIA, "browser", "october", "september")]
    same = sighting(T0 - HOUR, PIA, "browser", "november", "october")
    assert found("payout_moved", moved=[moved(T0)], sightings=[*known, same]) == []
