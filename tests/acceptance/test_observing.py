"""A moderator reads along: unseen by the room, on record first, for a bounded time."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import redis

from sandbox.postgres import PostgresAddress
from sandbox.visitor import Json, Visitor
from tests.acceptance.conftest import UNLIMITED, running_stack
from tests.acceptance.scene import Scene, said, until
from tests.acceptance.wrong import NOBODY
from tests.stack import Stack

REASON = "a report asks for it"
AFTER = ("alder", "birch")
LINK = "look at https://www.paypal.com@pay.example.com/session"
"""What is blocked at once."""
PHONE = "call me on +44 20 7946 0958"
"""What is held."""


@pytest.fixture(scope="module")
def brief(
    postgres_cluster: PostgresAddress,
    migrated_template: PostgresAddress,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """A stack on which an observation lasts for two seconds."""
    with running_stack(postgres_cluster, tmp_path_factory, UNLIMITED | {"OBSERVE_S": "2"}) as running:
        yield running


@pytest.fixture
async def hurried(brief: Stack) -> AsyncIterator[Scene]:
    playing = Scene(brief)
    yield playing
    await playing.close()


async def moderator_of(scene: Scene, hub: int = 0) -> Visitor:
    return await scene.enter(await scene.person("moderator"), hub)


async def say(visitor: Visitor, session_id: str, text: str, client_id: str | None = None) -> Json:
    return await visitor.ask("chat:send", session_id=session_id, client_id=client_id or text, text=text)


def told(visitor: Visitor, since: int, *, of: str) -> list[str]:
    return [body["text"] for body in said(visitor, since) if body["session_id"] == of]


async def test_a_moderator_reads_along_and_nobody_notices(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    await say(guest, session_id, "before")
    blocked = await say(guest, session_id, LINK)
    assert (blocked["seq"], blocked["status"]) == (None, "blocked")
    people = [guest, host]
    since = [person.mark for person in people]
    room = await room_of(scene, session_id)
    for hub in (0, 1):
        moderator = await moderator_of(scene, hub)
        await kept(scene, blocked["id"])
        observed = await moderator.ask("moderation:observe", session_id=session_id, reason=REASON)
        assert observed["session"]["id"] == session_id
        messages = observed["messages"]
        assert [(m["text"], m["seq"], m["status"]) for m in messages[:2]] == [
            ("before", 1, "sent"), (LINK, None, "blocked"),
        ]  # fmt: skip
        assert messages[1]["from"] == {"id": guest.id, "name": guest.name, "role": "guest"}
        assert observed["head_seq"] == 1 + hub
        mark = moderator.mark
        await say(host, session_id, AFTER[hub])
        await say(guest, session_id, LINK, f"again {hub}")
        await moderator.hear("chat:message", lambda m: m["text"] == LINK, since=mark)
        live = [(m["text"], m["seq"], m.get("status")) for m in said(moderator, mark)]
        assert live == [(AFTER[hub], 2 + hub, None), (LINK, None, "blocked")]
        await moderator.ask("moderation:unobserve", session_id=session_id)
        assert await moderator.refusal("moderation:unobserve", session_id=session_id) == "not_found"
        # Not a word of anything but the chat came to them.
        assert {name for name, _ in moderator.heard} <= {"chat:message", "moderation:flag"}
    assert [await room_of(scene, session_id)] == [room]
    for person, mark in zip(people, since, strict=True):
        assert told(person, mark, of=session_id) == list(AFTER)
        assert {name for name, _ in person.heard[mark:]} == {"chat:message"}
    joined = await guest.ask("room:join", session_id=session_id)
    assert {person["id"] for person in joined["participants"]} == {guest.id, host.id}


async def test_what_is_held_is_shown_and_what_becomes_of_it(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    moderator, other = await moderator_of(scene, 0), await moderator_of(scene, 1)
    await moderator.ask("moderation:observe", session_id=session_id, reason=REASON)
    held = await say(guest, session_id, PHONE)
    assert (held["seq"], held["status"]) == (None, "held")
    seen = await moderator.hear("chat:message", lambda m: m["id"] == held["id"])
    assert (seen["seq"], seen["status"], seen["text"]) == (None, "held", PHONE)
    observed = await other.ask("moderation:observe", session_id=session_id, reason=REASON)
    assert [(m["id"], m["status"]) for m in observed["messages"]] == [(held["id"], "held")]
    await kept(scene, held["id"])
    (flag,) = await scene.sql("select id from flags where message_id = $1", held["id"])
    act = {"session_id": session_id, "flag_id": str(flag["id"]), "action": "release", "note": "fine"}
    await other.ask("moderation:act", **act)
    for observer in (moderator, other):
        told = await observer.hear("chat:held")
        assert told == {"session_id": session_id, "message_id": held["id"], "status": "released"}
        placed = await observer.hear("chat:message", lambda m: m["seq"] == 1)
        assert (placed["id"], placed["text"]) == (held["id"], PHONE)
    await host.hear("chat:message", lambda m: m["id"] == held["id"])
    assert [m["seq"] for m in said(host)] == [1]
    # Released, it is delivered and no more than that: it is shown once.
    again = await other.ask("moderation:observe", session_id=session_id, reason=REASON)
    assert [(m["id"], m["seq"], m["status"]) for m in again["messages"]] == [(held["id"], 1, "sent")]
    rejected = await say(guest, session_id, PHONE + " now")
    await kept(scene, rejected["id"])
    (flag,) = await scene.sql("select id from flags where message_id = $1", rejected["id"])
    await other.ask("moderation:act", **{**act, "flag_id": str(flag["id"]), "action": "reject"})
    await moderator.hear("chat:held", lambda body: body["status"] == "rejected")
    again = await moderator.ask("moderation:observe", session_id=session_id, reason=REASON)
    assert [(m["id"], m["status"]) for m in again["messages"]] == [
        (held["id"], "sent"), (rejected["id"], "rejected"),
    ]  # fmt: skip


async def kept(scene: Scene, message_id: str) -> None:
    """Wait until a withheld message is evidence."""

    async def there() -> bool:
        query = "select from evidence join flags on flags.id = flag_id where message_id = $1"
        return bool(await scene.sql(query, message_id))

    await until(there, "the message never became evidence")


async def room_of(scene: Scene, session_id: str) -> object:
    """The room as it is stored, but for what is said in it."""
    with redis.Redis.from_url(scene.stack.valkey.url) as store:
        return store.hmget(f"room:{{b{session_id[-2:]}}}:{session_id}", "blob", "version", "voices")


async def test_who_observed_and_why_is_on_record_first(scene: Scene) -> None:
    _, _, session_id = await scene.couple()
    moderator = await moderator_of(scene)
    for n in range(2):
        await moderator.ask("moderation:observe", session_id=session_id, reason=f"{REASON} {n}")
    entries = await scene.sql(
        "select actor_id, actor_role from audit_entries where action = 'moderator_observed'"
        " and session_id = $1",
        session_id,
    )
    assert [(str(e["actor_id"]), e["actor_role"]) for e in entries] == [(moderator.id, "moderator")] * 2
    # Without the audit there is nothing to see.
    await scene.sql("alter table audit_entries rename to audit_entries_gone")
    try:
        other = await moderator_of(scene)
        code = await other.refusal("moderation:observe", session_id=session_id, reason=REASON)
        assert code == "unavailable"
    finally:
        await scene.sql("alter table audit_entries_gone rename to audit_entries")
    guest, host, session_id = await scene.couple()
    mark = other.mark
    await say(guest, session_id, "hello")
    await host.hear("chat:message")
    assert said(other, mark) == []


async def test_time_ends_it(hurried: Scene) -> None:
    guest, host, session_id = await hurried.couple()
    moderator = await moderator_of(hurried)
    observed = await moderator.ask("moderation:observe", session_id=session_id, reason=REASON)
    assert observed["until_ms"] > 0
    over = await moderator.hear("moderation:observed")
    assert over == {"session_id": session_id, "reason": "time_over"}
    mark = moderator.mark
    await say(guest, session_id, "unobserved")
    await host.hear("chat:message", lambda m: m["text"] == "unobserved")
    again = await moderator.ask("moderation:observe", session_id=session_id, reason=REASON)
    assert [m["text"] for m in again["messages"]] == ["unobserved"]
    assert said(moderator, mark) == []


async def test_the_sessions_end_ends_it(scene: Scene) -> None:
    guest, _, session_id = await scene.couple()
    moderators = [await moderator_of(scene, hub) for hub in (0, 1)]
    for moderator in moderators:
        await moderator.ask("moderation:observe", session_id=session_id, reason=REASON)
    await guest.ask("session:end", session_id=session_id)
    for moderator in moderators:
        over = await moderator.hear("moderation:observed")
        assert over == {"session_id": session_id, "reason": "session_over"}
        code = await moderator.refusal("moderation:observe", session_id=session_id, reason=REASON)
        assert code == "not_live"


async def test_it_lasts_while_the_rooms_people_come_and_go(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    moderator = await moderator_of(scene, 0)
    await moderator.ask("moderation:observe", session_id=session_id, reason=REASON)
    # The only person of the room on the moderator's hub goes; the other speaks on.
    await guest.drop()
    await host.hear("room:presence", lambda body: not body["present"])
    await say(host, session_id, "still here")
    await moderator.hear("chat:message", lambda m: m["text"] == "still here")
    mark = moderator.mark
    await moderator.drop()
    await say(host, session_id, "and now")
    assert said(moderator, mark) == []


async def test_a_moderator_takes_no_part(scene: Scene) -> None:
    _, _, session_id = await scene.couple()
    moderator = await moderator_of(scene)
    await moderator.ask("moderation:observe", session_id=session_id, reason=REASON)
    body: dict[str, object] = {"session_id": session_id}
    for event, more in (
        ("chat:send", {"client_id": "1", "text": "hello"}), ("chat:typing", {}), ("room:join", {}),
        ("chat:history", {"after_seq": 0, "limit": 10}), ("session:end", {}),
    ):  # fmt: skip
        assert await moderator.refusal(event, **body, **more) == "forbidden"


async def test_nobody_observes_a_case_of_their_own(scene: Scene) -> None:
    guest, _, session_id = await scene.couple()
    moderator = await moderator_of(scene)
    await guest.ask("safety:report", session_id=session_id, reason=REASON)
    await scene.sql("update reports set reporter_id = $2 where session_id = $1", session_id, moderator.id)
    code = await moderator.refusal("moderation:observe", session_id=session_id, reason=REASON)
    assert code == "forbidden"
    for blank in ("", " ", "\u00a0\t"):
        code = await moderator.refusal("moderation:observe", session_id=session_id, reason=blank)
        assert code == "bad_request"
    for other in (NOBODY, guest.id):
        assert await moderator.refusal("moderation:observe", session_id=other, reason=REASON) == "not_found"
    admin = await scene.enter(await scene.person("admin"))
    for visitor in (guest, admin):
        code = await visitor.refusal("moderation:observe", session_id=session_id, reason=REASON)
        assert code == "forbidden"


async def test_rooms_at_once_are_bounded(scene: Scene) -> None:
    moderator = await moderator_of(scene)
    rooms = [await scene.couple() for _ in range(9)]
    answers = [
        await moderator.answer("moderation:observe", {"session_id": room[2], "reason": REASON})
        for room in rooms
    ]
    assert [answer["ok"] for answer in answers] == [True] * 8 + [False]
    assert answers[8]["error"]["code"] == "conflict"
    await moderator.ask("moderation:observe", session_id=rooms[0][2], reason=REASON)


async def test_the_gap_is_filled_when_the_bus_was_away(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    moderator = await moderator_of(scene)
    await moderator.ask("moderation:observe", session_id=session_id, reason=REASON)
    for word in ("alder", "birch", "cedar", "dogwood", "elm"):
        with redis.Redis.from_url(scene.stack.valkey.url) as store:
            store.client_kill_filter(_type="pubsub")
        await say_until_heard(guest, session_id, word)
        for visitor in (host, moderator):
            await heard(visitor, word)
    assert [m["seq"] for m in said(moderator)] == [1, 2, 3, 4, 5]
    with redis.Redis.from_url(scene.stack.valkey.url) as store:
        store.client_kill_filter(_type="pubsub")
    await say_until_heard(guest, session_id, PHONE)
    withheld = await moderator.hear("chat:message", lambda message: message["text"] == PHONE)
    assert (withheld["seq"], withheld["status"]) == (None, "held")


async def heard(visitor: Visitor, text: str) -> None:
    await visitor.hear("chat:message", lambda message: message["text"] == text)


async def say_until_heard(guest: Visitor, session_id: str, text: str) -> None:
    """A hub in doubt takes nothing for a moment; the client repeats."""
    async with asyncio.timeout(20):
        while True:
            answer = await guest.answer(
                "chat:send", {"session_id": session_id, "client_id": text, "text": text}
            )
            if answer["ok"]:
                return
            assert answer["error"]["code"] == "unavailable"
            await asyncio.sleep(0.05)
