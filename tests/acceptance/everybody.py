"""Somebody of every role, those whose own case it is, and everything that a row of the access table names."""

import json
import time
import uuid
from dataclasses import dataclass

import aiohttp
import asyncpg
import msgspec
from msgspec.inspect import LiteralType, StructType, type_info

from hub.access import EVENTS, ROLES
from hub.events import HANDLERS
from hub.routes.topics import ROUTES
from rooms.ids import Role
from sandbox.visitor import Json, Visitor
from tests.acceptance.scene import Scene
from tests.acceptance.test_bad_input import Stage
from tests.acceptance.wrong import NOBODY

ROUTE = {f"{route.method} {route.path}": route for route in ROUTES}
WHY = "Somebody asked us to."
DECIDED = (
    "appeals", "refunds", "fraud_reviews", "evidence", "moderation_actions", "suspensions", "blocks", "cards",
    "applications", "avatars", "consents", "erasures", "access_requests", "policies",
    "policy_acceptances", "reviews", "review_versions", "favourites", "waitlist", "legal_holds",
)  # fmt: skip
"""Tables that change by somebody's deed alone, beside those of the stage."""


@dataclass
class Ground:
    """The stage, with what stands on it. `own` are a moderator and an admin who were the two of `own_id`."""

    stage: Stage
    people: dict[Role, Visitor]
    own: dict[Role, Visitor]
    own_id: str
    stranger: Visitor
    own_flag: str
    flag: str
    own_evidence: str
    evidence: str
    action: str
    appeal: str
    own_appeal: str
    decider: Visitor
    refund: str
    own_refund: str
    review: str
    own_review: str
    booking: str
    written: str
    own_written: str
    hold: str
    own_hold: str

    @property
    def scene(self) -> Scene:
        return self.stage.scene

    def body(self, name: str, role: Role) -> Json:
        """A body of an event that is right in form, as this role would send it."""
        body = {**self.stage.body(name)}
        if name == "auth:refresh":
            body["token"] = self.people[role].token
        if name == "moderation:act" and role == "admin":
            # It is all that an admin decides here, and it has no duration.
            body.update(action="end", duration_s=None)
        return body

    def request(self, name: str) -> Json:
        """A body of a route that is right in form, and names what is there."""
        body = ROUTE[name].body
        if body is None:
            return {}
        told = type_info(body)
        assert isinstance(told, StructType)
        known: Json = {
            "session_id": self.stage.ended_id, "user_id": None, "amount_minor": 1, "request_id": None,
            "reason": WHY, "note": WHY, "text": "Why?", "action_id": self.action, "scope": "others",
            "granted": True, "version": 1, "rating": 4, "text_en": "Half of it",
            "received_at_ms": time.time_ns() // 1_000_000, "email": None,
            "headline": "Grief, and what comes after.", "topics": ["grief"],
            "rate_minor_per_minute": 300, "currency": "usd", "born_on": "1980-01-01",
            "starts_at_ms": 2**41, "duration_s": 1_800, "zone": "UTC", "weekly": [], "exceptions": [],
            "notice_s": 0, "horizon_days": 1, "slot_s": 300, "buffer_s": 0,
            "practitioner_id": self.stage.host.id,
            "title": "A quiet circle", "seats": 2, "price": {"kind": "free"},
        }  # fmt: skip
        for one in told.fields:
            if isinstance(one.type, LiteralType) and one.encode_name not in known:
                known[one.encode_name] = one.type.values[0]
        # What may be left out is left out, but for ids: these are what is tried.
        named = [one for one in told.fields if one.required or one.encode_name.endswith("_id")]
        if name == "POST /v1/admin/policies":
            # A policy without its translation is refused: one that was published would be asked of everybody.
            named += [one for one in told.fields if one.encode_name == "text_en"]
        return {one.encode_name: known[one.encode_name] for one in named}

    def path(self, name: str, *, own: bool = False) -> str:
        """A route's path with an id of what is there, or of what concerns the people of `own`."""
        ids = {
            "sessions": self.stage.ended_id,
            "bookings": self.booking,
            "practitioners": self.stage.host.id,
            "blocks": self.stage.host.id,
            "favourites": self.stage.host.id,
            "waitlist": self.stage.host.id,
            "reviews": self.own_written if own else self.written,
            "people": self.stage.idle.id,
            "flags": self.own_flag if own else self.flag,
            "evidence": self.own_evidence if own else self.evidence,
            "appeals": self.own_appeal if own else self.appeal,
            "refunds": self.own_refund if own else self.refund,
            "fraud": self.own_review if own else self.review,
            "cases": NOBODY,
            "applications": NOBODY,
            "exports": NOBODY,
            "data-requests": NOBODY,
            "legal-holds": self.own_hold if own else self.hold,
        }
        path = ROUTE[name].path.replace("{number}", "999999999").replace("{purpose}", "analytics")
        before, found, _after = path.partition("/{id}")
        return path.replace("{id}", ids[before.rpartition("/")[2]]) if found else path

    def query(self, name: str, *, flag: str | None = None) -> dict[str, str]:
        """What a reading route needs in its query."""
        if name == "GET /v1/moderation/evidence":
            return {"flag_id": flag or self.flag}
        if name == "GET /v1/practitioners/{id}/slots":
            return {"from_ms": "0", "to_ms": "1", "duration_s": "1800"}
        return {"query": "nobody@example.com"} if name == "GET /v1/admin/people" else {}

    async def http(
        self, who: Visitor | None, name: str, path: str, query: dict[str, str], body: object = None
    ) -> str:
        """Ask a route; `ok`, or the code of the refusal."""
        headers = {} if who is None else {"Authorization": f"Bearer {who.token}"}
        url = f"{self.scene.stack.hub_urls[0]}{path}"
        method = name.partition(" ")[0]
        told = body if ROUTE[name].body is not None else None
        async with self.scene.http.request(method, url, params=query, json=told, headers=headers) as response:
            if response.status == 200:
                return "ok"
            answer = await response.json()
            return str(answer["error"]["code"])

    async def state(self) -> dict[str, object]:
        """Everything that nobody may change who may not."""
        digests = " union all ".join(
            f"select '{table}' as what, md5(coalesce(string_agg(t::text, '' order by t::text), '')) as rows "
            f"from {table} t"
            for table in DECIDED
        )
        people = await self.scene.sql("select id, role, version from people order by id")
        return {
            **await self.stage.snapshot(),
            **{row["what"]: row["rows"] for row in await self.scene.sql(digests)},
            "people": [tuple(row) for row in people],
        }


