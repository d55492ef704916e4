"""Agora's notices: signed over the raw body, and read as strictly as they are documented."""

import hashlib
import hmac
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.vendors.agora_notices import Known, Moved, Notice, Recorded, is_signed, known
from hub.vendors.agora_recording import files
from rooms.media_times import Move

SECRET = "a-secret"
DOING = {"cname": "c" * 32, "uid": "1000000", "sid": "s1", "sequence": 3, "sendts": 5_000, "serviceType": 1}


def read(product: int, kind: int, payload: dict[str, Any]) -> Known | None:
    body = {"noticeId": "n", "productId": product, "eventType": kind, "notifyMs": 1, "payload": payload}
    return known(msgspec.json.decode(json.dumps(body).encode(), type=Notice))


@given(st.binary(max_size=200), st.binary(min_size=1, max_size=200))
def test_the_signature_covers_every_byte(raw: bytes, more: bytes) -> None:
    signature = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
    assert is_signed(raw, signature, SECRET)
    assert not is_signed(raw + more, signature, SECRET)
    assert not is_signed(raw, signature, SECRET + "x")


@given(st.text(max_size=100))
def test_no_header_is_a_signature_by_chance_or_an_error(header: str) -> None:
    assert not is_signed(b"{}", header, SECRET)


def test_comings_and_goings() -> None:
    payload = {"channelName": "c", "uid": 2, "platform": 7, "clientSeq": 9, "ts": 1_700_000_000}
    for kind in (103, 105, 107):
        assert read(1, kind, payload) == Moved("c", 2, Move(9, 1_700_000_000_000, True))
    for kind in (104, 106, 108):
        gone = read(1, kind, payload | {"reason": 1, "duration": 60})
        assert gone == Moved("c", 2, Move(9, 1_700_000_000_000, False, 60_000))
    assert read(1, 101, {"channelName": "c", "ts": 1}) is None
    for wrong in ({"uid": -1}, {"uid": "2"}, {"clientSeq": None}, {"channelName": ""}, {"ts": 2**60}):
        with pytest.raises(msgspec.ValidationError):
            read(1, 103, payload | wrong)


def test_doings_of_a_recorder() -> None:
    kinds = {40: "started", 41: "over", 11: "over", 1: "trouble"}
    for kind, what in kinds.items():
        assert read(3, kind, DOING) == Recorded("c" * 32, 1_000_000, "s1", what, 5_000)  # type: ignore[arg-type]
    listed = [{"fileName": "a.m3u8", "trackType": "audio", "sliceStartTime": 7, "url": "https://x/?secret=1"}]
    told = read(3, 31, DOING | {"details": {"fileList": listed}})
    assert isinstance(told, Recorded)
    assert told.files == [{"name": "a.m3u8", "track_type": "audio", "begins_at_ms": 7}]
    assert read(3, 42, DOING) is None
    assert read(9, 40, DOING) is None


@given(
    st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x))
)
def test_a_strange_list_of_files_is_no_error(strange: object) -> None:
    assert files(strange) == []
    files({"fileList": strange})
    files({"fileList": [strange, {"fileName": strange}]})
