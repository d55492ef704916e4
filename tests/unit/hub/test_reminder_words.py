"""Reminders fit into one message, whatever the names and places are, and say when in their reader's time."""

import string
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.reminding import wording
from hub.words import LANGUAGES, WORDS, Language
from rooms.ids import UserId
from rooms.texting import PLACES, places
from store.postgres.reminders import Known

URL = "https://app.allinya.example"
PARIS = (ZoneInfo("Europe/Paris"),)
REMINDER = "0199f0a0-0000-7000-8000-000000000001"
STARTS_MS = int(datetime(2027, 3, 3, 17, 0, tzinfo=UTC).timestamp() * 1000)


def known(*, name: str = "Maya Lefèvre", language: Language = "en", hosts: bool = False) -> Known:
    return Known(
        600, STARTS_MS, "booked", STARTS_MS, "+33612345678", "FR", language, hosts, UserId("h"), name, None,
        True, False,
    )  # fmt: skip


def test_in_english_and_french() -> None:
    ref = wording.ref(REMINDER)
    assert wording.reminder(known(), PARIS, REMINDER, url=URL) == (
        f"Allinya: session with Maya Lefèvre on Wed 3 March at 18:00 (Paris). {URL} Ref {ref}."
        " Reply STOP to opt out"
    )
    assert wording.reminder(known(language="fr"), PARIS, REMINDER, url=URL) == (
        f"Allinya : séance avec Maya Lefèvre mer. 3 mars à 18:00 (Paris). {URL} Réf {ref}. STOP : plus de SMS"
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_practitioner_reads_no_guests_name(language: Language) -> None:
    told = wording.reminder(known(hosts=True, language=language), PARIS, REMINDER, url=URL)
    assert "Maya" not in told
    assert "{" not in told


@given(
    name=st.text(max_size=80),
    language=st.sampled_from(LANGUAGES),
    hosts=st.booleans(),
    zone=st.sampled_from(["Europe/Paris", "America/Argentina/ComodRivadavia", "Pacific/Port_Moresby"]),
    at_ms=st.integers(1_767_225_600_000, 1_893_456_000_000),
)
def test_always_one_message(name: str, language: Language, hosts: bool, zone: str, at_ms: int) -> None:
    told = Known(
        600, at_ms, "booked", at_ms, None, None, language, hosts, UserId("h"), name, None, True, False
    )  # fmt: skip
    count = places(wording.reminder(told, (ZoneInfo(zone),), REMINDER, url=URL))
    assert count is not None
    assert count <= PLACES


def test_where_clocks_may_differ_it_is_utc() -> None:
    several = (ZoneInfo("America/New_York"), *PARIS)
    assert wording.when(STARTS_MS, several, "en") == "Wed 3 March at 17:00 (UTC)"
    alike = (ZoneInfo("Europe/Berlin"), *PARIS)
    assert wording.when(STARTS_MS, alike, "en") == "Wed 3 March at 18:00 (Berlin)"


def test_references_differ() -> None:
    assert len({wording.ref(f"{REMINDER}{n}") for n in range(1_000)}) == 1_000


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_are_whole_in_every_language(language: Language) -> None:
    texts, english = WORDS[language].texts, WORDS["en"].texts
    assert texts.keys() == english.keys()
    for code, sentence in texts.items():
        there = {name for _, name, _, _ in string.Formatter().parse(sentence) if name}
        assert there == {name for _, name, _, _ in string.Formatter().parse(english[code]) if name}, code
        assert places(sentence.format_map(dict.fromkeys(there, ""))) is not None, code
    assert len(texts["weekdays"].split()) == 7
    assert len(texts["months"].split()) == 12