async def code(who: Visitor, event: str, body: Json) -> str:
    """Send an event; `ok`, or the code of the refusal."""
    answer = await who.answer(event, body)
    return "ok" if answer["ok"] else str(answer["error"]["code"])


async def everybody(stage: Stage) -> Ground:
    """Set the ground: a reported couple who have become staff since, and a decision of every kind."""
    scene = stage.scene
    stage.others["guest"], stage.others["practitioner"] = stage.guest, stage.host
    was_guest, was_host, own_id = await scene.couple()
    guest, host, flagged_id = await scene.couple()
    stranger = await scene.guest()
    await stranger.ask("safety:block", user_id=host.id)
    own_report = await was_guest.ask("safety:report", session_id=own_id, reason="own", user_id=was_host.id)
    report = await guest.ask("safety:report", session_id=flagged_id, reason="other", user_id=host.id)
    reported = {
        str(row["id"]): row
        for row in await scene.sql(
            "select id, flag_id, evidence_id from reports where id = any($1)",
            [own_report["report_id"], report["report_id"]],
        )
    }
    decider = await scene.enter(await scene.person("moderator"))
    actions, appeals = [], []
    for _ in range(2):
        done = await decider.ask(
            "moderation:act", session_id=flagged_id, action="warn", note=WHY, user_id=guest.id
        )
        actions.append(done["action_id"])
    for _ in range(2):
        done = await decider.ask(
            "moderation:act", session_id=own_id, action="warn", note=WHY, user_id=was_host.id
        )
        made = await was_host.post("/v1/me/appeals", {"action_id": done["action_id"], "text": "Why?"})
        appeals.append(made["id"])
    made = await guest.post("/v1/me/appeals", {"action_id": actions[0], "text": "Why?"})
    own: dict[Role, Visitor] = {
        "moderator": await become(scene, was_guest, "moderator"),
        "admin": await become(scene, was_host, "admin"),
    }
    admin = stage.others["admin"]
    stage.sessions += [own_id, flagged_id]
    told = [reported[one["report_id"]] for one in (own_report, report)]
    return Ground(
        stage=stage,
        people={role: stage.others[role] for role in ROLES},
        own=own,
        own_id=own_id,
        stranger=stranger,
        own_flag=str(told[0]["flag_id"]),
        flag=str(told[1]["flag_id"]),
        own_evidence=str(told[0]["evidence_id"]),
        evidence=str(told[1]["evidence_id"]),
        action=actions[1],
        appeal=made["id"],
        own_appeal=appeals[0],
        decider=decider,
        refund=await _refund(scene, stage.ended_id, own["admin"].id),
        own_refund=await _refund(scene, stage.ended_id, admin.id),
        review=await _review(scene, stage.idle.id),
        own_review=await _review(scene, admin.id),
        booking=await _booking(scene, stage),
        written=await _written(scene, stage.ended_id),
        own_written=await _written(scene, own_id),
        hold=await _hold(scene, flagged_id, decider.id),
        own_hold=await _hold(scene, own_id, decider.id),
    )


async def become(scene: Scene, visitor: Visitor, role: Role) -> Visitor:
    """The same person, signed in anew with another role."""
    key = scene.stack.env["SUPABASE_SERVICE_KEY"]
    url = f"{scene.stack.sandbox_url}/auth/v1/admin/users/{visitor.id}"
    headers = {"Authorization": f"Bearer {key}"}
    async with scene.http.put(url, json={"app_metadata": {"role": role}}, headers=headers) as response:
        assert response.status == 200
    again = await scene.control("token", id=visitor.id)
    line = await scene.enter({"id": visitor.id, "name": visitor.name, **again})
    assert (await line.get("/v1/me"))["role"] == role
    return line


