import pytest
from msgspec.structs import replace

from rooms import audit
from rooms.audit import GENESIS, Entry

ENTRY = Entry(7, 1_790_000_000_000, "actor", "moderator", "acted", "subject", None, b"{}", GENESIS, b"")

CHANGED = [
    {"n": 8},
    {"at_ms": 1_790_000_000_001},
    {"actor_id": "other"},
    {"actor_role": "admin"},
    {"action": "acte"},
    {"subject_id": None},
    {"subject_id": ""},
    {"session_id": ""},
    {"subject_id": None, "session_id": "subject"},
    {"detail": b"{ }"},
    {"prev": bytes(32)},
]


@pytest.mark.parametrize("change", CHANGED)
def test_every_field_counts(change: dict[str, object]) -> None:
    assert audit.digest(replace(ENTRY, **change)) != audit.digest(ENTRY)


def test_no_two_entries_look_alike() -> None:
    shifted = replace(ENTRY, actor_role="moderatora", action="cted")
    assert audit.digest(shifted) != audit.digest(ENTRY)


@pytest.mark.parametrize("code", ["", "minor", "2026-11-24", "01890a5d-ac96-774b-bcce-b302099a8057", "a.b:c"])
def test_codes_and_ids_stay(code: str) -> None:
    assert audit.parted({"what": code}) == ({"what": code}, {})


@pytest.mark.parametrize("text", ["two words", "ü", "a@example.com", "+49151", "x" * 101, "a\nb"])
def test_what_looks_like_text_does_not(text: str) -> None:
    assert audit.parted({"what": text}) == ({}, {"what": text})


def test_reasons_and_notes_are_text_whatever_they_look_like() -> None:
    detail: dict[str, str | int | None] = {"reason": "minor", "note": "ok", "count": 3, "none": None}
    assert audit.parted(detail) == ({"count": 3, "none": None}, {"reason": "minor", "note": "ok"})


def test_a_text_cannot_be_guessed_without_its_salt() -> None:
    assert audit.text_digest(bytes(16), "yes") != audit.text_digest(bytes(15) + b"\1", "yes")


def test_a_head_names_place_digest_and_time() -> None:
    statements = {
        audit.head_statement(n, digest, at_ms)
        for n in (1, 2)
        for digest in (bytes(32), GENESIS)
        for at_ms in (3, 4)
    }
    assert len(statements) == 8
