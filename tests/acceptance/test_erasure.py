"""Somebody did all that one can do, and is erased: nothing of them is left, and everything else goes on."""

import asyncio
import io
import uuid

import aiohttp
from PIL import Image

from sandbox.visitor import Json, Visitor
from tests.acceptance.moderated import moderator
from tests.acceptance.residue import Search
from tests.acceptance.scene import FAST_MINOR_PER_MINUTE, Scene, until
from tests.acceptance.test_people import change, send
from tests.acceptance.test_purge import REMOVED_WITHIN_S, check, said_in, verifies

SAID = "the-sentence-by-which-they-are-known"
REASON = "what-they-wrote-in-their-report"
APPEAL = "what-they-wrote-in-their-appeal"
ABOUT = "what-they-wrote-about-their-work"
NOTED = "what-staff-wrote-about-them"
PHONE = "+4915112340987"
NAME = "Wilhelmina Unverwechselbar"
KNOWN_BY_ID = {"audit_entries.subject_id", "audit_entries.actor_id", "subject_keys.subject_id"}
"""Where the id itself stays, and why: the audit chain covers it, and a key that was destroyed is never made
anew. It leads to nobody: neither sign-in nor profile nor any vendor has it."""


async def everything(scene: Scene, guest: Visitor, host: Visitor) -> tuple[str, str]:
    """Whatever one can leave behind; the session, and what Stripe calls them."""
    await change(guest, name=NAME, phone=PHONE, country="DE", language="fr")
    picture = io.BytesIO()
    Image.new("RGB", (200, 200), "navy").save(picture, "PNG")
    headers = {"Authorization": f"Bearer {guest.token}", "Content-Type": "image/png"}
    async with (
        aiohttp.ClientSession() as http,
        http.put(f"{guest.hub}/v1/me/avatar", data=picture.getvalue(), headers=headers) as response,
    ):
        assert response.status == 200, await response.text()
    for purpose in ("analytics", "sms", "recording"):
        status, told = await send(guest, "PUT", f"/v1/me/consents/{purpose}", {"granted": True})
        assert status == 200, told
    await guest.ask("analytics:event", name="app_opened", props={"device": "phone"})
    session_id = await scene.live(guest, host, 200_000)
    await guest.ask("chat:send", session_id=session_id, client_id="by-their-client", text=SAID)
    await host.ask("chat:send", session_id=session_id, client_id="2", text="And I am still here.")

    async def worth_charging() -> bool:
        return bool((await guest.ask("room:join", session_id=session_id))["meter"]["amount_minor"] > 200)

    await until(worth_charging, "time stands still")
    await guest.ask("safety:report", session_id=session_id, reason="other", user_id=host.id, note=REASON)
    staff = await moderator(scene)
    warned = await staff.ask(
        "moderation:act", session_id=session_id, action="warn", user_id=guest.id, note=NOTED
    )
    await guest.post("/v1/me/appeals", {"action_id": warned["action_id"], "text": APPEAL})
    await guest.ask("session:end", session_id=session_id)
    await guest.state(session_id, "settled")
    await guest.post(f"/v1/sessions/{session_id}/tip", {"amount_minor": 300})
    apply = {
        "headline": ABOUT, "about": ABOUT, "topics": ["grief"], "rate_minor_per_minute": 300,
        "currency": "usd",
    }  # fmt: skip
    await guest.post("/v1/me/practitioner", apply)
    stranger = await scene.person("practitioner")
    await guest.ask("safety:block", user_id=stranger["id"])
    (card,) = await scene.sql("select stripe_customer from cards where person_id = $1", guest.id)
    return session_id, str(card["stripe_customer"])


async def gone(scene: Scene, guest: Visitor) -> None:
    """Their time has come; wait until it is done."""
    await scene.sql(
        "update erasures set next_at_ms = 0, cancellable_until_ms = 0 where user_id = $1", guest.id
    )

    async def done() -> bool:
        return not await scene.sql("select from erasures where user_id = $1", guest.id)

    await until(done, "they were never erased", within_s=REMOVED_WITHIN_S)


