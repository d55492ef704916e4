"""Periods: those that come with the hub, and what a file of one's own may not say."""

from collections.abc import Callable
from pathlib import Path

import pytest

from config.retention import FILE, LEAST_DAYS, chosen, periods
from config.settings import SettingsError
from store.privacy.registry import load

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> str:
        path = tmp_path / "periods.toml"
        path.write_text(text)
        return str(path)

    return written


def test_those_that_come_with_it_are_whole() -> None:
    registry = load()
    used = {table.retention for table in registry.tables.values()}
    used |= {family.retention for family in registry.families.values()}
    assert periods().keys() == used
    for name, least in LEAST_DAYS.items():
        assert (periods()[name].days or 0) >= least
    assert periods()["books"].days == 3_650


def test_a_file_of_ones_own_takes_their_place(write: Write) -> None:
    text = FILE.read_text().replace("days = 730\nhidden_days = 30", "days = 365\nhidden_days = 7")
    found = chosen(write(text))
    assert (found["transcripts"].days, found["transcripts"].hidden_days) == (365, 7)
    assert found["books"] == periods()["books"]
    assert chosen(None) is periods()


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("days = 3650", "days = 3649", "books is kept for 3650 days at least"),
        ("days = 3650\n", 'ends = "moment"\n', "books is kept for 3650 days at least"),
        ("[transcripts]", "[transcript]", "transcripts is missing; transcript is no such kind"),
        ('ends = "account"', 'ends = "never"', "account ends as it does"),
        ('ends = "never"', "days = 10", "audit ends as it does"),
        ("days = 730", 'days = 730\nends = "never"', "transcripts has either days or what ends it"),
        ("days = 730\nhidden_days = 30\n", "", "transcripts has either days or what ends it"),
        ("hidden_days = 30", "hidden_days = 91", "hidden_days"),
        ("hidden_days = 30", "forgotten_days = 30", "forgotten_days"),
        ("days = 730", "days = 0", "days"),
        ("days = 730", "days = true", "days"),
        ("[books]", "[books", "periods.toml"),
    ],
)
def test_what_it_may_not_say_is_named(write: Write, before: str, after: str, problem: str) -> None:
    text = FILE.read_text()
    assert before in text
    with pytest.raises(SettingsError, match="RETENTION_FILE") as raised:
        chosen(write(text.replace(before, after, 1)))
    assert problem in str(raised.value)


def test_a_file_that_is_not_there_or_too_large_is_named(write: Write) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        chosen("/nowhere/periods.toml")
    with pytest.raises(SettingsError, match="larger than 64 KiB"):
        chosen(write("#" * 70_000))
