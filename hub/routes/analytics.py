"""What admins see of the use of the hub."""

import re
from typing import Any, Final

import msgspec
from aiohttp import web

from hub.edge.auth import Principal
from hub.hub import Hub
from hub.routes.answer import Route, bad_request, query
from rooms import analytics
from store.postgres import analytics as rows

CELLS_MAX: Final = 2_000
MOMENT: Final = re.compile(r"[0-9]{1,15}")


class Cell(msgspec.Struct, frozen=True):
    """One event with one set of properties in the week that begins at `week_from_ms`."""

    week_from_ms: int
    name: str
    props: dict[str, Any]
    events: int
    people: int


class Counts(msgspec.Struct, frozen=True):
    """Whole weeks: what fewer than `least_people` did in one is left out, and is in no sum."""

    from_ms: int
    to_ms: int
    least_people: int
    items: list[Cell]


async def counts(hub: Hub, _who: Principal, request: web.Request) -> Counts:
    """`GET /v1/admin/analytics`: by week, over the weeks that `from_ms` and `to_ms` lie in."""
    given = query(request, ("from_ms", "to_ms"))
    first, last = analytics.week(_moment(given, "from_ms")), analytics.week(_moment(given, "to_ms"))
    if first > last:
        raise bad_request("to_ms", "is before from_ms")
    found = await rows.counts(hub.pool, first=first, last=last, least=analytics.COHORT_MIN, limit=CELLS_MAX)
    return Counts(
        analytics.week_from_ms(first),
        analytics.week_from_ms(last + 1),
        analytics.COHORT_MIN,
        [
            Cell(analytics.week_from_ms(one.week), one.name, one.props, one.events, one.people)
            for one in found
        ],
    )


def _moment(given: dict[str, str], name: str) -> int:
    value = given.get(name)
    if value is None or MOMENT.fullmatch(value) is None:
        raise bad_request(name, "expected Unix milliseconds")
    return int(value)


ROUTES = [Route("GET", "/v1/admin/analytics", Counts, counts)]
