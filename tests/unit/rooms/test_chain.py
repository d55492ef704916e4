import hashlib
import json
import subprocess
import sys
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms import chain
from rooms.chain import Link
from rooms.ids import SessionId

SESSION = SessionId("0190c5f2-6f3e-7c3a-9b1d-2f5b6f0a1c11")


def link(seq: int, *, body: bytes = b"sealed") -> Link:
    return Link(seq, str(UUID(int=seq)), 1_700_000_000_000 + seq, seq % 2, chain.body_digest(body))


said = st.lists(st.binary(max_size=8), max_size=12).map(
    lambda bodies: [link(seq, body=body) for seq, body in enumerate(bodies, start=1)]
)


def head_of(links: list[Link]) -> bytes:
    return chain.digests(SESSION, links)[-1] if links else chain.genesis(SESSION)


@given(said)
def test_what_was_chained_verifies(links: list[Link]) -> None:
    assert chain.verify(SESSION, links, head_of(links))


@given(said.filter(lambda links: len(links) > 1), st.data())
def test_every_change_breaks_it(links: list[Link], data: st.DataObject) -> None:
    head, at = head_of(links), data.draw(st.integers(0, len(links) - 1))
    changed = list(links)
    match data.draw(st.sampled_from(["id", "at_ms", "who", "body", "lost", "drop", "swap", "repeat", "cut"])):
        case "id":
            changed[at] = changed[at]._replace(id=str(uuid4()))
        case "at_ms":
            changed[at] = changed[at]._replace(at_ms=(changed[at].at_ms or 0) + 1)
        case "who":
            changed[at] = changed[at]._replace(participant_no=1 - (changed[at].participant_no or 0))
        case "body":
            changed[at] = changed[at]._replace(body_sha256=chain.body_digest(b"something else"))
        case "lost":
            changed[at] = Link(changed[at].seq, None, None, None, None)
        case "drop":
            del changed[at]
        case "swap":
            changed[at], changed[at - 1] = changed[at - 1], changed[at]
        case "repeat":
            changed.insert(at, changed[at])
        case _:
            changed.pop()
    assert not chain.verify(SESSION, changed, head)


def test_a_renumbered_transcript_does_not_verify() -> None:
    links = [link(1), link(2), link(3)]
    shorter = [link(1), links[2]._replace(seq=2)]
    assert not chain.verify(SESSION, shorter, head_of(links))


def test_a_lost_message_keeps_its_place() -> None:
    links = [link(1), Link(2, None, None, None, None), link(3)]
    assert chain.verify(SESSION, links, head_of(links))
    assert not chain.verify(SESSION, [link(1), link(2), link(3)], head_of(links))


def test_each_session_begins_its_own_chain() -> None:
    other = SessionId(str(uuid4()))
    assert chain.genesis(SESSION) != chain.genesis(other)
    assert not chain.verify(other, [link(1)], head_of([link(1)]))


def test_anyone_can_rebuild_it_from_the_published_rule() -> None:
    """Plain hashes over fixed-width fields: a second implementation, in another process, agrees."""
    script = """
import hashlib, json, sys, uuid
session, messages = json.load(sys.stdin)
head = hashlib.sha256(b"allinya session transcript 1\\0" + uuid.UUID(session).bytes).digest()
for m in messages:
    head = hashlib.sha256(
        head + b"\\x01" + m["seq"].to_bytes(8, "big") + uuid.UUID(m["id"]).bytes
        + m["at_ms"].to_bytes(8, "big") + m["no"].to_bytes(4, "big") + bytes.fromhex(m["body"])
    ).digest()
print(head.hex())
"""
    links = [link(1), link(2)]
    told = [
        {
            "seq": x.seq,
            "id": x.id,
            "at_ms": x.at_ms,
            "no": x.participant_no,
            "body": (x.body_sha256 or b"").hex(),
        }
        for x in links
    ]
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps([SESSION, told]),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == head_of(links).hex()


@pytest.mark.parametrize("body", [b"", b"x" * 5_000])
def test_a_body_is_known_by_its_hash(body: bytes) -> None:
    assert chain.body_digest(body) == hashlib.sha256(body).digest()
