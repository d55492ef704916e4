"""Markup and trickery in what people write and in what they are called: carried as text, shown as text."""

import json
from collections.abc import Iterator

import pytest

from hub.routes.topics import ROUTES
from sandbox.visitor import Json, Visitor
from tests.acceptance.scene import Scene, said

MARKUP = "<img src=x onerror=alert(1)>"
TEXTS = (
    MARKUP,
    '"><svg/onload=alert(1)>',
    "</script><script>alert(1)</script>",
    "{{7*7}} ${7*7} %(text)s",
    "javascript&#58;alert(1)",
    "' or 1=1 --",
)
HIDDEN = "\u202e\u202d\u2066\u2069\u200f\u061c"
"""Controls that turn around what is written after them."""
ZALGO = "".join(letter + "\u0335\u0351\u0301" * 7 for letter in "Eve")
SANE_MARKS = 3
"""Combining marks upon one letter that a name keeps."""
STAFF = ("moderator", "admin")


KEPT = {"cards": "person_id", "practices": "practitioner_id"}


async def named(scene: Scene, role: str, name: str) -> Json:
    """A person who calls themselves so, and was never here: their profile is made when they first come."""
    (person,) = await scene.control("people", role=role, count=1)
    headers = {"Authorization": "Bearer sandbox-service-role-key", "apikey": "sandbox-service-role-key"}
    url = f"{scene.stack.sandbox_url}/auth/v1"
    body = {"user_metadata": {"name": name}}
    async with scene.http.put(f"{url}/admin/users/{person['id']}", json=body, headers=headers) as response:
        assert response.status == 200
    login = {"email": person["email"], "password": "sandbox"}
    async with scene.http.post(f"{url}/token?grant_type=password", json=login, headers=headers) as response:
        token = (await response.json())["access_token"]
    rows = {
        table: await scene.sql(
            f"delete from {table} where {key} = $1 returning to_jsonb({table}) as row", person["id"]
        )
        for table, key in KEPT.items()
    }
    await scene.sql("delete from people where id = $1", person["id"])
    made = {"id": person["id"], "name": name, "access_token": token}
    await (await scene.enter(made)).get("/v1/me")
    await scene.sql("update people set adult = true, policy_accepted_ms = 1 where id = $1", made["id"])
    for table, kept in rows.items():
        for row in kept:
            await scene.sql(
                f"insert into {table} select * from jsonb_populate_record(null::{table}, $1)", row["row"]
            )
    return made


async def heard(who: Visitor, message_id: str) -> Json:
    return await who.hear("chat:message", lambda body: body["id"] == message_id)


async def test_markup_in_a_message_is_text_for_everybody(scene: Scene) -> None:
    """To the room, to whoever joins later, in the transcript, and to the moderator who opens the report."""
    guest, host, session_id = await scene.couple()
    moderator = await scene.enter(await scene.person("moderator"), 0)
    await moderator.ask("moderation:observe", session_id=session_id, reason=MARKUP)
    for number, text in enumerate(TEXTS):
        sent = await guest.ask("chat:send", session_id=session_id, client_id=str(number), text=text)
        assert sent["status"] == "sent"
        for who in (host, moderator):
            assert (await heard(who, sent["id"]))["text"] == text
    last = said(host)[-1]["id"]
    filed = await host.ask(
        "safety:report", session_id=session_id, message_id=last, reason=MARKUP, note=TEXTS[1]
    )
    await guest.ask("session:end", session_id=session_id)
    await guest.state(session_id, "settled")
    transcript = await host.get(f"/v1/sessions/{session_id}/transcript")
    assert [message["text"] for message in transcript["messages"]] == list(TEXTS)
    (row,) = await scene.sql("select evidence_id from reports where id = $1", filed["report_id"])
    opened = (await moderator.get(f"/v1/moderation/evidence/{row['evidence_id']}"))["snapshot"]
    assert [message["text"] for message in opened["messages"]] == list(TEXTS)
    assert (opened["reason"], opened["note"]) == (MARKUP, TEXTS[1])


