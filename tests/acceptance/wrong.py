"""Values that a field of an event must not take, made from the field's own type."""

from collections.abc import Iterator

from msgspec.inspect import DictType, Field, IntType, LiteralType, NoneType, StrType, Type, UnionType

NOBODY = "00000000-0000-7000-8000-000000000000"
"""An id that nothing has."""
VALUES: dict[str, object] = {
    "null": None, "true": True, "zero": 0, "negative": -1, "fraction": 1.5, "huge": 2**63,
    "text": "x", "empty": "", "list": [], "object": {},
}  # fmt: skip
"""One value or more of each JSON type."""


def wrong_values(one: Field) -> Iterator[tuple[str, object]]:
    """Values that the field's type does not take."""
    kinds = one.type.types if isinstance(one.type, UnionType) else (one.type,)
    for name, value in {**VALUES, **bounds(kinds)}.items():
        if not any(takes(kind, value) for kind in kinds):
            yield name, value


def bounds(kinds: tuple[Type, ...]) -> dict[str, object]:
    """Just outside what each kind takes."""
    made: dict[str, object] = {}
    for kind in kinds:
        if isinstance(kind, IntType):
            made |= {"too small": (kind.ge or 0) - 1, "too large": (kind.le or 0) + 1}
        elif isinstance(kind, StrType) and kind.max_length is not None:
            made["too long"] = "x" * (kind.max_length + 1)
        elif isinstance(kind, StrType) and kind.pattern is not None:
            made |= {
                "upper case": NOBODY.replace("7", "A"), "unfinished": NOBODY[:-1], "longer": NOBODY + "0",
                "in braces": "{" + NOBODY + "}", "with a line end": NOBODY + "\n",
                "other digits": "\u0660" * 36,
            }  # fmt: skip
    return made


def takes(kind: Type, value: object) -> bool:
    """Whether a kind of the struct's takes a JSON value, said without the decoder that is being tried."""
    match kind:
        case NoneType():
            return value is None
        case IntType():
            return type(value) is int and (kind.ge or 0) <= value <= (kind.le or 2**63 - 1)
        case StrType(pattern=str()):
            return False
        case StrType():
            return (
                isinstance(value, str)
                and len(value) >= (kind.min_length or 0)
                and len(value) <= (kind.max_length or len(value))
            )
        case LiteralType():
            return value in kind.values if isinstance(value, str) else False
        case DictType():
            return isinstance(value, dict)
    raise AssertionError(f"say what {kind} takes")
