"""The file of thresholds: what comes with the hub is fit, and a bad one names every bad key."""

from pathlib import Path
from typing import Any

import pytest

from billing import fraud_file
from billing.fraud_file import BadRules
from billing.fraud_rules import KINDS
from config import fraud
from config.settings import SettingsError
from hub.money import fraud_rules


def parsed(**changes: Any) -> dict[str, Any]:
    return {**fraud.read(None), **changes}


def problems(file: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(BadRules) as caught:
        fraud_file.rules(file, KINDS)
    return caught.value.problems


def test_what_comes_with_the_hub_has_every_rule() -> None:
    rules = fraud_rules.load(None)
    assert rules.rules.keys() == KINDS.keys()
    assert {rule.mode for rule in rules.rules.values()} == {"live", "shadow"}


def test_every_bad_key_is_named() -> None:
    file = parsed(wrong={}, version="1", review_at=True, shared_card="live")
    del file["one_guest"]
    file["declines_person"] = {"mode": "loud", "hours": 0, "weight": 2.5, "percent": 3}
    assert problems(file).keys() == {
        "wrong", "version", "review_at", "shared_card", "one_guest", "declines_person.mode",
        "declines_person.hours", "declines_person.weight", "declines_person.threshold",
        "declines_person.percent",
    }  # fmt: skip


def test_a_window_is_not_longer_than_facts_are_kept() -> None:
    longer = {**parsed()["disputes_share"], "hours": 2161}
    assert problems(parsed(disputes_share=longer)).keys() == {"disputes_share.hours"}


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"version = ", "is no TOML"),
        (b"\xff", "is no TOML"),
        (b"#" * 70_000, "is larger"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, content: bytes | None, named: str) -> None:
    path = tmp_path / "rules.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=named) as caught:
        fraud_rules.load(str(path))
    assert caught.value.problems.keys() == {"FRAUD_RULES"}


def test_a_bad_number_is_named_with_its_rule(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(fraud.DEFAULT.read_text().replace("percent = 70", "percent = 700"))
    with pytest.raises(SettingsError) as caught:
        fraud_rules.load(str(path))
    assert caught.value.problems == {"FRAUD_RULES one_guest.percent": "must be a whole number from 1 to 100"}
