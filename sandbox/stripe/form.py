"""Form encoding with brackets, `a[b][0]=c`, into nested dictionaries and lists."""

import re
from urllib.parse import parse_qsl

from sandbox.state import Json
from sandbox.stripe.errors import StripeError

FIELDS_MAX = 2_000
DEPTH_MAX = 8
_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


def parse(text: str) -> Json:
    """Leaves stay strings. Raises `StripeError` on malformed keys, doubled scalars or too much of it."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=False, max_num_fields=FIELDS_MAX)
    except ValueError as error:
        raise StripeError("The request holds too many parameters.") from error
    tree: Json = {}
    for key, value in pairs:
        _insert(tree, _path(key), value, key)
    return {key: _lists(value) for key, value in tree.items()}


def _path(key: str) -> list[str]:
    match = _KEY.fullmatch(key)
    if match is None:
        raise StripeError(f"Malformed parameter name: {key}", param=key)
    path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
    if len(path) > DEPTH_MAX:
        raise StripeError(f"Parameter nested too deeply: {key}", param=key)
    return path


def _insert(tree: Json, path: list[str], value: str, key: str) -> None:
    node = tree
    for part in path[:-1]:
        node = node.setdefault(part or str(len(node)), {})
        if not isinstance(node, dict):
            raise StripeError(f"Parameter given both as a value and as a hash: {key}", param=key)
    last = path[-1] or str(len(node))
    if last in node:
        raise StripeError(f"Parameter given twice: {key}", param=key)
    node[last] = value


def _lists(value: str | Json) -> object:
    """Hashes with the keys 0..n-1 are lists; the types decide whether one was wanted."""
    if isinstance(value, str):
        return value
    nested = {key: _lists(inner) for key, inner in value.items()}
    if nested and all(key.isdecimal() for key in nested):
        return [nested[key] for key in sorted(nested, key=int)]
    return nested
