"""The rules find what they are for, and leave healing talk alone."""

from collections import Counter

import pytest

from tests.unit.rooms.safety.labelled import HELD_OUT, ORDINARY, TUNED, Figures, figures, lines

PRECISION = 0.95
RECALL = 0.9
RECALL_IN_DISTRESS = 0.95
UNSEEN_RECALL = 0.7


@pytest.fixture(scope="module")
def tuned() -> Figures:
    return figures(*TUNED)


def test_the_corpus_is_large_and_speaks_both_languages() -> None:
    everything = list(lines(*TUNED, *HELD_OUT))
    languages = Counter(line.language for line in everything)
    assert len(everything) >= 500
    assert languages["fr"] / len(everything) >= 0.38
    assert len(list(lines(*HELD_OUT))) / len(everything) >= 0.19
    assert sum(line.label == ORDINARY for line in everything) >= 250


def test_what_is_found_is_what_it_is(tuned: Figures) -> None:
    print(tuned.table("tuned on"))
    assert tuned.overall_precision() >= PRECISION, tuned.wrong


def test_every_category_is_found(tuned: Figures) -> None:
    recall = {label: tuned.recall(label) for label in tuned.wanted}
    assert all(share >= RECALL for share in recall.values()), tuned.wrong
    assert recall["distress"] >= RECALL_IN_DISTRESS, tuned.wrong


def test_what_was_never_tuned_on_is_told_apart_as_well() -> None:
    unseen = figures(*HELD_OUT)
    print(unseen.table("held out"))
    assert unseen.overall_precision() >= PRECISION
    assert unseen.recall(ORDINARY) >= PRECISION
    # People say it in more ways than any list has: what nobody thought of is found less often.
    assert all(unseen.recall(label) >= UNSEEN_RECALL for label in unseen.wanted)