async def test_no_answer_of_the_hub_is_a_page_with_their_markup(scene: Scene) -> None:
    """Every path that can be read, as everybody who may read it: JSON that no browser takes for a page, or a
    page in which nothing of theirs is markup and no script runs.
    """
    guest = await scene.enter(await named(scene, "guest", MARKUP))
    host = await scene.host(1)
    session_id = await scene.live(guest, host)
    await guest.ask("chat:send", session_id=session_id, client_id="1", text=MARKUP)
    await host.ask("safety:report", session_id=session_id, reason=MARKUP)
    await guest.ask("session:end", session_id=session_id)
    await guest.state(session_id, "settled")
    people = [guest, host, *[await scene.enter(await scene.person(role)) for role in STAFF]]
    ids = await ids_of(scene, session_id, guest)
    pages = 0
    for path in paths(ids):
        for who in people:
            pages += await is_harmless(scene, who, path)
    # The receipt of both people, and the front door to all four.
    assert pages >= 2 + len(people)
    status, kind, page = await guest.get_text(f"/v1/sessions/{session_id}/receipt", format="html")
    assert (status, kind) == (200, "text/html")
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


async def ids_of(scene: Scene, session_id: str, guest: Visitor) -> list[str]:
    flags = await scene.sql("select id from flags where session_id = $1", session_id)
    kept = await scene.sql("select id from evidence where session_id = $1", session_id)
    return [session_id, guest.id, *(str(row["id"]) for row in (*flags, *kept))]


def paths(ids: list[str]) -> Iterator[str]:
    """Everything that can be read, with every id there is and as every form."""
    for path in ("/", "/front.css", "/v1/openapi.json", "/v1/asyncapi.json", f"/{MARKUP}", f"/v1/{MARKUP}"):
        yield path
    for route in ROUTES:
        if route.method == "GET":
            before, found, after = route.path.partition("{")
            after = after.partition("}")[2]
            for path in [f"{before}{id_}{after}" for id_ in ids] if found else [route.path]:
                yield path
                yield f"{path}?format=html"
                yield f"{path}?format={MARKUP}"


async def is_harmless(scene: Scene, who: Visitor, path: str) -> bool:
    """Whether it was a page; one that does harm fails."""
    headers = {"Authorization": f"Bearer {who.token}", "Accept": "text/html"}
    async with scene.http.get(f"{who.hub}{path}", headers=headers) as response:
        text, kind = await response.text(), response.content_type
        assert response.status < 500, path
        assert response.headers["X-Content-Type-Options"] == "nosniff", path
        if kind == "application/json":
            json.loads(text)
            return False
        assert MARKUP not in text, (path, kind)
        if kind != "text/html":
            return False
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy, path
        assert "unsafe" not in policy, path
        assert "<script" not in text, path
        return True


@pytest.mark.parametrize("role", ["guest", "practitioner"])
async def test_a_name_turns_nothing_around_and_covers_nothing(scene: Scene, role: str) -> None:
    """In everything that others are told: offers, rooms, messages, what moderators see, the bill."""
    person = await named(scene, role, f"{HIDDEN}\u202egpj.exe\n\r\t {ZALGO}")
    if role == "guest":
        guest, host = await scene.enter(person), await scene.host(1)
    else:
        guest, host = await scene.guest(), await scene.enter(person, 1)
        await host.ask("practitioner:online")
    session_id = await scene.live(guest, host)
    moderator = await scene.enter(await scene.person("moderator"), 1)
    observed = await moderator.ask("moderation:observe", session_id=session_id, reason="to see the names")
    for who in (guest, host):
        sent = await who.ask("chat:send", session_id=session_id, client_id=who.id, text="hello")
        await heard(moderator, sent["id"])
    await guest.ask("session:end", session_id=session_id)
    await guest.state(session_id, "settled")
    _, _, page = await guest.get_text(f"/v1/sessions/{session_id}/receipt", format="html")
    seen = [
        page,
        *(
            json.dumps(told, ensure_ascii=False)
            for told in (observed, host.heard, guest.heard, moderator.heard)
        ),
        json.dumps(await host.get("/v1/me/sessions"), ensure_ascii=False),
        json.dumps(await moderator.get(f"/v1/moderation/people/{person['id']}"), ensure_ascii=False),
    ]
    for text in seen:
        assert not set(HIDDEN) & set(text)
        assert "\u0335\u0351\u0301" * SANE_MARKS not in text
    assert "gpj.exe" in "".join(seen)
