"""Which case comes first, and who may take it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms import queue
from rooms.ids import UserId
from rooms.queue import Claim, Closed, OwnCase, Severity, Stale, Taken

T0 = 1_790_000_000_000
LEASE_MS = 120_000
ANN, BEN = UserId("ann"), UserId("ben")
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")


def take(now: Claim, who: UserId, version: int, now_ms: int = T0) -> Claim:
    return queue.claim(now, who, version=version, lease_ms=LEASE_MS, now_ms=now_ms)


def test_what_is_graver_waits_shorter() -> None:
    due = [queue.due_by_ms(severity, created_at_ms=T0) for severity in SEVERITIES]
    assert due == sorted(due, reverse=True)
    assert due[-1] == T0


def test_what_is_old_comes_before_what_is_grave_and_new() -> None:
    old = queue.due_by_ms("low", created_at_ms=T0 - 5 * 3_600_000)
    assert old < queue.due_by_ms("high", created_at_ms=T0)


@given(st.lists(st.floats(0, 1), max_size=20), st.floats(0, 1))
def test_each_report_shortens_the_wait_and_none_skips_it(worths: list[float], more: float) -> None:
    before = queue.due_by_ms("medium", created_at_ms=T0, accuracies=worths)
    after = queue.due_by_ms("medium", created_at_ms=T0, accuracies=[*worths, more])
    assert T0 < after <= before


def test_a_word_is_worth_what_came_of_it() -> None:
    stranger = queue.accuracy(upheld=0, decided=0)
    assert stranger == 0.5
    assert queue.accuracy(upheld=0, decided=10) < stranger < queue.accuracy(upheld=10, decided=10)
    # One report more or less decides little.
    assert 0.3 < queue.accuracy(upheld=0, decided=1) < queue.accuracy(upheld=1, decided=1) < 0.7


def test_taking_a_case() -> None:
    taken = take(Claim(1, "open"), ANN, 1)
    assert taken == Claim(2, "claimed", ANN, T0 + LEASE_MS)


def test_taking_it_again_renews_it_and_changes_no_version() -> None:
    taken = take(Claim(1, "open"), ANN, 1)
    for version in (1, 2):
        again = take(taken, ANN, version, T0 + 1_000)
        assert again == Claim(2, "claimed", ANN, T0 + 1_000 + LEASE_MS)


def test_a_renewal_never_shortens() -> None:
    taken = take(Claim(1, "open"), ANN, 1)
    assert take(taken, ANN, 2, T0 - 60_000) == taken


def test_nobody_else_takes_it_before_the_lease_is_over() -> None:
    taken = take(Claim(1, "open"), ANN, 1)
    with pytest.raises(Taken):
        take(taken, BEN, 2, T0 + LEASE_MS - 1)
    assert take(taken, BEN, 2, T0 + LEASE_MS).by == BEN


def test_who_lost_it_cannot_renew_it_by_an_old_version() -> None:
    taken_over = take(take(Claim(1, "open"), ANN, 1), BEN, 2, T0 + LEASE_MS)
    with pytest.raises(Taken):
        take(taken_over, ANN, 2, T0 + LEASE_MS + 1)


def test_an_old_version_is_stale() -> None:
    with pytest.raises(Stale):
        take(Claim(5, "open"), ANN, 4)


@pytest.mark.parametrize("status", ["resolved", "dismissed"])
def test_what_is_decided_is_closed(status: queue.FlagStatus) -> None:
    with pytest.raises(Closed):
        take(Claim(3, status), ANN, 3)


def test_nobody_looks_into_their_own_case() -> None:
    queue.require_foreign([ANN], BEN)
    with pytest.raises(OwnCase):
        queue.require_foreign([ANN, BEN], BEN)


@given(
    st.lists(st.tuples(st.sampled_from([ANN, BEN]), st.integers(1, 6), st.integers(0, 400_000)), max_size=30)
)
def test_at_any_moment_one_moderator_has_it(steps: list[tuple[UserId, int, int]]) -> None:
    now, clock = Claim(1, "open"), T0
    for who, version, passed_ms in steps:
        clock += passed_ms
        before = now
        try:
            now = take(now, who, version, clock)
        except (Stale, Taken):
            continue
        assert now.by == who
        assert not before.held(clock) or before.by == who
        assert now.version - before.version in (0, 1)
