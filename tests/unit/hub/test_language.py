"""Which language a connection is spoken to in."""

import pytest

from hub.edge.language import spoken

FIREFOX = "fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5"


@pytest.mark.parametrize(
    ("asked", "accepted", "language", "region"),
    [
        (None, "", "en", None),
        ("fr", "", "fr", None),
        ("fr-CA", "en-US", "fr", "CA"),
        ("FR-be", "", "fr", "BE"),
        ("zh-Hant-TW", "", "en", "TW"),
        ("zh-Hant-TW", "de, fr;q=0.3", "fr", "TW"),
        (None, FIREFOX, "fr", "CH"),
        (None, "de-DE,en;q=0.1,fr;q=0.9", "fr", "DE"),
        (None, "fr;q=0, en", "en", None),
        (None, "fr;q=high, en-GB;q=0.1", "en", "GB"),
        (7, "fr", "fr", None),
        ({"fr": 1}, "", "en", None),
        ("x" * 10_000, "fr", "fr", None),
        ("", "fr", "fr", None),
        (None, "f" * 100_000, "en", None),
        (None, "," * 50 + "fr", "en", None),
        (None, "fr;q=1e999, en", "en", None),
        (None, "fr-²²", "fr", None),
    ],
)
def test_the_clients_wish_counts_before_its_browsers(
    asked: object, accepted: str, language: str, region: str | None
) -> None:
    assert spoken(asked, accepted) == (language, region)
