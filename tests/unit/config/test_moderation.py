"""A rule book is read whole or not at all, and what is wrong with it is said by file, rule and key."""

import re
import shutil
from pathlib import Path

import pytest

from config import moderation
from config.moderation import BookError
from hub.safety.rules import FOLDER


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The hub's own book, to be spoilt."""
    return Path(shutil.copytree(FOLDER, tmp_path / "book"))


def edit(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text("utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1), "utf-8")


def problems(folder: Path) -> list[str]:
    with pytest.raises(BookError) as error:
        moderation.read(folder)
    assert all(problem in str(error.value) for problem in error.value.problems)
    return error.value.problems


def test_the_book_that_comes_with_the_hub_is_fit() -> None:
    book = moderation.read(FOLDER)
    assert len({rule.id for rule in book.rules}) == len(book.rules) > 15
    assert len(book.help) >= 25
    assert all(lines for lines in (*book.help.values(), book.help_everywhere))
    assert {"988", "3114", "116 123"} <= set(book.options.allowed_phones)


CONTACT, PHONE = "rules/contact.toml", "rules/contact.toml: rule contact.phone: "
BOTH = 'languages = ["en", "fr"]'
WRONG = [
    (CONTACT, 'detector = "phone"', 'detector = "fone"', f"{PHONE}.*detector"),
    (CONTACT, 'detector = "phone"', 'detektor = "phone"', f"{PHONE}.*detektor"),
    (CONTACT, 'severity = "medium"', 'severity = "huge"', f"{PHONE}.*severity"),
    (CONTACT, 'on_timeout = "reject"\n', "", f"{PHONE}on_timeout: "),
    (CONTACT, 'detector = "phone"', "", f"{PHONE}detector, list: "),
    (CONTACT, 'id = "contact.email"', 'id = "contact.phone"', "rule contact.phone: there are two"),
    (CONTACT, BOTH, 'languages = ["en", "xx"]', "rule contact.ask: languages: .*contact.xx.txt"),
    (CONTACT, BOTH, 'languages = ["en"]', "terms/contact.fr.txt: no rule reads it"),
    ("rules/distress.toml", '"flag"', '"hold"\non_timeout = "reject"', "rule distress.intent: action: "),
    ("rules/spam.toml", "[[rule]]", "[[rule]", "rules/spam.toml: is no TOML"),
    ("book.toml", 'version = "1.0"', 'version = "one"', "book.toml: .*version"),
    ("book.toml", "flood_messages = 14", "flood_messages = 0", "book.toml: .*flood_messages"),
    ("book.toml", "flood_messages = 14", "flood = 14", "book.toml: .*`flood"),
    ("help.toml", 'url = "https://988lifeline.org"', 'url = "javascript:x"', "help.toml: .*url"),
    ("help.toml", "[[country.US]]", "[[country.USA]]", "help.toml: "),
]


@pytest.mark.parametrize(("name", "old", "new", "problem"), WRONG)
def test_what_is_wrong_is_said(folder: Path, name: str, old: str, new: str, problem: str) -> None:
    edit(folder, name, old, new)
    assert any(re.search(problem, said) for said in problems(folder)), problems(folder)


def test_everything_that_is_wrong_is_said_at_once(folder: Path) -> None:
    edit(folder, "book.toml", 'version = "1.0"', "")
    (folder / "help.toml").unlink()
    (folder / "terms" / "stray.en.txt").write_text("stray\n")
    said = problems(folder)
    assert len(said) >= 3
    assert "help.toml: is missing" in said


def test_a_rule_that_is_off_is_left_out(folder: Path) -> None:
    edit(folder, "rules/spam.toml", 'action = "flag"', 'action = "flag"\nmode = "off"')
    assert "spam.flood" not in {rule.id for rule in moderation.read(folder).rules}


def test_lines_are_terms_and_comments_are_not(folder: Path) -> None:
    (folder / "terms" / "scam.en.txt").write_text("# why\n\n  pay the witch  \n", "utf-8")
    [rule] = [rule for rule in moderation.read(folder).rules if rule.id == "scam.fear"]
    assert "pay the witch" in rule.terms
    assert not any(line.startswith("#") or not line for line in rule.terms)
