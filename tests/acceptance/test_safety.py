"""What the rules of chat do to a conversation: told to whom it concerns, and nobody else."""

from collections.abc import Callable

import redis

from hub.words import WORDS
from sandbox.visitor import Json, Visitor
from tests.acceptance.scene import Scene, said, seqs, until
from tests.acceptance.test_logs import written

CARD = "4242 4242 4242 4242"
PARTS = ("4", "15", "26", "71")
"""The beginning of a telephone number, which `REST` completes."""
REST = "234"
WITHHELD = ("held", "blocked")


async def send(who: Visitor, session_id: str, text: str, client_id: str | None = None) -> Json:
    client_id = client_id or f"c{hash(text)}-{len(who.heard)}"
    return await who.ask("chat:send", session_id=session_id, client_id=client_id, text=text)


def is_message(id_: str) -> Callable[[Json], bool]:
    return lambda body: bool(body["id"] == id_)


async def flag_of(scene: Scene, message_id: str) -> Json:
    """The flag of a message, once it is in the queue."""
    found: list[Json] = []

    async def there() -> bool:
        rows = await scene.sql("select * from flags where message_id = $1", message_id)
        found[:] = [dict(row) for row in rows]
        return bool(found)

    await until(there, "the flag never came into the queue")
    assert len(found) == 1
    return found[0]