async def _refund(scene: Scene, session_id: str, asked_by: str) -> str:
    """A refund that waits for a second admin. Nothing was charged; who may decide is asked before that is."""
    refund_id = str(uuid.uuid4())
    connection = await asyncpg.connect(scene.stack.database.owner_dsn)
    await connection.execute("set session_replication_role = replica")
    await connection.execute(
        "insert into refunds (id, session_id, participant_no, amount_minor, currency, reason, state,"
        " requested_by, created_at_ms) values ($1, $2, 1, 1, 'usd', $3, 'pending_approval', $4, $5)",
        refund_id, session_id, WHY.encode(), asked_by, time.time_ns() // 1_000_000,
    )  # fmt: skip
    await connection.close()
    return refund_id


async def _booking(scene: Scene, stage: Stage) -> str:
    """What the two have booked with each other, long from now."""
    booking_id = str(uuid.uuid4())
    await scene.sql(
        "insert into bookings (id, practitioner_id, guest_id, request_id, starts_at_ms, ends_at_ms,"
        " price_kind,"
        " currency, rate_minor_per_minute, free_ms, fee_bps, minimum_minor, cap_minor, hold_minutes,"
        " missed_minor, free_until_ms, created_at_ms, changed_at_ms, told_version, due_at_ms)"
        " values ($1, $2, $3, $4, $5::bigint, $5::bigint + 1, 'free', 'usd', 0, 0, 0, 0, 0,"
        " 10, 0, $5::bigint, 1, 1, 1, $5::bigint)",
        booking_id, stage.host.id, stage.guest.id, booking_id, 2**42,
    )  # fmt: skip
    return booking_id


async def leave(ground: Ground) -> None:
    """Take the pretended refunds back: nobody asked for them, so the check of the money would name them."""
    connection = await asyncpg.connect(ground.scene.stack.database.owner_dsn)
    await connection.execute("delete from refunds where id = any($1)", [ground.refund, ground.own_refund])
    await connection.close()


async def _review(scene: Scene, person_id: str) -> str:
    """A suspicion of fraud that waits for an admin."""
    review_id = str(uuid.uuid4())
    await scene.sql(
        "insert into fraud_reviews (id, subject_kind, subject, opened_at_ms) values ($1, 'person', $2, 1)",
        review_id, person_id,
    )  # fmt: skip
    return review_id


async def _written(scene: Scene, session_id: str) -> str:
    """What a guest has written of a session; nobody can open it."""
    review_id = str(uuid.uuid4())
    await scene.sql(
        "insert into reviews (id, session_id, author_id, practitioner_id, ended_at_ms, created_at_ms)"
        " select $1, id, user_id, practitioner_id, coalesce(ended_at_ms, 1), 1 from sessions"
        " join participants on session_id = sessions.id and no = 1 where id = $2",
        review_id, session_id,
    )  # fmt: skip
    await scene.sql(
        "insert into review_versions (id, review_id, part, version, author_id, rating, text, state,"
        " created_at_ms)"
        " select id, id, 'review', 1, author_id, 5, 'sealed', 'published', 1 from reviews where id = $1",
        review_id,
    )
    return review_id


async def _hold(scene: Scene, session_id: str, placed_by: str) -> str:
    """A legal hold on a session, of which nobody can read a word."""
    hold_id = str(uuid.uuid4())
    await scene.sql(
        "insert into legal_holds (id, session_id, reason, placed_by, placed_at_ms, review_by_ms, ends_at_ms)"
        " values ($1, $2, $3, $4, 1, 9000000000000, 9000000000000)",
        hold_id, session_id, WHY.encode(), placed_by,
    )  # fmt: skip
    return hold_id


async def unsigned(http: aiohttp.ClientSession, hub: str, name: str, body: Json) -> list[str]:
    """What a socket hears that shows no token, is refused, and sends an event all the same."""
    url = f"{hub.replace('http', 'ws', 1)}/socket.io/?EIO=4&transport=websocket"
    async with http.ws_connect(url) as socket:
        await socket.receive_str()
        await socket.send_str("40")
        refused = await socket.receive_str()
        await socket.send_str(f"420{json.dumps([name, body])}")
        return [refused, *[str(message.data) async for message in socket]]


def ids_in(name: str) -> set[str]:
    """The fields and places of the path by which a row names something or somebody."""
    if name in EVENTS:
        body: type[msgspec.Struct] | None = HANDLERS[name].body
        found = set()
    else:
        body = ROUTE[name].body
        found = {part[1:-1] for part in ROUTE[name].path.split("/") if part.startswith("{")}
        found |= {"flag_id"} if name == "GET /v1/moderation/evidence" else set()
    told = None if body is None else type_info(body)
    fields = told.fields if isinstance(told, StructType) else ()
    names = {one.encode_name for one in fields}
    return (found | {one for one in names if one == "to" or one.endswith("_id")}) - CLIENTS_OWN


CLIENTS_OWN = {"client_id", "request_id", "purpose"}
"""Names that are nothing of anybody's: those of a client's own requests, and of what one consents to."""
