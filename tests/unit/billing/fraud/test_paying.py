"""Card testing and accounts in a hurry: each rule at its edge, one step before it, and spread out in time."""

from tests.unit.billing.fraud.scene import (
    DAY,
    GUS,
    HOUR,
    MINUTE,
    T0,
    asked,
    decline,
    found,
    saved,
    sighting,
    text,
)


def test_one_person_declined_again_and_again() -> None:
    six = [decline(T0 + n * HOUR) for n in range(6)]
    [finding] = found("declines_person", declined=six)
    assert (finding.subject_kind, finding.subject, finding.at_ms) == ("person", GUS, T0 + 5 * HOUR)
    assert finding.reason == "6 declined payments within 24 hours"
    assert finding.facts["sessions"] == [one.session_id for one in six]
    assert found("declines_person", declined=six[:5]) == []


def test_declines_that_are_far_apart_are_bad_luck() -> None:
    assert found("declines_person", declined=[decline(T0 + n * 5 * HOUR) for n in range(20)]) == []


def test_the_window_ends_exactly() -> None:
    five = [decline(T0 + n) for n in range(5)]
    assert found("declines_person", declined=[*five, decline(T0 + DAY - 1)])
    assert found("declines_person", declined=[*five, decline(T0 + DAY)]) == []


def test_a_subject_has_one_finding_a_window() -> None:
    # Windows are counted from 1970; this one begins at a whole day.
    begin = T0 - T0 % DAY
    many = [decline(begin + n * MINUTE) for n in range(60)]
    [finding] = found("declines_person", declined=many)
    assert (finding.window_no, finding.at_ms) == (begin // DAY, begin + 5 * MINUTE)
    next_day = [decline(begin + 26 * HOUR + n * MINUTE) for n in range(6)]
    assert len(found("declines_person", declined=[*many, *next_day])) == 2


def test_one_card_declined_on_several_accounts() -> None:
    declined = [decline(T0 + n, guest=f"g{n % 2}") for n in range(6)]
    [finding] = found("declines_card", declined=declined)
    assert (finding.subject_kind, finding.subject, finding.facts["people"]) == ("card", "fp", ["g0", "g1"])
    assert found("declines_card", declined=[decline(T0 + n) for n in range(6)]) == [], "one account only"
    unknown = [decline(T0 + n, guest=f"g{n}", card=None) for n in range(9)]
    assert found("declines_card", declined=unknown) == []


def test_a_network_on_which_several_are_declined() -> None:
    people = [f"g{n}" for n in range(3)]
    seen = [sighting(T0 - HOUR, person, "network", "cafe") for person in people]
    declined = [decline(T0 + n * MINUTE, guest=people[n % 3]) for n in range(10)]
    [finding] = found("declines_network", declined=declined, sightings=seen)
    assert (finding.subject, finding.facts["people"]) == ("cafe", people)
    assert found("declines_network", declined=declined[:9], sightings=seen) == []
    assert found("declines_network", declined=declined) == []
    two = [decline(T0 + n * MINUTE, guest=people[n % 2]) for n in range(10)]
    assert found("declines_network", declined=two, sightings=seen) == []
    long_ago = [sighting(T0 - 3 * DAY, person, "network", "cafe") for person in people]
    assert found("declines_network", declined=declined, sightings=long_ago) == []


def test_card_after_card_of_one_person() -> None:
    cards = [saved(T0 + n * HOUR, f"fp{n}") for n in range(4)]
    assert [one.facts for one in found("cards_person", saved=cards)] == [{"cards": 4}]
    assert found("cards_person", saved=cards[:3]) == []
    assert found("cards_person", saved=[saved(T0 + n, "fp") for n in range(9)]) == [], "the same card"


def test_card_after_card_declined_on_one_network() -> None:
    seen = [sighting(T0 - HOUR, GUS, "network", "cafe")]
    declined = [decline(T0 + n, card=f"fp{n}") for n in range(8)]
    [finding] = found("cards_network", declined=declined, sightings=seen)
    assert (finding.subject, finding.facts["cards"]) == ("cafe", 8)
    assert found("cards_network", declined=declined[:7], sightings=seen) == []


def test_one_card_on_account_after_account() -> None:
    accounts = [saved(T0 + n * DAY, "fp", f"g{n}") for n in range(4)]
    [finding] = found("accounts_card", saved=accounts)
    assert (finding.subject_kind, finding.subject, finding.facts["count"]) == ("card", "fp", 4)
    assert found("accounts_card", saved=accounts[:3]) == [], "a family"


def test_session_after_session() -> None:
    assert found("starts_person", asked=[asked(T0 + n * MINUTE) for n in range(10)])
    assert found("starts_person", asked=[asked(T0 + n * MINUTE) for n in range(9)]) == []
    assert found("starts_person", asked=[asked(T0 + n * HOUR) for n in range(30)]) == []


def test_somebody_new_with_a_high_cap() -> None:
    [finding] = found("new_account_cap", asked=[asked(T0, known_ms=10 * MINUTE, minutes=300)])
    assert finding.reason == "an account known for 10 minutes agreed to pay for up to 300 minutes"
    assert found("new_account_cap", asked=[asked(T0, known_ms=10 * MINUTE, minutes=299)]) == []
    assert found("new_account_cap", asked=[asked(T0, known_ms=DAY + 1, minutes=480)]) == []
    free = [asked(T0, known_ms=0).__class__("s", GUS, GUS, T0, 0, 0, T0)]  # type: ignore[arg-type]
    assert found("new_account_cap", asked=free) == []


def test_messages_that_pour_to_one_prefix() -> None:
    thirty = [text(T0 + n, used=n < 5) for n in range(30)]
    [finding] = found("texts_prefix", texts=thirty)
    assert (finding.subject, finding.facts) == ("+88213", {"sent": 30, "used": 5})
    assert found("texts_prefix", texts=thirty[1:]) == []
    assert found("texts_prefix", texts=[text(T0 + n, used=n < 6) for n in range(30)]) == [], "a fifth is used"
    assert found("texts_prefix", texts=[text(T0 + n, prefix=f"+{n % 2}") for n in range(58)]) == []


def test_nothing_is_said_of_subjects_whose_facts_are_not_all_there() -> None:
    six = [decline(T0 + n) for n in range(6)]
    assert found("declines_person", among={("person", GUS)}, declined=six)
    assert found("declines_person", among={("person", "eve"), ("card", GUS)}, declined=six) == []
