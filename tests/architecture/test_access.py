"""Who may do what stands in one table: no event or route is without a row, no row without one, no role set
is spelled elsewhere, and the documents say what the table says.
"""

import ast
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from msgspec.inspect import StructType, type_info

from hub import access
from hub.access import EVENTS, OPEN, ROLES, ROUTES, SECOND_FACTOR
from hub.events import HANDLERS
from hub.metrics import Metrics
from hub.routes import topics
from hub.routes.agora_webhooks import AgoraWebhooks
from hub.routes.calendar import CalendarFeed
from hub.routes.documents import Documents, asyncapi, openapi
from hub.routes.erasure import Receipts
from hub.routes.operators import Operators
from hub.routes.page import Page
from hub.routes.twilio import TwilioWebhooks
from hub.routes.webhooks import StripeWebhooks
from rooms.ids import Role
from store.privacy.numbers import Numbers

ROOT = Path(__file__).parents[2]
TABLE = EVENTS | ROUTES
WITH_REASON = [name for name, row in TABLE.items() if any(row.cell(role).why for role in ROLES)]
SERVED = {f"{route.method} {route.path}": route for route in topics.ROUTES}


def test_every_event_has_a_row_and_every_row_an_event() -> None:
    assert EVENTS.keys() == HANDLERS.keys()
    assert {name: event.who for name, event in HANDLERS.items()} == {
        name: row.who for name, row in EVENTS.items()
    }


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    assert len(topics.ROUTES) == len(SERVED)
    assert ROUTES.keys() == SERVED.keys()


def test_whatever_else_is_served_is_open_on_purpose() -> None:
    async def never() -> None: ...

    parts: list[Any] = [
        Operators({"store": never}, Metrics(connections=int, rooms=int), draining=lambda: False),
        StripeWebhooks(None, secret="x", connect_secret="y", livemode=False, now_s=time.time),  # type: ignore[arg-type]
        AgoraWebhooks(None, secret="z", now_ms=lambda: 0),  # type: ignore[arg-type]
        TwilioWebhooks(None, Numbers(b""), token="t", public_url="", now_ms=lambda: 0),  # type: ignore[arg-type]
        Page(),
        Documents(),
        CalendarFeed(None),  # type: ignore[arg-type]
        Receipts(None),  # type: ignore[arg-type]
        TwilioWebhooks(None, None, token="t", public_url="", now_ms=lambda: 0),  # type: ignore[arg-type]
    ]
    found = {f"{route.method} {route.path}" for part in parts for route in part.routes()}
    assert found | {"GET /socket.io/"} == OPEN.keys()
    app = (ROOT / "hub" / "app.py").read_text()
    # These, and the table of routes, are all that the application adds.
    assert "CalendarFeed(hub), Receipts(stores.pool)):" in app
    assert app.count("add_routes") == 2


@pytest.mark.parametrize("name", TABLE)
def test_somebody_may(name: str) -> None:
    assert TABLE[name].who


@pytest.mark.parametrize("name", WITH_REASON)
def test_where_a_reason_is_needed_the_body_has_one(name: str) -> None:
    """A read takes it from the query; the acceptance tests leave it out and are refused."""
    body = HANDLERS[name].body if name in HANDLERS else SERVED[name].body
    if body is None:
        assert name.startswith("GET ")
        return
    told = type_info(body)
    assert isinstance(told, StructType)
    assert [one for one in told.fields if one.required and one.encode_name in ("reason", "note")]


def test_the_documents_say_who_may() -> None:
    events = asyncapi(HANDLERS)["operations"]
    paths = openapi(topics.ROUTES)["paths"]
    for name, row in EVENTS.items():
        assert events[f"receive {name}"]["x-access"] == access.told(row)
        assert events[f"receive {name}"]["x-roles"] == sorted(row.who)
    for name, row in ROUTES.items():
        method, path = name.split()
        assert paths[path][method.lower()]["x-access"] == access.told(row)
        assert paths[path][method.lower()]["x-roles"] == sorted(row.who)
    assert paths["/v1/moderation/evidence/{id}"]["get"]["x-access"] == {
        "moderator": {"scope": "case", "why": False, "second_factor": True},
        "admin": {"scope": "case", "why": True, "second_factor": True},
    }


# What may never stand in the table, said once more without it: a slip there must not go by unseen.

