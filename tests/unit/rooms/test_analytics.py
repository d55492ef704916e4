from typing import Any

import pytest

from rooms import analytics


@pytest.mark.parametrize(
    ("name", "props"),
    [
        ("app_opened", {}),
        ("app_opened", {"device": "phone", "os": "ios", "os_major": 17}),
        ("page_viewed", {"page": "receipt"}),
        ("call_quality", {"quality": "poor", "os_major": 0}),
    ],
)
def test_what_is_on_the_list_is_counted(name: str, props: dict[str, Any]) -> None:
    analytics.check(name, props)


@pytest.mark.parametrize(
    ("name", "props", "field"),
    [
        ("keystroke", {}, "name"),
        ("", {}, "name"),
        ("app_opened", {"page": "receipt"}, "props"),
        ("app_opened", {"ip": "10.0.0.1"}, "props"),
        ("app_opened", {"device": "Pixel 8 of Ada"}, "props.device"),
        ("app_opened", {"device": None}, "props.device"),
        ("app_opened", {"device": ["phone"]}, "props.device"),
        ("app_opened", {"os_major": True}, "props.os_major"),
        ("app_opened", {"os_major": 17.0}, "props.os_major"),
        ("app_opened", {"os_major": "17"}, "props.os_major"),
        ("app_opened", {"os_major": -1}, "props.os_major"),
        ("app_opened", {"os_major": 100}, "props.os_major"),
        ("page_viewed", {"page": "https://example.com/?q=me"}, "props.page"),
    ],
)
def test_what_is_not_on_the_list_is_refused(name: str, props: dict[str, Any], field: str) -> None:
    with pytest.raises(analytics.UnfitEvent) as refused:
        analytics.check(name, props)
    assert refused.value.field == field


def test_no_event_takes_free_text() -> None:
    for props in analytics.EVENTS.values():
        for allowed in props.values():
            assert len(allowed) <= 100


def test_weeks_begin_on_monday() -> None:
    monday_ms = 1_784_505_600_000  # 2026-07-20
    week = analytics.week(monday_ms)
    assert analytics.week(monday_ms - 1) == week - 1
    assert analytics.week(monday_ms + 7 * 86_400_000 - 1) == week
    assert analytics.week_from_ms(week) == monday_ms
