"""Event bodies that no honest client sends, against a real process."""

import json
from typing import Any

import pytest

from tests.integration.edge.peer import Edge, connected

BAD_ARRAYS: dict[str, str] = {
    "nested lists": '["anything",{"data":' + "[" * 7_000 + "]" * 7_000 + "}]",
    "nested lists, never closed": '["anything",{"data":' + "[" * 15_000,
    "nested objects": '["anything",{"data":' + '{"a":' * 2_000 + "1" + "}" * 2_000 + "}]",
    "seventeen deep": '["anything",{"data":' + "[" * 16 + "]" * 16 + "}]",
    "NaN": '["anything",{"f":NaN}]',
    "Infinity": '["anything",{"f":-Infinity}]',
    "1e999": '["anything",{"f":1e999}]',
    "1e999 anywhere": '["anything",{"data":[1e999]}]',
    "a key twice": '["anything",{"n":1,"n":2}]',
    "a key twice, escaped": '["anything",{"n":1,"\\u006e":2}]',
    "a key twice, deep": '["anything",{"data":{"a":1,"a":1}}]',
    "lone surrogate": '["echo",{"text":"\\ud800"}]',
    "lone low surrogate": '["echo",{"text":"\\udc00x"}]',
    "NUL": '["echo",{"text":"a\\u0000b"}]',
    "raw control": '["echo",{"text":"a\x01b"}]',
    "huge integer": '["anything",{"n":' + "9" * 4_000 + "}]",
    "integer past 2**53": '["anything",{"n":9007199254740993}]',
    "integer past 2**53, anywhere": '["anything",{"data":[-9007199254740993]}]',
    "bool as integer": '["anything",{"n":true}]',
    "integer as bool": '["anything",{"flag":1}]',
    "float as integer": '["anything",{"n":1.5}]',
    "text as integer": '["anything",{"n":"1"}]',
    "null as text": '["echo",{"text":null}]',
    "no argument": '["echo"]',
    "two arguments": '["echo",{"text":"x"},{"text":"y"}]',
    "a list as body": '["echo",["x"]]',
    "text as body": '["echo","x"]',
    "null as body": '["echo",null]',
    "unknown field": '["echo",{"text":"x","price":1}]',
    "missing field": '["echo",{}]',
    "prototype": '["echo",{"text":"x","__proto__":{"admin":true}}]',
    "placeholder": '["echo",{"text":{"_placeholder":true,"num":0}}]',
    "unknown event": '["no:such",{}]',
    "dunder event": '["__class__",{}]',
    "event in capitals": '["ECHO",{"text":"x"}]',
    "empty name": '["",{}]',
    "long name": '["' + "x" * 10_000 + '",{}]',
    "number as name": "[1,{}]",
    "null as name": "[null,{}]",
    "object as name": '[{"echo":1},{}]',
    "empty array": "[]",
    "trailing text": '["echo",{"text":"x"}]]',
    "cut off": '["echo",{"text":"x"',
}


@pytest.mark.parametrize("array", list(BAD_ARRAYS.values()), ids=list(BAD_ARRAYS))
async def test_refused_with_an_answer_and_nothing_else_happens(edge: Edge, array: str) -> None:
    before = (await edge.state())["handled"]
    async with await connected(edge) as peer:
        reply = await peer.call_raw(array)
        assert reply["ok"] is False
        assert (reply["error"]["code"], reply["error"]["retryable"]) == ("bad_request", False)
        # The answer is short, whatever was sent, and the connection lives.
        assert len(json.dumps(reply)) < 600
        assert await peer.call("echo", {"text": "x"}) == {"ok": True, "text": "x"}
    assert len((await edge.state())["handled"]) == len(before) + 1


@pytest.mark.parametrize(
    ("array", "fields"),
    [
        ('["echo",{"text":"x","price":1}]', {"price": "unknown field"}),
        ('["echo",{}]', {"text": "required"}),
        ('["anything",{"n":true}]', {"n": "Expected `int`, got `bool`"}),
    ],
)
async def test_the_answer_names_the_field(edge: Edge, array: str, fields: dict[str, str]) -> None:
    async with await connected(edge) as peer:
        assert (await peer.call_raw(array))["error"]["fields"] == fields


@pytest.mark.parametrize(
    ("array", "reply"),
    [
        ('["anything",{"n":9007199254740992}]', {"n": 2**53}),
        ('[ "anything" , { "n" : 7 } ]', {"n": 7}),
        ('["anything",{"data":' + "[" * 15 + "]" * 15 + "}]", {"n": 0}),
        ('["echo",{"text":"\\u0065\\u0301"}]', {"text": "\u00e9"}),
        ('["echo",{"text":"e\u0301"}]', {"text": "\u00e9"}),
        ('["echo",{"text":"\\\\u0000 [[[[[[[[[[[[[[[[[[ 1234567890123456789"}]',
         {"text": "\\u0000 [[[[[[[[[[[[[[[[[[ 1234567890123456789"}),
        ('["echo",{"text":"\\ud83d\\ude00"}]', {"text": "\U0001f600"}),
        ('["echo",{"text":"\u202e\u0336z\u0351\u0344"}]', None),
    ],
)  # fmt: skip
async def test_unusual_but_sound_bodies_are_taken(
    edge: Edge, array: str, reply: dict[str, Any] | None
) -> None:
    async with await connected(edge) as peer:
        answered = await peer.call_raw(array)
        assert answered["ok"]
        if reply is not None:
            assert answered.items() >= reply.items()


async def test_an_event_without_a_number_is_handled_without_an_answer(edge: Edge) -> None:
    async with await connected(edge) as peer:
        await peer.emit("echo", {"text": "unanswered"}, ack=False)
        await peer.emit("echo", {"wrong": 1}, ack=False)
        assert await peer.call("echo", {"text": "answered"}) == {"ok": True, "text": "answered"}
    assert (await edge.state())["handled"][-2:] == ["unanswered", "answered"]


@pytest.mark.parametrize("mark", ["0", "7", "007", "999999999999999"])
async def test_acknowledgement_numbers_come_back(edge: Edge, mark: str) -> None:
    async with await connected(edge) as peer:
        await peer.socket.send(f'42{mark}["echo",{{"text":"x"}}]')
        assert (await peer.answer())[0] == int(mark)


@pytest.mark.parametrize("mark", ["9" * 16, "-1", "1.5", "1e3", "0x1", "\u0661", "\u00b2", "1-", "/a,1"])
async def test_what_is_no_number_ends_the_connection(edge: Edge, mark: str) -> None:
    async with await connected(edge) as peer:
        await peer.socket.send(f'42{mark}["echo",{{"text":"x"}}]')
        assert (await peer.closed())[1] == "malformed"


async def test_thousands_of_arguments_waiting_are_answered_like_one_too_many(edge: Edge) -> None:
    array = '["echo",' + "1," * 7_000 + "1]"
    async with await connected(edge) as peer:
        await peer.emit("slow", {"n": 1, "ms": 100})
        for number in range(100, 140):
            await peer.socket.send(f"42{number}{array}")
        replies = dict([await peer.answer() for _ in range(41)])
    assert {reply["error"]["code"] for mark, reply in replies.items() if mark >= 100} == {"bad_request"}
