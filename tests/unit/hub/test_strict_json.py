import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.edge.strict_json import BadJsonError, strict


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    "bad",
    [
        "", "{", "{} {}", "nul", "[01]", "'a'", '{"a":NaN}', '{"a":Infinity}', '{"a":-Infinity}',
        '{"a":1e999}',
        '{"a":1,"a":1}', '{"a":1,"b":{"c":1,"\\u0063":2}}', '{"a":"\\ud800"}', '{"\\udc00":1}',
        '{"a":"\ud800"}',
        '{"a":"x\\u0000y"}', '{"\\u0000":1}', '{"a":9007199254740993}', '{"a":-9007199254740993}',
        '{"a":' + "9" * 5000 + "}", nested(17), nested(20_000), "[" * 20_000, '{"a":' * 17 + "1" + "}" * 17,
    ],
    ids=lambda text: text[:30].encode("ascii", "backslashreplace").decode(),
)  # fmt: skip
def test_refused(bad: str) -> None:
    with pytest.raises(BadJsonError):
        strict(bad)


@pytest.mark.parametrize(
    "good",
    [
        "{}", '{"a":1}', '{ "a" : [1, 2.50, true, null] }', nested(16), '{"a":9007199254740992}',
        '{"t":"\\\\u0000"}', '{"t":"1234567890123456 is a number in a text"}', '{"t":"[[[[[[[[[[[[[[[[[[[["}',
        '{"t":"\\u00e9\\n\\"{"}', '{"t":"\\ud83d\\ude00"}',
    ],
)  # fmt: skip
def test_taken_with_its_meaning(good: str) -> None:
    assert json.loads(strict(good)) == json.loads(good)


def test_the_words_of_a_refusal_quote_nothing() -> None:
    with pytest.raises(BadJsonError) as refused:
        strict('{"secret":1,"secret":2}')
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("text", ["e\u0301", "\\u0065\\u0301"])
def test_text_comes_back_composed(text: str) -> None:
    assert json.loads(strict('{"t":"' + text + '"}')) == {"t": "\u00e9"}


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abé"), inner, max_size=3),
    max_leaves=8,
)


@given(values, st.booleans(), st.sampled_from([None, 1]))
def test_any_sound_value_survives_in_any_spelling(
    value: object, ascii_only: bool, indent: int | None
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    if "\\u0000" in text:
        return
    assert json.dumps(json.loads(strict(text)), ensure_ascii=False) == unicodedata.normalize(
        "NFC", json.dumps(value, ensure_ascii=False)
    )
