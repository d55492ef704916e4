import pytest
import structlog.testing

from hub.errors import (
    CONNECT_CODES,
    HTTP_STATUS,
    Code,
    Refused,
    connect_refusal,
    refused_from,
    wire,
)
from rooms import errors as room_errors


def test_every_code_has_a_status() -> None:
    assert set(HTTP_STATUS) == set(Code)


def every_room_error() -> list[type[room_errors.RoomError]]:
    found = [room_errors.RoomError]
    for kind in found:
        found += kind.__subclasses__()
    return found


@pytest.mark.parametrize("kind", every_room_error(), ids=lambda kind: kind.__name__)
def test_every_room_error_has_a_code_of_the_contract(kind: type[room_errors.RoomError]) -> None:
    assert Code(kind.code) in Code
    assert kind.__doc__


def test_a_room_error_keeps_its_words_and_its_wait() -> None:
    refused = refused_from(room_errors.TooFast(1500), where="chat:send")
    assert (refused.code, refused.retry_after_ms, refused.retryable) == (Code.RATE_LIMITED, 1500, True)
    assert refused_from(room_errors.Busy(), where="x").message == room_errors.Busy.__doc__


def test_a_rate_limit_always_says_how_long() -> None:
    assert wire(Refused(Code.RATE_LIMITED, "no"))["retry_after_ms"] > 0


def test_what_is_unknown_is_logged_without_its_words() -> None:
    with structlog.testing.capture_logs() as logs:
        refused = refused_from(KeyError("what a person wrote"), where="chat:send")
    assert refused.code is Code.UNAVAILABLE
    assert "person wrote" not in refused.message + repr(logs)
    assert logs[0]["error"] == "KeyError"


@pytest.mark.parametrize("code", list(Code))
def test_a_connect_error_stays_within_its_codes(code: Code) -> None:
    _message, data = connect_refusal(Refused(code, "no"))
    assert Code(data["code"]) in CONNECT_CODES
    assert data["retryable"] == Refused(code, "no").retryable
