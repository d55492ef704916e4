"""Every event of the contract, sent by hand to a real hub as no honest client sends it.

The frames are made from the events' own structs, so a new event is tried the same way: each field in turn
holds what JSON allows and the hub does not. test_parsing.py tries the reader itself; this, what it guards.
"""

import json
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from msgspec.inspect import (
    DictType,
    Field,
    IntType,
    LiteralType,
    StrType,
    StructType,
    Type,
    UnionType,
    type_info,
)

from hub.events import HANDLERS
from tests.acceptance.scene import Scene
from tests.acceptance.wrong import NOBODY
from tests.integration.edge.peer import Edge, Peer, connected
from tests.stack import Stack

HOSTILE = {
    "nested lists": "[" * 7_000 + "]" * 7_000,
    "lists never closed": "[" * 15_000,
    "nested objects": '{"a":' * 2_000 + "1" + "}" * 2_000,
    "NaN": "NaN",
    "Infinity": "-Infinity",
    "1e999": "1e999",
    "a huge integer": "9" * 4_000,
    "past 2**53": "9007199254740993",
    "a lone surrogate": '"\\ud800"',
    "a lone low surrogate": '"\\udc00x"',
    "NUL": '"a\\u0000b"',
    "a raw control": '"a\x01b"',
    "a boolean": "true",
    "a fraction": "1.5",
    "a key twice": '{"a":1,"a":2}',
    "a placeholder": '{"_placeholder":true,"num":0}',
    "a prototype": '{"__proto__":{"role":"admin"}}',
    "a comment": "/**/1",
    "nothing": "",
}
"""Values as they stand in the frame. No field of any event takes one of them."""
OPAQUE = {"a placeholder", "a prototype"}
"""Objects, which `media:signal` passes on unread, to a client that parses text and revives nothing."""
ODD = {
    "bidi": "\u202egpj.exe\u2066\u200f",
    "zalgo": "z" + "\u0335\u0351\u0301" * 20,
    "invisible": "\u200b\u2060\ufeff",
    "markup": "<img src=x onerror=alert(1)>",
    "astral": "\U0001f600\U000e0070",
}
"""Sound text, which is no id and no word of the contract."""
ROLES = ("guest", "practitioner", "moderator", "admin")


@pytest.fixture
async def peers(stack: Stack) -> AsyncIterator[dict[str, Peer]]:
    """One line of each role, spoken by hand."""
    scene = Scene(stack)
    async with aiohttp.ClientSession() as http:
        edge = Edge(int(stack.hub_urls[0].rpartition(":")[2]), http)
        tokens = {role: (await scene.person(role))["access_token"] for role in ROLES}
        yield {role: await connected(edge, token) for role, token in tokens.items()}
        await edge.part()
    await scene.close()


def fields(name: str) -> tuple[Field, ...]:
    told = type_info(HANDLERS[name].body)
    assert isinstance(told, StructType)
    return told.fields


def kinds(one: Field) -> tuple[Type, ...]:
    return one.type.types if isinstance(one.type, UnionType) else (one.type,)


def sound(one: Field) -> object:
    """A value that the field takes, though it names nothing that there is."""
    for kind in kinds(one):
        match kind:
            case StrType(pattern=str()):
                return NOBODY
            case StrType():
                return "hello"
            case IntType():
                return kind.ge or 0
            case LiteralType():
                return kind.values[0]
            case DictType():
                return {}
    raise AssertionError(f"say what {one.encode_name} takes")


def frame(name: str, values: dict[str, str]) -> str:
    """The array of the event, its values as they are written."""
    body = ",".join(f"{json.dumps(key)}:{value}" for key, value in values.items())
    return f"[{json.dumps(name)},{{{body}}}]"


def frames(name: str) -> Iterator[tuple[str, str]]:
    """What no hub takes, each with a word on it."""
    usual = {one.encode_name: json.dumps(sound(one)) for one in fields(name)}
    for what, value in HOSTILE.items():
        yield f"unknown field: {what}", frame(name, {**usual, "extra": value})
        for one in fields(name):
            if not (isinstance(one.type, DictType) and what in OPAQUE):
                yield f"{one.encode_name}: {what}", frame(name, {**usual, one.encode_name: value})
    for one in fields(name):
        key = one.encode_name
        twice = frame(name, usual)[:-2] + f",{json.dumps(key)}:{usual[key]}}}]"
        yield f"{key} twice", twice
        if not takes_any_text(one):
            for what, text in ODD.items():
                yield f"{key}: {what}", frame(name, {**usual, key: json.dumps(text)})


def takes_any_text(one: Field) -> bool:
    """Whether a text field is free in form: notes, reasons, messages, a client's own handles."""
    return any(isinstance(kind, StrType) and kind.pattern is None for kind in kinds(one))


def sender(peers: dict[str, Peer], name: str) -> Peer:
    return next(peers[role] for role in ROLES if role in HANDLERS[name].who)


@pytest.mark.parametrize("name", HANDLERS)
async def test_what_is_no_json_of_ours_is_refused_by_every_event(peers: dict[str, Peer], name: str) -> None:
    peer = sender(peers, name)
    tried = list(frames(name))
    assert len(tried) >= len(HOSTILE)
    for what, array in tried:
        answer = await peer.call_raw(array)
        assert answer["ok"] is False, what
        assert (answer["error"]["code"], answer["error"]["retryable"]) == ("bad_request", False), what
        # The answer is short, whatever was sent.
        assert len(json.dumps(answer)) < 600, what
    assert await peer.call("directory:unwatch", {}) == {"ok": True}


@pytest.mark.parametrize("name", [name for name in HANDLERS if any(map(takes_any_text, fields(name)))])
async def test_odd_text_where_text_is_free_is_an_ordinary_request(peers: dict[str, Peer], name: str) -> None:
    """It is decided as any other text would be, and the hub is not in trouble over it."""
    peer = sender(peers, name)
    for one in filter(takes_any_text, fields(name)):
        for what, text in ODD.items():
            body = {field.encode_name: sound(field) for field in fields(name)}
            usual = await peer.call(name, body)
            odd = await peer.call(name, {**body, one.encode_name: text})
            codes = [answer.get("error", {}).get("code") for answer in (usual, odd)]
            assert codes[0] == codes[1], (one.encode_name, what, usual, odd)
            assert "unavailable" not in codes
    assert await peer.call("directory:unwatch", {}) == {"ok": True}
