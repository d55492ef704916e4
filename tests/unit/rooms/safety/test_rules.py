"""What the rules decide when several fire, and what they see beyond one message."""

from typing import get_args

import msgspec
import pytest

from config import moderation
from hub.safety import rules
from rooms.safety import detectors
from rooms.safety.book import Book, Options, Rule
from rooms.safety.rules import BadRule, Rules
from rooms.safety.verdict import Category, Verdict
from rooms.safety.window import AGE_MS, MESSAGES, Window
from tests.unit.rooms.safety.labelled import book, judged

OPTIONS = Options(("FR", "US"), ("116 123",), ("allinya.com",), ("com", "fr"), ("bit.ly",), 5, 10, 3, 60)


def rule(name: str, **changes: object) -> Rule:
    plain = Rule(id=name, version="1", category=Category.HARASSMENT, severity="low", action="flag")
    return msgspec.structs.replace(plain, **changes)


def check(text: str, *written: Rule, window: Window | None = None, now_ms: int = 0) -> Verdict:
    made = Rules.of(Book("1.0", OPTIONS, written))
    return made.check(text, window or Window(), now_ms=now_ms)


def test_the_strictest_decides_and_the_others_are_told() -> None:
    mild, strict = rule("a.mild", terms=("bad",)), rule("a.strict", terms=("worse",), action="hold")
    verdict = check("bad and worse", mild, strict)
    assert (verdict.action, verdict.finding and verdict.finding.rule) == ("hold", "a.strict")
    assert [finding.rule for finding in verdict.also] == ["a.mild"]


def test_among_equals_the_graver_and_then_the_first_decides() -> None:
    first, second = rule("a.first", terms=("bad",)), rule("a.second", terms=("bad",))
    graver = rule("a.graver", terms=("bad",), severity="high")
    assert check("bad", first, second).finding == check("bad", first).finding
    verdict = check("bad", first, graver)
    assert verdict.finding is not None
    assert verdict.finding.rule == "a.graver"


def test_a_rule_on_trial_decides_nothing() -> None:
    verdict = check("so bad", rule("a.trial", terms=("bad",), action="block", mode="shadow"))
    assert (verdict.action, verdict.finding) == ("allow", None)
    [finding] = verdict.shadow
    assert (finding.rule, finding.action, finding.start, finding.end) == ("a.trial", "block", 3, 6)


def test_a_card_on_trial_is_not_masked() -> None:
    card = rule("card", detector="card", category=Category.CARD_NUMBER, mode="shadow")
    assert not check("4242 4242 4242 4242", card).masked


def test_a_cry_for_help_is_not_held_for_the_number_in_it() -> None:
    verdict = judged(book(), ("I want to kill myself, please call me on 415 555 2671",))
    assert verdict.action == "flag"
    assert verdict.finding is not None
    assert verdict.finding.category is Category.DISTRESS
    assert {finding.category for finding in verdict.also} == {Category.CONTACT}


def test_a_threat_is_held_and_the_distress_in_it_is_told() -> None:
    verdict = judged(book(), ("I'm going to kill you and then I'll kill myself",))
    assert (verdict.action, verdict.finding and verdict.finding.category) == ("hold", Category.VIOLENCE)
    assert Category.DISTRESS in {finding.category for finding in verdict.also}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("pay with 4242 4242 4242 4242 ok", "pay with •••• •••• •••• 4242 ok"),
        ("4\u200b242424242424242", "•\u200b•••••••••••4242"),
        ("\uff14\uff12" * 8, "•" * 12 + "\uff14\uff12" * 2),
        ("4242424242424242 4000056655665556", "••••••••••••4242 ••••••••••••5556"),
    ],
)
def test_cards_are_masked_to_their_last_four_digits(given: str, kept: str) -> None:
    verdict = judged(book(), (given,))
    assert (verdict.action, verdict.masked, verdict.text) == ("flag", True, kept)


def test_the_rest_of_a_text_stays_as_it_was_given() -> None:
    given = "\uff26\uff55ll w\uff49dth, \u041a\u0438\u0440\u0438\u043b\u043b\u0438\u0446\u0430, za\u0337lgo"
    assert judged(book(), (given,)).text == given


def test_the_finding_lies_in_the_message_that_completes_the_number() -> None:
    verdict = judged(book(), ("my number is", "415", "555", "ok 2671"))
    assert verdict.finding is not None
    assert (verdict.finding.start, verdict.finding.end) == (3, 7)


def test_what_was_said_long_ago_completes_nothing() -> None:
    window = Window()
    for at_ms, text in enumerate(["06 12", "34 56"]):
        window.add(text, at_ms)
    assert book().check("78", window, now_ms=5_000).action == "hold"
    assert book().check("78", window, now_ms=AGE_MS + 5_000).action == "allow"


def test_checking_changes_nothing() -> None:
    window = Window()
    for at_ms in range(3):
        window.add("come and see my offer", at_ms)
    first = book().check("come and see my offer", window, now_ms=4)
    assert first == book().check("come and see my offer", window, now_ms=4)
    assert first.finding is not None
    assert first.finding.rule == "spam.repeated"


def test_a_flood_is_told_of_once() -> None:
    window, told = Window(), 0
    for at_ms in range(40):
        flood = rule("spam.flood", detector="flood", category=Category.SPAM)
        told += check(f"word {at_ms}", flood, window=window, now_ms=at_ms).action == "flag"
        window.add(f"word {at_ms}", at_ms)
    assert told == 1


def test_a_window_is_bounded() -> None:
    window = Window()
    for at_ms in range(100):
        window.add("x" * 10_000, at_ms)
    assert len(window) == MESSAGES
    window.add("late", AGE_MS + 1_000)
    assert len(window) == 1


def test_links_to_our_own_hosts_pass() -> None:
    ours = rules.load(hosts=["hub.example.com"])
    assert ours.check("https://hub.example.com/s/1", Window(), now_ms=0).action == "allow"
    assert ours.check("https://hub.example.com@evil.com/", Window(), now_ms=0).action == "block"
    assert ours.check("https://hub.example.com.evil.com/", Window(), now_ms=0).action == "hold"


@pytest.mark.parametrize("line", ["", "...", "(a|b", "(|)"])
def test_a_line_that_cannot_be_a_term_names_its_rule(line: str) -> None:
    with pytest.raises(BadRule, match=r"rule a\.bad: "):
        check("text", rule("a.bad", terms=(line,)))


def test_settings_and_rules_know_the_same_words() -> None:
    assert set(get_args(moderation.Category)) == {category.value for category in Category}
    assert set(get_args(moderation.Detector)) == set(detectors.DETECTORS)
