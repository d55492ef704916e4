"""Lists, search and expansion: how Stripe hands out many objects, or one inside another."""

import re
from collections.abc import Callable, Iterable
from typing import Any

from sandbox.state import Json
from sandbox.stripe.errors import StripeError
from sandbox.stripe.world import World, shown

LIMIT_DEFAULT, LIMIT_MAX = 10, 100
EXPAND_DEPTH_MAX = 4
_CLAUSE = re.compile(
    r"""\s*(?P<not>-)?(?P<field>metadata\[(?P<q>["'])(?P<key>.+?)(?P=q)\]|[a-z_]+)"""
    r"""\s*(?P<op>:|<=|>=|<|>|=)\s*(?:(?P<q2>["'])(?P<text>.*?)(?P=q2)|(?P<bare>[^\s"']+))\s*""",
    re.VERBOSE,
)


def page(
    world: World, kind: str, params: Json, url: str, where: Callable[[Json], bool] = lambda _: True
) -> Json:
    """One page of a kind, newest first, by `limit`, `starting_after`, `ending_before` and `created`."""
    return page_of(
        world.store.newest(kind), params, url, lambda thing: where(thing) and _created(thing, params)
    )


def page_of(newest: Iterable[Json], params: Json, url: str, where: Callable[[Json], bool]) -> Json:
    """One page of objects that are already in order, newest first."""
    limit = _limit(params)
    things = [thing for thing in newest if where(thing)]
    ids = [thing["id"] for thing in things]
    more = False
    if after := params.get("starting_after"):
        things = things[_place(ids, after, "starting_after") + 1 :]
    if before := params.get("ending_before"):
        things = things[: _place(ids, before, "ending_before")]
        more, things = len(things) > limit, things[-limit:]
    else:
        more = len(things) > limit
    data = [shown(thing) for thing in things[:limit]]
    return {"object": "list", "data": data, "has_more": more, "url": url}


def _limit(params: Json) -> int:
    limit: int = params.get("limit", LIMIT_DEFAULT)
    if not 1 <= limit <= LIMIT_MAX:
        raise StripeError(
            f"limit lies between 1 and {LIMIT_MAX}.", code="parameter_invalid_integer", param="limit"
        )
    return limit


def _place(ids: list[str], ident: str, param: str) -> int:
    if ident not in ids:
        raise StripeError(f"No such object: '{ident}'", code="resource_missing", param=param)
    return ids.index(ident)


def _created(thing: Json, params: Json) -> bool:
    wanted = params.get("created")
    if wanted is None:
        return True
    if isinstance(wanted, int):
        return bool(thing["created"] == wanted)
    return all(_compares(thing["created"], name, bound) for name, bound in wanted.items())


def _compares(value: int, name: str, bound: int) -> bool:
    return {"gt": value > bound, "gte": value >= bound, "lt": value < bound, "lte": value <= bound}[name]


def search(world: World, kind: str, params: Json, url: str) -> Json:
    """Stripe's search language, clauses joined by AND or by OR. Here it sees writes at once; at Stripe it
    may lag by a minute, so nothing may rely on reading its own writes through it.
    """
    fits, limit = _query(params["query"]), _limit(params)
    start = int(params["page"]) if str(params.get("page", "0")).isdecimal() and params.get("page") else 0
    things = [shown(thing) for thing in world.store.newest(kind) if fits(thing)]
    more = len(things) > start + limit
    return {
        "object": "search_result",
        "url": url,
        "has_more": more,
        "data": things[start : start + limit],
        "next_page": str(start + limit) if more else None,
    }


def _query(text: str) -> Callable[[Json], bool]:
    joins = {join.upper() for join in re.findall(r"(?i)\s(and|or)\s", text)}
    if len(joins) > 1:
        raise StripeError("AND and OR cannot be mixed in one query.", param="query")
    clauses = [_clause(part) for part in re.split(r"(?i)\s(?:and|or)\s", text)]
    if joins == {"OR"}:
        return lambda thing: any(clause(thing) for clause in clauses)
    return lambda thing: all(clause(thing) for clause in clauses)


def _clause(text: str) -> Callable[[Json], bool]:
    match = _CLAUSE.fullmatch(text)
    if match is None:
        raise StripeError(f"The search query is malformed near: {text}", param="query")
    wanted = match["text"] if match["text"] is not None else match["bare"]
    key, field, op, negated = match["key"], match["field"], match["op"], bool(match["not"])

    def fits(thing: Json) -> bool:
        value = thing.get("metadata", {}).get(key) if key else thing.get(field)
        return _matches(value, op, wanted) is not negated

    return fits


def _matches(value: Any, op: str, wanted: str) -> bool:
    if value is None:
        return wanted == "null"
    if op in (":", "="):
        return str(value).lower() == wanted.lower() if not isinstance(value, str) else value == wanted
    if not isinstance(value, int) or not wanted.lstrip("-").isdecimal():
        return False
    bound = int(wanted)
    return {"<": value < bound, ">": value > bound, "<=": value <= bound, ">=": value >= bound}[op]


def expand(world: World, reply: Json, paths: list[str]) -> Json:
    """Replace ids by the objects they name. Raises `StripeError` on a path that leads nowhere."""
    reply = shown(reply)
    for path in paths:
        parts = path.split(".")
        if len(parts) > EXPAND_DEPTH_MAX + (parts[0] == "data"):
            raise StripeError(f"Expansion deeper than {EXPAND_DEPTH_MAX} levels: {path}", param="expand")
        if parts[0] == "data" and reply.get("object") in ("list", "search_result"):
            reply["data"] = [_expand(world, item, parts[1:], path) for item in reply["data"]]
        else:
            reply = _expand(world, reply, parts, path)
    return reply


def _expand(world: World, thing: Json, parts: list[str], path: str) -> Json:
    if not parts:
        return thing
    if parts[0] not in thing:
        raise StripeError(f"This property cannot be expanded ({path}).", param="expand")
    value = thing[parts[0]]
    if isinstance(value, str):
        found = world.find(value)
        if found is None:
            raise StripeError(f"This property cannot be expanded ({path}).", param="expand")
        value = shown(found)
    if isinstance(value, dict) and len(parts) > 1:
        if value.get("object") == "list" and parts[1] == "data":
            items = [_expand(world, item, parts[2:], path) for item in value["data"]]
            value = {**value, "data": items}
        else:
            value = _expand(world, value, parts[1:], path)
    return {**thing, parts[0]: value}


def merge_metadata(old: dict[str, str], new: Any) -> dict[str, str]:
    """An empty value removes a key, an empty `metadata` removes all."""
    if new is None:
        return old
    if new == "":
        return {}
    return {key: value for key, value in {**old, **new}.items() if value != ""}
