"""Every event a client may send is in the contract, and has a handler, exact structs, a test and its docs."""

import inspect
from pathlib import Path

import msgspec
import pytest

from hub import wire
from hub.events import HANDLERS

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
DOCS = ROOT / "docs" / "protocol-events.md"

CONTRACT = frozenset(
    {
        "directory:watch", "directory:unwatch", "practitioner:online", "practitioner:offline",
        "session:request", "session:accept", "session:decline", "session:cancel", "session:end",
        "session:extend", "room:join", "room:leave", "room:knock", "room:admit", "room:deny", "room:lobby",
        "room:mute", "room:unmute", "room:remove", "chat:send", "chat:history", "chat:typing", "chat:read",
        "media:refresh", "media:signal", "recording:start", "recording:stop", "safety:report",
        "safety:block", "moderation:watch", "moderation:claim", "moderation:observe",
        "moderation:unobserve", "moderation:act", "analytics:event", "auth:refresh",
    }
)  # fmt: skip
"""The public names. Clients outside this repository rely on them: add, never rename or remove."""

ALREADY_SERVED = frozenset(
    {
        "directory:watch", "directory:unwatch", "practitioner:online", "practitioner:offline",
        "session:request", "session:accept", "session:decline", "session:cancel", "session:end",
        "room:join", "room:leave", "chat:send", "chat:history", "chat:typing", "chat:read",
        "media:refresh", "media:signal", "auth:refresh",
    }
)  # fmt: skip
"""What clients use today: none of these may go again."""


@pytest.fixture(scope="module")
def spoken() -> str:
    """Everything that tests of real clients say."""
    return "\n".join(
        path.read_text()
        for folder in ("acceptance", "browser", "attacks", "faults")
        for path in (TESTS / folder).rglob("*")
        if path.suffix in (".py", ".mjs", ".ts") and "node_modules" not in path.parts
    )


def test_the_names_are_the_contracts() -> None:
    assert HANDLERS.keys() <= CONTRACT
    assert HANDLERS.keys() >= ALREADY_SERVED


@pytest.mark.parametrize("name", HANDLERS)
def test_an_event_is_whole(name: str) -> None:
    event = HANDLERS[name]
    assert inspect.iscoroutinefunction(event.handle)
    assert event.handle.__module__.startswith("hub.events.")
    assert f"`{name}`" in (event.handle.__doc__ or "")
    assert event.who


@pytest.mark.parametrize("name", HANDLERS)
def test_its_body_takes_nothing_unknown_and_everything_in_it_is_bounded(name: str) -> None:
    body = HANDLERS[name].body
    assert issubclass(body, wire.Body)
    assert body.__struct_config__.forbid_unknown_fields
    info = msgspec.inspect.type_info(body)
    assert isinstance(info, msgspec.inspect.StructType)
    for field in info.fields:
        assert field.encode_name == field.name
        for kind in _alternatives(field.type):
            assert _bounded(kind) or (name, field.name) in BOUNDED_ELSEWHERE, f"{name}: {field.name}"


BOUNDED_ELSEWHERE = {
    ("auth:refresh", "token"): "the verifier refuses a token above its own limit",
    ("media:signal", "data"): "the frame's limit is the only one",
    ("analytics:event", "props"): "the closed list of events knows each property and its values",
}


def _alternatives(kind: msgspec.inspect.Type) -> tuple[msgspec.inspect.Type, ...]:
    return kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,)


def _bounded(kind: msgspec.inspect.Type) -> bool:
    match kind:
        case msgspec.inspect.StrType():
            return kind.max_length is not None or kind.pattern is not None
        case msgspec.inspect.IntType():
            return kind.ge is not None and kind.le is not None
        case msgspec.inspect.NoneType() | msgspec.inspect.BoolType() | msgspec.inspect.LiteralType():
            return True
        case _:
            return False


@pytest.mark.parametrize("name", HANDLERS)
def test_its_reply_is_told_in_words(name: str) -> None:
    reply = HANDLERS[name].reply
    assert issubclass(reply, wire.Reply)
    assert reply.__doc__
    # The acknowledgement's own field, which a reply must not cover.
    assert "ok" not in reply.__struct_fields__


@pytest.mark.parametrize("name", HANDLERS)
def test_a_real_client_sends_it_in_some_test(name: str, spoken: str) -> None:
    assert f'"{name}"' in spoken


@pytest.mark.parametrize("name", HANDLERS)
def test_it_is_described(name: str) -> None:
    assert f"`{name}`" in DOCS.read_text()
