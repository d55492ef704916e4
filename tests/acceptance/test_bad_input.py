"""Everything that may be wrong with every event: each is refused with a code of the contract, and nothing of
it has any effect. The cases are made from the events' own structs, so a new event is tried the same way.
"""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
import redis
from msgspec.inspect import type_info

from hub.events import HANDLERS
from sandbox.visitor import Json, Visitor
from tests.acceptance.scene import Scene
from tests.acceptance.wrong import NOBODY, wrong_values

CODES = {
    "bad_request", "unauthenticated", "payment_required", "card_declined", "action_required", "forbidden",
    "underage", "policy_pending", "blocked", "muted", "not_found", "conflict", "busy", "not_live",
    "offline", "expired", "too_large", "rate_limited",
}  # fmt: skip
"""`unavailable` is left out: bad input is never the hub's own trouble."""
MINE = "session_id in (select session_id from participants where user_id = any($1))"
RECORD = {
    "people": "select * from people where id = any($1)",
    "cards": "select * from cards where person_id = any($1)",
    "practices": "select * from practices where practitioner_id = any($1)",
    "sessions": f"select * from (select id as session_id, * from sessions) s where {MINE}",
    "participants": f"select * from participants where {MINE}",
    "intervals": f"select * from intervals where {MINE}",
    # The messages of an open session follow its checkpoints; there the stream's length says what was said.
    "messages": f"select * from messages m where {MINE} and exists "
    "(select from sessions s where s.id = m.session_id and s.settled_at_ms is not null)",
    "settlements": f"select * from settlements where {MINE}",
    "ledger": f"select * from ledger_transactions where {MINE}",
    # How far an operation got is the worker's, and goes on meanwhile; which there are is not.
    "operations": f"select id, kind, ordinal, attempt, params::text from payment_ops where {MINE}",
    "cases": f"select * from cases where {MINE}",
    "consents": "select * from consents where person_id = any($1)",
    "recordings": "select * from recordings where practitioner_id = any($1)",
    "flags": "select * from flags where user_id = any($1)",
    "actions": "select * from moderation_actions where user_id = any($1)",
    "strikes": "select * from strikes where user_id = any($1)",
    "reports": "select * from reports where reporter_id = any($1)",
    "blocks": "select * from blocks where blocker_id = any($1)",
}
"""Everything in Postgres of the people on the stage, `$1`."""


@dataclass
class Stage:
    """Two couples in live sessions, an ended session of the first, and one person of every role."""

    scene: Scene
    guest: Visitor
    host: Visitor
    session_id: str
    ended_id: str
    foreign_id: str
    others: dict[str, Visitor]
    idle: Visitor
    sessions: list[str]

    def who(self, name: str) -> Visitor:
        """Somebody whose role may send this event, and who is where it could have an effect."""
        if name == "session:request":
            return self.idle
        who = HANDLERS[name].who
        return next(self.others[role] for role in ("guest", "practitioner", "moderator") if role in who)

    def body(self, name: str) -> Json:
        """A body that is right in form, and whose event makes sense here or fails for its state alone."""
        told = type_info(HANDLERS[name].body)
        assert isinstance(told, msgspec.inspect.StructType)
        known = {
            "session_id": self.session_id,
            "practitioner_id": self.host.id,
            "request_id": uuid.uuid4().hex,
            "client_id": uuid.uuid4().hex,
            "text": "hello",
            "seq": 0,
            "after_seq": 0,
            "limit": 10,
            "to": self.host.id,
            "data": {},
            "token": self.who(name).token,
            "user_id": self.guest.id if name.startswith("room:") else self.host.id,
            "flag_id": None if name == "moderation:act" else NOBODY,
            "version": 1,
            "action": "mute",
            "duration_s": 60,
            "reason": "because",
            "note": "and so",
            "message_id": str(uuid.uuid4()),
            "cap_minor": 1_000,
            "minutes": 5,
            "name": "app_opened",
            "props": {"device": "phone"},
        }
        return {one.encode_name: known[one.encode_name] for one in told.fields}

    async def snapshot(self) -> dict[str, object]:
        """Everything that must stay as it is: the rooms in Valkey, and the record in Postgres."""
        with redis.Redis.from_url(self.scene.stack.valkey.url) as store:
            rooms = []
            for session_id in self.sessions:
                tag = f"{{b{session_id[-2:]}}}"
                rooms.append(store.hgetall(f"room:{tag}:{session_id}"))
                rooms.append(store.xlen(f"chat:{tag}:{session_id}"))
                rooms.append(store.xlen(f"log:{tag}:{session_id}"))
        people = [self.idle.id, *(visitor.id for visitor in self.others.values())]
        digests = [
            f"select '{what}' as what, md5(coalesce(string_agg(t::text, '' order by t::text), '')) as rows "
            f"from ({query}) t"
            for what, query in RECORD.items()
        ]
        rows = await self.scene.sql(" union all ".join(digests), people)
        return {"rooms": rooms, **{row["what"]: row["rows"] for row in rows}}


@pytest.fixture
async def stage(scene: Scene) -> Stage:
    guest, host = await scene.guest(0), await scene.host(1)
    ended_id = await scene.live(guest, host)
    await guest.ask("session:end", session_id=ended_id)
    await guest.state(ended_id, "settled")
    await scene.shown(guest, host.id, "online")
    session_id = await scene.live(guest, host)
    await guest.ask("chat:send", session_id=session_id, client_id="1", text="before")
    _, _, foreign_id = await scene.couple()
    others = {role: await scene.enter(await scene.person(role)) for role in ("moderator", "admin")}
    others |= {"guest": guest, "practitioner": host}
    sessions = [session_id, ended_id, foreign_id]
    idle = await scene.guest()
    return Stage(scene, guest, host, session_id, ended_id, foreign_id, others, idle, sessions)