async def test_nothing_of_them_is_left_anywhere(scene: Scene) -> None:
    person = await scene.person("guest")
    guest = await scene.enter(person, 0, language="fr")
    host = await scene.host(1, rate_minor=FAST_MINOR_PER_MINUTE)
    session_id, customer = await everything(scene, guest, host)
    receipt = await host.get(f"/v1/sessions/{session_id}/receipt")
    search = Search({
        "name": NAME, "first name": person["name"], "e-mail": person["email"], "phone": PHONE, "id": guest.id,
        "text": SAID, "report": REASON, "appeal": APPEAL, "about": ABOUT, "note": NOTED, "customer": customer,
        "client": "by-their-client",
    })  # fmt: skip
    # It finds what is there: a search that finds nothing says nothing.
    before = {found.partition(": ")[2].partition(",")[0] for found in await search.tables(dsn(scene))}
    assert before >= {"name", "e-mail", "phone", "id", "customer", "client"}
    live = await search.keys(scene.stack.valkey.url)
    assert {found.rpartition(": ")[2].partition(",")[0] for found in live} >= {"name", "id"}

    status, asked = await send(guest, "DELETE", "/v1/me")
    assert (status, asked["state"]) == (200, "requested")
    told = await guest.hear("notice", lambda body: body["code"] == "erasure_requested")
    assert told["message"].startswith("Votre demande")
    assert (
        await guest.refusal("session:request", practitioner_id=host.id, request_id="another") == "forbidden"
    )
    # An archive is under way when their time comes.
    status, export = await send(guest, "POST", "/v1/me/exports")
    assert status == 200, export
    await gone(scene, guest)

    async with asyncio.timeout(20):
        await guest.ended.wait()
    await outside(scene, guest, asked["receipt"], customer)

    async def forgotten() -> bool:
        return (await said_in(host, session_id))[0]["text"] is None

    await until(forgotten, "a hub still reads what they wrote")
    left = [one for one in await search.tables(dsn(scene)) if one.partition(": ")[0] not in KNOWN_BY_ID]
    assert left == []
    here = {line for line in await search.keys(scene.stack.valkey.url) if not line.startswith("revoked:")}
    assert here == set()
    assert search.logs(scene.stack.directory) == []

    # The other one goes on: the session, the receipt and the transcript are what they were, but for a name.
    told = await host.get(f"/v1/sessions/{session_id}/transcript")
    assert [one["text"] for one in told["messages"]] == [None, "And I am still here."]
    assert verifies(session_id, told)
    after = await host.get(f"/v1/sessions/{session_id}/receipt")
    assert after["guest"]["name"] == "Removed person"
    assert {**after, "guest": None} == {**receipt, "guest": None, "tip_minor": after["tip_minor"],
                                        "total_minor": after["total_minor"]}  # fmt: skip
    assert await check(scene) == 0
    assert await nobody_leads_to(scene, guest.id, session_id)


def dsn(scene: Scene) -> str:
    return scene.stack.database.owner_dsn


async def outside(scene: Scene, guest: Visitor, receipt: str, customer: str) -> None:
    """What everybody else is told: the token is worth nothing, Stripe has no customer, the receipt is
    there.
    """
    headers = {"Authorization": f"Bearer {guest.token}"}
    for hub in scene.stack.hub_urls:
        for path in ("/v1/me", "/v1/me/sessions", "/v1/me/access", "/v1/me/erasure"):
            async with scene.http.get(f"{hub}{path}", headers=headers) as response:
                assert response.status == 401, path
        async with scene.http.get(f"{hub}/v1/erasures/{receipt}") as response:
            told: Json = await response.json()
            assert (told["state"], set(told)) == (
                "done", {"receipt", "state", "requested_at_ms", "due_by_ms", "done_at_ms"}
            )  # fmt: skip
    key = scene.stack.env["STRIPE_SECRET_KEY"]
    url = f"{scene.stack.sandbox_url}/stripe/v1/customers/{customer}"
    async with scene.http.get(url, headers={"Authorization": f"Bearer {key}"}) as response:
        assert (await response.json()).get("deleted") is True


async def nobody_leads_to(scene: Scene, user_id: str, session_id: str) -> bool:
    """In no row do the id and what stands in its place stand together, or is it found from the id."""
    (row,) = await scene.sql("select user_id from participants where session_id = $1 and no = 1", session_id)
    instead = str(row["user_id"])
    assert instead != user_id
    assert uuid.UUID(instead).version == 4
    tables = await scene.sql("select tablename from pg_tables where schemaname = 'public'")
    for table in tables:
        query = f"select count(*) from {table['tablename']} t where t::text like $1 and t::text like $2"
        (both,) = await scene.sql(query, f"%{user_id}%", f"%{instead}%")
        assert both["count"] == 0, table["tablename"]
    (kept,) = await scene.sql("select wrapped from subject_keys where subject_id = $1", user_id)
    return kept["wrapped"] is None


async def test_a_practitioner_who_asks_is_offline_and_stays_when_they_take_it_back(scene: Scene) -> None:
    guest, host = await scene.guest(0), await scene.host(1)
    await scene.shown(guest, host.id, "online")
    status, asked = await send(host, "DELETE", "/v1/me")
    assert (status, asked["state"]) == (200, "requested")
    await scene.shown(guest, host.id, "offline")
    assert await host.refusal("practitioner:online") == "forbidden"
    assert await guest.refusal("session:request", practitioner_id=host.id, request_id="1") in (
        "offline",
        "busy",
    )
    told = await host.post("/v1/me/erasure/cancel")
    assert (told["receipt"], told["state"]) == (asked["receipt"], "cancelled")
    await host.hear("notice", lambda body: body["code"] == "erasure_cancelled")
    assert (await host.ask("practitioner:online"))["status"] == "online"


async def test_an_erased_practitioner_is_nobody_to_their_guests(scene: Scene) -> None:
    guest, host = await scene.guest(0), await scene.host(1)
    session_id = await scene.live(guest, host)
    await host.ask("chat:send", session_id=session_id, client_id="1", text=SAID)
    await guest.ask("session:end", session_id=session_id)
    await guest.state(session_id, "settled")
    (person,) = await scene.sql("select name, email, role from people where id = $1", host.id)
    assert person["role"] == "practitioner"
    status, _ = await send(host, "DELETE", "/v1/me")
    assert status == 200
    await gone(scene, host)
    receipt = await guest.get(f"/v1/sessions/{session_id}/receipt")
    assert receipt["practitioner"]["name"] == "Removed person"
    assert receipt["practitioner"]["id"] != host.id
    search = Search({"name": person["name"], "e-mail": person["email"], "id": host.id, "text": SAID})
    left = [one for one in await search.tables(dsn(scene)) if one.partition(": ")[0] not in KNOWN_BY_ID]
    assert left == []
    assert search.logs(scene.stack.directory) == []
    assert await check(scene) == 0
