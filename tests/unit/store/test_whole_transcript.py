from hypothesis import given
from hypothesis import strategies as st

from store.postgres.pool import behind_transaction_pooler
from store.postgres.transcript import whole
from store.records import StoredMessage, lost_message


def said(seq: int) -> StoredMessage:
    return StoredMessage(seq, f"id{seq}", seq % 2, seq, f"c{seq}", b"sealed")


numbers = st.sets(st.integers(1, 30))


@given(numbers, numbers, st.integers(0, 30))
def test_it_is_dense_and_keeps_whatever_anyone_has(left: set[int], right: set[int], head_seq: int) -> None:
    merged = whole(map(said, left), map(said, right), head_seq=head_seq)
    assert [message.seq for message in merged] == list(range(1, max([head_seq, *left, *right]) + 1))
    assert {message.seq for message in merged if not message.lost} == left | right


@given(numbers, numbers)
def test_lost_to_one_is_not_lost(left: set[int], right: set[int]) -> None:
    merged = whole(map(lost_message, left), map(said, right))
    assert whole(map(said, right), map(lost_message, left)) == merged
    assert {message.seq for message in merged if not message.lost} == right


def test_of_nothing_there_is_nothing() -> None:
    assert whole() == []


def test_supabases_transaction_pooler_is_known_by_its_port() -> None:
    known = (
        "postgresql://hub_worker.ref:pass%406543@pooler.example:6543/postgres",
        "postgresql://u@/db?host=/tmp/s&port=6543",
        "postgresql://u:p@a.example:5432,b.example:6543/db",
    )
    others = (
        "postgresql://u:6543@db.example:5432/postgres",
        "postgresql://u@/db6543?host=/tmp/6543",
        "postgresql://u:p@db.example/postgres",
    )
    assert all(map(behind_transaction_pooler, known))
    assert not any(map(behind_transaction_pooler, others))