def malformed(name: str, body: Json) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Argument lists that are wrong in form, each with a word on what is wrong."""
    yield "no argument", ()
    yield "two arguments", (body, body)
    yield "a second, empty one", (body, None)
    yield "in a list", ([body],)
    yield "null", (None,)
    yield "text", (json.dumps(body),)
    yield "a number", (1,)
    yield "an unknown field", ({**body, "role": "admin"},)
    yield "an unknown empty field", ({**body, "": None},)
    told = type_info(HANDLERS[name].body)
    assert isinstance(told, msgspec.inspect.StructType)
    for one in told.fields:
        if one.required:
            rest = {key: value for key, value in body.items() if key != one.encode_name}
            yield f"without {one.encode_name}", (rest,)
        yield f"{one.encode_name} in capitals", ({**body, one.encode_name.upper(): body[one.encode_name]},)
        for what, value in wrong_values(one):
            if name != "auth:refresh" or not isinstance(value, str):
                yield f"{one.encode_name}: {what}", ({**body, one.encode_name: value},)


OF_LIVE_ROOMS = {"room:knock", "room:admit", "room:deny", "room:lobby"}
"""Of a session of two there is no lobby."""


def wanting(name: str, stage: Stage) -> Iterator[tuple[str, Json, set[str]]]:
    """Bodies that are right in form and yet name what is not there, not theirs, or not in that state."""
    body = stage.body(name)
    if "session_id" in body:
        yield "nobody's session", {**body, "session_id": NOBODY}, {"not_found"}
        if name not in ANY_SESSION:
            yield "somebody else's session", {**body, "session_id": stage.foreign_id}, {"not_found"}
        yield "a person's id", {**body, "session_id": stage.host.id}, {"not_found"}
        if name not in REPEATABLE_AFTER_THE_END:
            codes = {"not_found"} if name in OF_LIVE_ROOMS else {"not_live", "conflict"}
            yield "a session that is over", {**body, "session_id": stage.ended_id}, codes
    for who in {"to", "user_id", "practitioner_id"} & body.keys():
        yield f"{who}: nobody", {**body, who: NOBODY}, {"not_found"}
        yield f"{who}: not that kind", {**body, who: stage.idle.id}, {"not_found"}
    if name == "analytics:event":
        yield "without consent", body, {"forbidden"}
        for prop, value in [
            ("device", "watch"), ("text", "hello"), ("os_major", 1.5), ("os_major", True), ("os", []),
        ]:  # fmt: skip
            yield f"props {prop}", {**body, "props": {prop: value}}, {"bad_request"}
        yield "an event that is not on the list", {**body, "name": "keystroke"}, {"bad_request"}
    if name in OUT_OF_STATE:
        yield "at the wrong time", body, OUT_OF_STATE[name]
    if name == "auth:refresh":
        for token in ("", "x", "a.b.c", stage.idle.token + "x"):
            yield f"token {token[:5]}", {"token": token}, {"unauthenticated"}
        yield "somebody else's token", {"token": stage.idle.token}, {"forbidden"}


REPEATABLE_AFTER_THE_END = {
    "session:end", "chat:history", "room:leave", "safety:report", "moderation:unobserve",
    "room:remove", "recording:stop",
}  # fmt: skip
"""Events that a client may send late: they answer as before and change nothing."""

ANY_SESSION = {"moderation:observe"}
"""Events of moderators, to whom nobody's session is foreign but their own."""

OUT_OF_STATE = {
    "session:request": {"busy"},
    "session:decline": {"conflict"},
    "session:cancel": {"conflict"},
}
"""Events that make no sense in a live session."""


@pytest.mark.parametrize("name", HANDLERS)
async def test_what_is_wrong_is_refused_and_changes_nothing(stage: Stage, name: str) -> None:
    sender, before = stage.who(name), await stage.snapshot()
    wrong = [
        *[(sender, what, args, {"bad_request"}) for what, args in malformed(name, stage.body(name))],
        *[(sender, what, (body,), codes) for what, body, codes in wanting(name, stage)],
        *[
            (stage.others[role], f"as {role}", (stage.body(name),), {"forbidden"})
            for role in stage.others.keys() - HANDLERS[name].who
        ],
    ]
    assert len(wrong) >= 9
    answers = [(what, await who.answer(name, *args), codes) for who, what, args, codes in wrong]
    assert [problem for told in answers if (problem := problem_with(*told))] == []
    assert await stage.snapshot() == before
    assert not sender.ended.is_set()


def problem_with(what: str, answer: Json, codes: set[str]) -> str | None:
    """What is not as it should be with a refusal: one of these codes, in the contract's form."""
    if answer["ok"] is not False:
        return f"{what}: accepted with {answer}"
    error: dict[str, Any] = answer["error"]
    good = (
        error["code"] in codes & CODES
        and isinstance(error["message"], str)
        and isinstance(error["retryable"], bool)
        and error.keys() <= {"code", "message", "retryable", "retry_after_ms", "fields"}
    )
    return None if good else f"{what}: {error}"


async def test_an_unknown_event_is_refused(stage: Stage) -> None:
    before = await stage.snapshot()
    for name in ("session:destroy", "CHAT:SEND", "chat:message", "x" * 64, "session:state"):
        assert problem_with(name, await stage.guest.answer(name, {}), {"bad_request"}) is None
    assert await stage.snapshot() == before
