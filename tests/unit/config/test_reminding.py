"""When people are reminded, as the settings say it."""

import pytest

from config.reminding import leads, quiet_hours


def test_leads() -> None:
    assert leads("600, 86400,3600") == (86_400, 3_600, 600)
    assert leads("none") == ()


@pytest.mark.parametrize(
    "text", ["", "600,600", "10", "a", "-600", "604801", "600,,3600", "1,2,3,4,5,6", "٦٠٠,x"]
)
def test_no_leads(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        leads(text)


def test_quiet_hours() -> None:
    assert quiet_hours("21-8") == (21, 8)
    assert quiet_hours("0-0") == (0, 0)


@pytest.mark.parametrize("text", ["", "21", "21-24", "-8", "a-b", "21-8-9"])
def test_no_quiet_hours(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        quiet_hours(text)
