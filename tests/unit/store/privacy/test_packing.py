"""An archive taken out little by little is one that any program unpacks, and its pieces fit together."""

import hashlib
import io
import zipfile
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.privacy.blobs import CHUNK_BYTES, Pieces
from store.privacy.exports.names import UnsafeName, member
from store.privacy.exports.packing import Packing
from store.privacy.exports.writing import Writing


def test_what_was_taken_out_is_the_archive() -> None:
    packing, out = Packing(made_at_ms=1_700_000_000_000), b""
    for number in range(3):
        packing.begin(f"data/{number}.json", large=number == 1)
        for _ in range(10):
            packing.add(b"x" * 10_000)
            out += packing.taken()
        packing.end()
    packing.close()
    out += packing.taken()
    with zipfile.ZipFile(io.BytesIO(out)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [one.path for one in packing.files]
        for one in packing.files:
            content = archive.read(one.path)
            assert (len(content), hashlib.sha256(content).hexdigest()) == (one.size_bytes, one.sha256)
        assert archive.infolist()[0].date_time[:3] == (2023, 11, 14)


def test_nothing_is_added_to_no_file() -> None:
    packing = Packing(made_at_ms=0)
    with pytest.raises(ValueError, match="No file"):
        packing.add(b"x")
    with pytest.raises(ValueError, match="No file"):
        packing.end()


@given(st.lists(st.integers(0, 3 * CHUNK_BYTES), max_size=5))
def test_pieces_are_whole_and_one_is_the_last(sizes: list[int]) -> None:
    pieces, got = Pieces(), []
    for size in sizes:
        got += list(pieces.add(bytes(size)))
    no, last = pieces.last()
    assert [number for number, _ in got] == list(range(no))
    assert all(len(piece) == CHUNK_BYTES for _, piece in got)
    assert len(last) <= CHUNK_BYTES
    assert sum(len(piece) for _, piece in got) + len(last) == sum(sizes) == pieces.size_bytes
    assert last or not sum(sizes)


async def test_an_archive_leaves_memory_as_it_grows() -> None:
    kept: dict[int, bytes] = {}
    told: list[int] = []

    async def keep(no: int, piece: bytes) -> None:
        kept[no] = piece

    async def alive(permille: int) -> None:
        told.append(permille)

    async def content() -> AsyncIterator[bytes]:
        for number in range(40):
            yield hashlib.shake_256(bytes([number])).digest(50_000)
            writing.advance(1)

    writing = Writing(made_at_ms=0, total=40, keep=keep, alive=alive)
    await writing.file("data/noise.json", content())
    no, last, size, sha256 = await writing.close()
    whole = b"".join(kept[number] for number in range(no)) + last
    assert no == 7
    assert (len(whole), hashlib.sha256(whole).digest()) == (size, sha256)
    assert told == sorted(told)
    assert told[-1] == 999
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        assert archive.testzip() is None


@pytest.mark.parametrize(
    ("folder", "stem", "extension"),
    [
        ("data", "../../etc/passwd", "json"),
        ("data", "..", "json"),
        ("data", "/etc/passwd", "json"),
        ("data", "c:\\windows", "json"),
        ("data", "a b", "json"),
        ("data", "", "json"),
        ("data", "a\0", "json"),
        ("data", "a\n", "json"),
        ("data", "people\u202etxt", "json"),
        ("../data", "people", "json"),
        ("data", "people", "json/.."),
        ("data", "x" * 65, "json"),
    ],
)
def test_no_name_leads_out(folder: str, stem: str, extension: str) -> None:
    with pytest.raises(UnsafeName):
        member(folder, stem, extension)


def test_names_of_what_there_is() -> None:
    assert member("transcripts", "019aa0b4-3b1f-7d3e-8f00-0123456789ab", "txt") == (
        "transcripts/019aa0b4-3b1f-7d3e-8f00-0123456789ab.txt"
    )
    assert member("avatar", "512", "webp") == "avatar/512.webp"
