"""Checks every parameter against the SDK's own typed parameters, and turns strings into values."""

import functools
import sys
import types
import typing
from typing import Any, Literal, NotRequired, Required, get_args, get_origin

import stripe.params
import stripe.params.checkout
from stripe._request_options import RequestOptions  # the keys of every params type that never travel
from typing_extensions import is_typeddict

from sandbox.state import Json
from sandbox.stripe.errors import StripeError

METADATA_KEYS_MAX, METADATA_KEY_MAX, METADATA_VALUE_MAX = 50, 40, 500
_OPTIONS = frozenset(RequestOptions.__annotations__)
# Typed as plain strings by the SDK, but the API lets an empty one clear them.
_CLEARABLE = frozenset({"description", "name", "email", "phone", "receipt_email"})
_RETIRED = {"payment_method_types": "payment_method_types_no_longer_supported"}


def check(type_name: str, given: Json) -> Json:
    """Typed values for `given`, or `StripeError` 400 naming the first bad parameter.

    `type_name` is a class of `stripe.params`, for example `RefundCreateParams`.
    """
    return _check_hash(_params_class(type_name), given, "")


@functools.cache
def _params_class(name: str) -> Any:
    if name.startswith("checkout."):
        return getattr(stripe.params.checkout, name.removeprefix("checkout."))
    return getattr(stripe.params, name)


@functools.cache
def _fields(cls: Any) -> dict[str, tuple[Any, bool]]:
    """`{parameter: (type, required)}`, annotations resolved in the module that wrote them."""
    names = {**vars(typing), **vars(sys.modules[cls.__module__])}
    fields = {}
    for name, annotation in cls.__annotations__.items():
        if name in _OPTIONS:
            continue
        hint = _resolve(annotation, names)
        required = name in cls.__required_keys__ and get_origin(hint) is not NotRequired
        fields[name] = (hint, required)
    return fields


def _resolve(hint: Any, names: dict[str, Any]) -> Any:
    if isinstance(hint, typing.ForwardRef):
        hint = hint.__forward_arg__
    if isinstance(hint, str):
        hint = eval(hint, names)  # noqa: S307  (annotations of an installed package, not input)
    return hint


def _check_hash(cls: Any, given: Json, prefix: str) -> Json:
    fields = _fields(cls)
    names = {**vars(typing), **vars(sys.modules[cls.__module__])}
    for name in given:
        if name not in fields:
            path = f"{prefix}[{name}]" if prefix else name
            code = _RETIRED.get(name, "parameter_unknown")
            raise StripeError(f"Received unknown parameter: {path}", code=code, param=path)
    checked = {}
    for name, (hint, required) in fields.items():
        path = f"{prefix}[{name}]" if prefix else name
        if name in given:
            checked[name] = _check(hint, given[name], path, names)
        elif required:
            raise StripeError(f"Missing required param: {path}.", code="parameter_missing", param=path)
    return checked


def _check(hint: Any, value: Any, path: str, names: dict[str, Any]) -> Any:
    hint = _resolve(hint, names)
    origin = get_origin(hint)
    if origin in (NotRequired, Required):
        return _check(get_args(hint)[0], value, path, names)
    if origin in (typing.Union, types.UnionType):
        return _check_union(hint, value, path, names)
    if origin is Literal:
        return _check_literal([hint], value, path)
    if origin is list:
        return _check_list(get_args(hint)[0], value, path, names)
    if origin is dict:
        return _check_metadata(value, path)
    if is_typeddict(hint):
        if not isinstance(value, dict):
            raise StripeError(f"Invalid hash for {path}.", code="parameter_invalid", param=path)
        return _check_hash(hint, value, path)
    return _check_scalar(hint, value, path)


def _check_union(hint: Any, value: Any, path: str, names: dict[str, Any]) -> Any:
    options = [_resolve(option, names) for option in _flat(hint)]
    literals = [option for option in options if get_origin(option) is Literal]
    others = [o for o in options if get_origin(o) is not Literal and o is not type(None)]
    named = [choice for literal in literals for choice in get_args(literal)]
    if value == "":
        if "" in named:
            return ""
        raise _empty(path)
    others = [o for o in others if "UntypedStripeObject" not in str(o) or get_origin(o) is dict]
    # The SDK writes open enums as `Literal[…] | str`; the server knows only the listed ones.
    if any(named) and str in others:
        others.remove(str)
    if isinstance(value, str) and any(named) and (value in named or not others):
        return _check_literal(literals, value, path)
    return _first_fitting(others, value, path, names)


def _flat(hint: Any) -> list[Any]:
    flat = []
    for option in get_args(hint):
        nested = get_origin(option) in (typing.Union, types.UnionType)
        flat += _flat(option) if nested else [option]
    return flat


def _first_fitting(options: list[Any], value: Any, path: str, names: dict[str, Any]) -> Any:
    shaped = {True: (dict,), False: (str, list)}
    fitting = [o for o in options if isinstance(value, shaped[_is_hash(o)])] or options
    error = StripeError(f"Invalid value for {path}.", code="parameter_invalid", param=path)
    for option in fitting:
        try:
            return _check(option, value, path, names)
        except StripeError as refused:
            error = refused
    raise error


def _is_hash(hint: Any) -> bool:
    return get_origin(hint) is dict or is_typeddict(hint)


def _check_literal(literals: list[Any], value: Any, path: str) -> Any:
    choices = [choice for literal in literals for choice in get_args(literal)]
    if value not in choices:
        listed = ", ".join(str(c) for c in choices if c != "")
        raise StripeError(f"Invalid {path}: must be one of {listed}", param=path)
    return value


def _check_list(item: Any, value: Any, path: str, names: dict[str, Any]) -> list[Any]:
    if value == "":
        return []
    if not isinstance(value, list):
        raise StripeError(f"Invalid array for {path}.", code="parameter_invalid", param=path)
    return [_check(item, inner, f"{path}[{i}]", names) for i, inner in enumerate(value)]


def _check_metadata(value: Any, path: str) -> dict[str, str]:
    if isinstance(value, list):
        value = {str(i): inner for i, inner in enumerate(value)}
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise StripeError(f"Invalid hash of strings for {path}.", code="parameter_invalid", param=path)
    if len(value) > METADATA_KEYS_MAX:
        raise StripeError(f"At most {METADATA_KEYS_MAX} keys in {path}.", param=path)
    for key, text in value.items():
        if len(key) > METADATA_KEY_MAX or len(text) > METADATA_VALUE_MAX:
            raise StripeError(f"{path}[{key}] is too long.", code="parameter_invalid", param=f"{path}[{key}]")
    return dict(value)


def _check_scalar(hint: Any, value: Any, path: str) -> Any:
    if not isinstance(value, str):
        raise StripeError(f"Invalid value for {path}: a scalar is wanted.", param=path)
    if value == "" and path not in _CLEARABLE:
        raise _empty(path)
    if hint is bool:
        if value not in ("true", "false"):
            raise StripeError(f"Invalid boolean: {value}", code="parameter_invalid", param=path)
        return value == "true"
    if hint is int:
        digits = value.removeprefix("-")
        if not (digits.isascii() and digits.isdecimal() and len(digits) <= 18):
            raise StripeError(f"Invalid integer: {value}", code="parameter_invalid_integer", param=path)
        return int(value)
    return value


def _empty(path: str) -> StripeError:
    return StripeError(f"{path} is empty and cannot be unset.", code="parameter_invalid_empty", param=path)