async def test_a_number_split_over_five_lines_is_stopped_at_the_fifth(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    for part in PARTS:
        assert (await send(guest, session_id, part))["status"] == "sent"
    last = await send(guest, session_id, REST, "last")
    assert last["status"] in WITHHELD
    assert last["seq"] is None
    words = WORDS["en"].because
    assert last["because"] == {"code": "contact", "message": f"{words[last['status']]} {words['contact']}"}
    # The same again, and over another line by another hub: nothing is forgotten, and the answer is the same.
    twin = await scene.enter(guest, hub=1)
    await twin.ask("room:join", session_id=session_id, after_seq=4)
    assert await send(twin, session_id, REST, "last") == last
    assert (await send(twin, session_id, REST))["status"] in WITHHELD
    after = await send(host, session_id, "pardon?")
    assert after["seq"] == 5
    await guest.hear("chat:message", lambda body: body["seq"] == 5)
    for who in (guest, host):
        assert [message["text"] for message in said(who)] == [*PARTS, "pardon?"]
    history = await host.ask("chat:history", session_id=session_id, after_seq=0, limit=50)
    assert seqs(history["messages"]) == [1, 2, 3, 4, 5]
    transcript = await host.get(f"/v1/sessions/{session_id}/transcript")
    assert len(transcript["messages"]) == 5
    flag = await flag_of(scene, last["id"])
    assert (flag["category"], flag["seq"]) == ("contact", None)
    assert flag["verdict"] in ("hold", "block")
    kept = await scene.sql("select kind from evidence where flag_id = $1", flag["id"])
    assert [row["kind"] for row in kept] == ["message"]


async def test_two_lines_of_one_person_on_two_hubs_are_one_window(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    twin = await scene.enter(guest, hub=1)
    await twin.ask("room:join", session_id=session_id)
    for number, part in enumerate(PARTS):
        who = (guest, twin)[number % 2]
        sent = await send(who, session_id, part)
        assert sent["status"] == "sent"
        for line in (guest, twin):
            await line.hear("chat:message", is_message(sent["id"]))
    assert (await send(guest, session_id, REST))["status"] in WITHHELD
    assert len(said(host)) == 4


async def test_disguises_do_not_help(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    for text in (
        "mail me: \u0430nna@gmail.com",
        "ann\u200da@gm\u2060ail.com",
        "06\u200b12\u200b34\u200b56\u200b78",
        "\uff10\uff16 \uff11\uff12 \uff13\uff14 \uff15\uff16 \uff17\uff18",
        "call zero six twelve thirty four fifty six seventy eight",
    ):
        answer = await send(guest, session_id, text)
        assert answer["status"] in WITHHELD, text
        assert answer["seq"] is None
    assert (await send(host, session_id, "hm"))["seq"] == 1
    await guest.hear("chat:message")
    assert len(said(guest)) == len(said(host)) == 1


async def test_words_are_in_the_persons_own_language(scene: Scene) -> None:
    guest = await scene.enter(await scene.person("guest"), language="fr-BE")
    host = await scene.host(1)
    session_id = await scene.live(guest, host)
    withheld = await send(guest, session_id, "06 12 34 56 78")
    words = WORDS["fr"].because
    assert withheld["because"]["message"] == f"{words[withheld['status']]} {words['contact']}"


async def test_the_number_of_a_card_reaches_nobody_and_no_store(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    answer = await send(guest, session_id, f"here it is: {CARD}", "card")
    heard = await host.hear("chat:message")
    assert answer["status"] == "sent"
    assert CARD not in str(heard)
    assert answer["because"]["code"] == "card_number"
    assert await send(guest, session_id, f"here it is: {CARD}", "card") == answer
    await flag_of(scene, answer["id"])
    await guest.ask("session:end", session_id=session_id)
    await guest.state(session_id, "settled")
    transcript = await guest.get(f"/v1/sessions/{session_id}/transcript")
    assert CARD not in str(transcript)
    assert "4242" in str(transcript["messages"][0]["text"])
    assert CARD not in written(scene.stack)
    assert CARD.replace(" ", "") not in written(scene.stack)
    for needle in (CARD, CARD.replace(" ", "")):
        assert not in_store(scene, needle.encode())
    tables = await scene.sql("select tablename from pg_tables where schemaname = 'public'")
    for row in tables:
        query = f"select count(*) from {row['tablename']} t where t::text like '%' || $1 || '%'"
        for needle in (CARD, CARD.replace(" ", "")):
            assert (await scene.sql(query, needle))[0]["count"] == 0, row["tablename"]


def in_store(scene: Scene, needle: bytes) -> bool:
    """Whether bytes lie anywhere in the live store, in its memory or its file."""
    with redis.Redis.from_url(scene.stack.valkey.url) as store:
        dumps = (store.dump(key) or b"" for key in store.scan_iter(count=1000))
        if any(needle in dump for dump in dumps):
            return True
    files = (scene.stack.directory / "valkey").rglob("*")
    return any(needle in path.read_bytes() for path in files if path.is_file())


async def test_what_is_flagged_is_delivered_and_looked_at(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    answer = await send(guest, session_id, "some days I want to die")
    assert (answer["status"], answer["seq"], "because" in answer) == ("sent", 1, False)
    assert (await host.hear("chat:message"))["text"] == "some days I want to die"
    flag = await flag_of(scene, answer["id"])
    assert (flag["category"], flag["severity"], flag["seq"]) == ("distress", "critical", 1)
    assert (str(flag["user_id"]), str(flag["session_id"])) == (guest.id, session_id)


async def test_distress_brings_help_to_one_and_a_word_to_the_other(scene: Scene) -> None:
    person = await scene.person("guest")
    await scene.sql("update people set country = 'FR' where id = $1", person["id"])
    guest = await scene.enter(person, language="fr")
    beside = await scene.enter(guest, hub=1, language="en")
    host = await scene.host(1)
    session_id = await scene.live(guest, host)
    assert (await send(guest, session_id, "j'ai envie de mourir"))["status"] == "sent"
    notice = await guest.hear("safety:notice")
    assert (notice["code"], notice["session_id"]) == ("distress_help", session_id)
    assert notice["message"] == WORDS["fr"].notices["distress_help"]
    assert notice["help"]["country"] == "FR"
    assert any(item.get("phone") == "3114" for item in notice["help"]["items"])
    assert (await beside.hear("safety:notice"))["message"] == WORDS["en"].notices["distress_help"]
    alert = await host.hear("safety:notice")
    assert (alert["code"], alert["message"]) == ("distress_alert", WORDS["en"].notices["distress_alert"])
    # Each message is looked at; help is shown once, whatever follows.
    again = await send(guest, session_id, "vraiment, j'ai envie de mourir")
    assert (await flag_of(scene, again["id"]))["category"] == "distress"
    assert (await send(guest, session_id, "merci"))["status"] == "sent"
    assert guest.count("safety:notice") == host.count("safety:notice") == 1


async def test_names_deceive_nobody(scene: Scene) -> None:
    made = await scene.control("people", role="guest", count=1)
    await scene.sql("delete from cards where person_id = $1", made[0]["id"])
    await scene.sql("delete from people where id = $1", made[0]["id"])
    headers = {"Authorization": "Bearer sandbox-service-role-key", "apikey": "sandbox-service-role-key"}
    url = f"{scene.stack.sandbox_url}/auth/v1/admin/users/{made[0]['id']}"
    name = "\u202eevE\u202c" + "\u0335" * 60
    async with scene.http.put(url, json={"user_metadata": {"name": name}}, headers=headers) as response:
        assert response.status == 200
    login = {"email": made[0]["email"], "password": "sandbox"}
    token = f"{scene.stack.sandbox_url}/auth/v1/token?grant_type=password"
    async with scene.http.post(token, json=login, headers=headers) as response:
        person = {"id": made[0]["id"], "access_token": (await response.json())["access_token"]}
    visitor = await scene.enter(person)
    assert (await visitor.get("/v1/me"))["name"] == "evE" + "\u0335" * 3


async def test_who_may_be_a_minor_begins_nothing_new_until_somebody_has_looked(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    answer = await send(guest, session_id, "I'm 15 years old")
    assert answer["status"] == "sent"
    flag = await flag_of(scene, answer["id"])
    assert (flag["category"], flag["severity"]) == ("minor", "high")
    # What runs goes on; it is a moderator who ends it.
    assert (await send(host, session_id, "pardon?"))["seq"] == 2
    await host.ask("session:end", session_id=session_id)
    await scene.shown(guest, host.id, "online")
    assert await guest.refusal("session:request", practitioner_id=host.id, request_id="again") == "forbidden"
    moderator = await scene.enter(await scene.person("moderator"))
    claimed = await moderator.ask("moderation:claim", flag_id=str(flag["id"]), version=flag["version"])
    assert claimed["flag"]["status"] == "claimed"
    assert await guest.refusal("session:request", practitioner_id=host.id, request_id="again") == "forbidden"
    await moderator.ask(
        "moderation:act",
        session_id=session_id,
        flag_id=str(flag["id"]),
        action="dismiss",
        note="it was a joke",
    )
    await guest.ask("session:request", practitioner_id=host.id, request_id="again")


async def test_a_moderator_releases_rejects_and_takes_out(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    moderator = await scene.enter(await scene.person("moderator"), hub=1)
    observed = await moderator.ask("moderation:observe", session_id=session_id, reason="to see what is held")
    assert observed["messages"] == []

    async def act(message_id: str, action: str) -> None:
        flag = await flag_of(scene, message_id)
        await moderator.ask("moderation:claim", flag_id=str(flag["id"]), version=flag["version"])
        await moderator.ask(
            "moderation:act", session_id=session_id, flag_id=str(flag["id"]), action=action, note="looked at"
        )

    held = await send(guest, session_id, "mail me: anna@gmail.com")
    seen = await moderator.hear("chat:message", lambda body: body["id"] == held["id"])
    assert (seen["seq"], seen["status"], seen["text"]) == (None, "held", "mail me: anna@gmail.com")
    await act(held["id"], "release")
    told = await host.hear("chat:message", lambda body: body["id"] == held["id"])
    assert told["seq"] == 1
    await guest.hear("safety:notice", lambda body: body["code"] == "message_released")
    await moderator.hear("chat:held", lambda body: body["status"] == "released")

    refused = await send(guest, session_id, "or: anna2@gmail.com")
    await act(refused["id"], "reject")
    await guest.hear("safety:notice", lambda body: body["code"] == "message_rejected")
    await moderator.hear("chat:held", lambda body: body["status"] == "rejected")

    answer = await send(guest, session_id, "I'm 15 years old")
    await host.hear("chat:message", lambda body: body["id"] == answer["id"])
    await act(answer["id"], "reject")
    for who in (guest, host, moderator):
        assert await who.hear("chat:removed") == {"session_id": session_id, "seq": answer["seq"]}
    await send(host, session_id, "well")
    history = await host.ask("chat:history", session_id=session_id, after_seq=0, limit=50)
    assert history["messages"][1] == {"seq": 2, "removed": True}
    assert seqs(history["messages"]) == [1, 2, 3]
    await guest.ask("session:end", session_id=session_id)
    await guest.state(session_id, "settled")
    transcript = await host.get(f"/v1/sessions/{session_id}/transcript")
    texts = [message.get("text") for message in transcript["messages"]]
    assert texts == ["mail me: anna@gmail.com", None, "well"]
    (row,) = await scene.sql(
        "select body, body_sha256 from messages where session_id = $1 and seq = 2", session_id
    )
    assert (row["body"], len(row["body_sha256"])) == (None, 32)