STAFF = {"moderator", "admin"}
FOR_ALL = {
    "room:knock", "GET /v1/live-rooms",
    "session:request", "safety:block", "directory:watch", "directory:unwatch", "GET /v1/practitioners",
    "GET /v1/practitioners/{id}", "GET /v1/practitioners/{id}/deal", "GET /v1/money/rules",
    "GET /v1/people/{id}/avatar", "GET /v1/policy", "GET /v1/practitioners/{id}/reviews",
    "POST /v1/reviews/{id}/reports", "GET /v1/practitioners/{id}/slots", "POST /v1/bookings",
    "GET /v1/privacy/data-map",
}  # fmt: skip
"""All that guests and practitioners reach beyond themselves and their own sessions."""
JOIN_AND_SEND = ("room:join", "room:leave", "chat:send", "chat:typing", "chat:read", "chat:history", "media:")


@pytest.mark.parametrize("name", TABLE)
def test_a_row_keeps_to_the_rules(name: str) -> None:
    row = TABLE[name]
    if "/v1/admin/" in name:
        assert row.who == {"admin"}
    if name.startswith("moderation:") or "/v1/moderation/" in name:
        assert row.who <= STAFF
    if name.startswith(JOIN_AND_SEND):
        assert row.who == {"guest", "practitioner"}
    if "/v1/me" in name or name == "auth:refresh":
        assert {row.cell(role).scope for role in row.who} == {"self"}
    for role in ("guest", "practitioner"):
        far = {"none", "self", "party", "host"}
        assert row.cell(role).scope in (far | {"any"} if name in FOR_ALL else far)
    # Nobody of the staff reviews, and no admin reads or decides, a case of their own or without a reason.
    assert row.moderator.scope != "any" or name in FOR_ALL
    if row.admin.scope == "case":
        assert row.admin.why or name.endswith("/refunds/{id}/approve")


def test_the_rows_of_the_design() -> None:
    """Which role reaches how far in what the design names."""
    who = {
        name: tuple(TABLE[name].cell(role).scope for role in ROLES)
        for name in (
            "chat:send", "practitioner:online", "session:end", "moderation:act", "moderation:observe",
            "safety:report", "GET /v1/moderation/flags/{id}", "GET /v1/moderation/evidence/{id}",
            "GET /v1/sessions/{id}/receipt", "GET /v1/me/earnings", "POST /v1/admin/refunds/{id}/approve",
            "GET /v1/me/access", "PUT /v1/admin/people/{id}/role",
        )
    }  # fmt: skip
    assert who == {
        "chat:send": ("party", "party", "none", "none"),
        "practitioner:online": ("none", "self", "none", "none"),
        "session:end": ("party", "host", "none", "none"),
        "moderation:act": ("none", "none", "case", "case"),
        "moderation:observe": ("none", "none", "case", "none"),
        "safety:report": ("party", "party", "none", "none"),
        "GET /v1/moderation/flags/{id}": ("none", "none", "case", "case"),
        "GET /v1/moderation/evidence/{id}": ("none", "none", "case", "case"),
        "GET /v1/sessions/{id}/receipt": ("party", "party", "party", "party"),
        "GET /v1/me/earnings": ("none", "self", "none", "none"),
        "POST /v1/admin/refunds/{id}/approve": ("none", "none", "none", "case"),
        "GET /v1/me/access": ("self", "self", "self", "self"),
        "PUT /v1/admin/people/{id}/role": ("none", "none", "none", "case"),
    }
    assert set(SECOND_FACTOR) == STAFF


# No role set elsewhere.


def role_sets(source: str) -> Iterator[int]:
    """Lines with a set, tuple or list of nothing but role names."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Set | ast.Tuple | ast.List) and node.elts:
            values = [one.value if isinstance(one, ast.Constant) else None for one in node.elts]
            if all(value in ROLES for value in values):
                yield node.lineno


def test_no_set_of_roles_is_spelled_elsewhere() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / "hub").rglob("*.py"))
        if path != ROOT / "hub" / "access.py"
        for line in role_sets(path.read_text())
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        'WHO = frozenset({"guest"})',
        'if role in ("moderator", "admin"): pass',
        'WHO: list[Role] = ["practitioner", "guest"]',
        'who = {"admin"} | PARTY',
    ],
)
def test_the_search_finds_one(source: str) -> None:
    assert list(role_sets(source)) == [1]


def test_the_table_speaks_of_all_roles_there_are() -> None:
    assert get_args(Role) == ROLES
    assert set(ROLES) > SECOND_FACTOR
