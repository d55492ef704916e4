"""Marks of browsers and networks: comparable for a month or two, useless without the key."""

from datetime import UTC, datetime

import pytest

from store.privacy.marks import Caller, Marks

MARKS = Marks(bytes(range(32)))
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def marked(caller: Caller, when: str, marks: Marks = MARKS) -> dict[str, tuple[str, str]]:
    return {kind: (mark, before) for kind, mark, before in marks.of(caller, at_ms=at(when))}


def caller(address: str = "8.8.8.8", agent: str = AGENT, languages: str = "en") -> Caller:
    return Caller(address, agent, languages)


def test_nothing_of_the_caller_is_in_a_mark() -> None:
    told = str(marked(caller(), "2026-11-24"))
    assert "8.8" not in told
    assert "Firefox" not in told
    assert set(marked(caller(), "2026-11-24")) == {"browser", "network", "device"}
    assert len({mark for pair in marked(caller(), "2026-11-24").values() for mark in pair}) == 6


def test_another_key_makes_other_marks() -> None:
    assert marked(caller(), "2026-11-24") != marked(caller(), "2026-11-24", Marks(bytes(32)))


def test_the_key_rotates_with_the_month_and_one_month_back_can_be_compared() -> None:
    october, november = marked(caller(), "2026-10-31T23:59:59"), marked(caller(), "2026-11-01")
    january = marked(caller(), "2027-01-01")
    for kind, (mark, before) in november.items():
        assert before == october[kind][0]
        assert mark != before
        assert not {mark, before} & set(january[kind])
    assert marked(caller(), "2027-01-31")["browser"][1] == marked(caller(), "2026-12-01")["browser"][0]


def test_a_browser_that_was_updated_is_the_same() -> None:
    newer = marked(caller(agent=AGENT.replace("130", "131")), "2026-11-24")
    assert newer == marked(caller(), "2026-11-24")
    assert marked(caller(agent="curl/8"), "2026-11-24")["browser"] != newer["browser"]
    assert marked(caller(languages="fr"), "2026-11-24")["device"] != newer["device"]


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "::1", "192.168.0.9", "", "unix", "fe80::1", "::ffff:10.0.0.1"]
)
def test_addresses_that_tell_nothing_are_not_marked(address: str) -> None:
    assert set(marked(caller(address), "2026-11-24")) == {"browser"}


def test_one_subscriber_of_ipv6_is_one_network() -> None:
    one, other = (marked(caller(f"2a00:1450:4001:81{n}::{n}5"), "2026-11-24")["network"] for n in (1, 2))
    same = marked(caller("2a00:1450:4001:811:ffff::9"), "2026-11-24")["network"]
    assert one == same
    assert one != other
    assert marked(caller("::ffff:8.8.8.8"), "2026-11-24") == marked(caller(), "2026-11-24")
