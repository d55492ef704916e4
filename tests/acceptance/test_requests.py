"""Asking for a session: who gets it, what the card says, and how everybody is free again when it came to
nothing.
"""

import asyncio

from sandbox.visitor import Json, Refused, Visitor
from tests.acceptance.scene import Scene, until


async def nothing_held(scene: Scene, session_id: str) -> None:
    """No hold of the session remains at Stripe."""

    async def released() -> bool:
        intents = await scene.stripe("payment_intents", session_id)
        return all(i["status"] == "canceled" and not i["amount_received"] for i in intents)

    await until(released, f"a hold of {session_id} remains")


async def give_card(scene: Scene, person: Json, card: str) -> None:
    """Replace a guest's saved card by one of Stripe's test cards."""
    url = f"{scene.stack.sandbox_url}/stripe/v1/payment_methods/{card}/attach"
    headers = {"Authorization": f"Bearer {scene.stack.env['STRIPE_SECRET_KEY']}"}
    async with scene.http.post(url, data={"customer": person["customer"]}, headers=headers) as response:
        method = await response.json()
        assert response.status == 200, method
    await scene.sql(
        "update cards set stripe_payment_method = $2 where person_id = $1", person["id"], method["id"]
    )


async def answer_bank(scene: Scene, url: str, answer: str) -> None:
    """Answer on the hosted 3-D Secure page."""
    async with scene.http.post(url, data={"answer": answer}, allow_redirects=False) as response:
        assert response.status == 303


async def test_of_two_guests_one_wins_and_the_other_has_no_hold(scene: Scene) -> None:
    host = await scene.host()
    guests = [await scene.guest(hub) for hub in (0, 1)]

    async def try_it(guest: Visitor) -> Json | str:
        try:
            return await guest.ask("session:request", practitioner_id=host.id, request_id="race")
        except Refused as refused:
            return refused.code

    answers = await asyncio.gather(*map(try_it, guests))
    lost = [answer for answer in answers if isinstance(answer, str)]
    (won,) = [answer for answer in answers if isinstance(answer, dict)]
    assert lost == ["busy"]
    winner = won["session"]["guest"]["id"]
    rows = await scene.sql(
        "select s.id, p.user_id from sessions s join participants p on p.session_id = s.id "
        "where s.practitioner_id = $1 and p.role = 'guest'",
        host.id,
    )
    assert [str(row["user_id"]) for row in rows] == [winner]
    assert len(await scene.stripe("payment_intents", won["session"]["id"])) == 1
    (offered,) = [body for name, body in host.heard if name == "session:offered"]
    assert offered["guest"]["id"] == winner
    loser = next(guest for guest in guests if guest.id != winner)
    (card,) = await scene.sql("select stripe_customer from cards where person_id = $1", loser.id)
    async with scene.http.get(f"{scene.stack.sandbox_url}/control/stripe/payment_intents") as response:
        assert card["stripe_customer"] not in {i["customer"] for i in await response.json()}
    other = await scene.host(0)
    await scene.ringing(loser, other)


async def test_a_repeated_request_gives_the_same_session_and_one_hold(scene: Scene) -> None:
    guest, host = await scene.guest(0), await scene.host(1)
    body = {"practitioner_id": host.id, "request_id": "again"}
    twin = await scene.enter(guest, hub=1)
    first, second = await asyncio.gather(
        guest.ask("session:request", **body), twin.ask("session:request", **body)
    )
    third = await guest.ask("session:request", **body)
    session_id = first["session"]["id"]
    assert {answer["session"]["id"] for answer in (first, second, third)} == {session_id}
    assert third["hold"] == {"status": "placed"}
    assert len(await scene.stripe("payment_intents", session_id)) == 1
    await host.ask("session:accept", session_id=session_id)
    late = await guest.ask("session:request", **body)
    assert (late["session"]["id"], late["session"]["state"]) == (session_id, "waiting")
    assert host.count("session:offered") == 1


async def test_a_declined_card_frees_both(scene: Scene) -> None:
    person = await scene.person("guest")
    guest, host = await scene.enter(person), await scene.host()
    await scene.control("faults", action="decline_next", match={"customer": person["customer"]})
    since = guest.mark
    code = await guest.refusal("session:request", practitioner_id=host.id, request_id="poor")
    assert code == "card_declined"
    told = await guest.hear("session:state", lambda b: b["session"]["state"] == "cancelled", since=since)
    assert told["session"]["end_reason"] == "card_declined"
    await scene.shown(guest, host.id, "online")
    assert host.count("session:offered") == 0
    await nothing_received(scene, told["session"]["id"])
    assert await guest.refusal("session:request", practitioner_id=host.id, request_id="poor") == code
    await scene.ringing(guest, host)


async def nothing_received(scene: Scene, session_id: str) -> None:
    intents = await scene.stripe("payment_intents", session_id)
    assert all(not i["amount_received"] and not i["amount_capturable"] for i in intents)


async def test_a_guest_without_a_card_is_asked_for_one(scene: Scene) -> None:
    guest, host = await scene.guest(), await scene.host()
    await scene.sql("delete from cards where person_id = $1", guest.id)
    body = {"practitioner_id": host.id, "request_id": "no card"}
    assert await guest.refusal("session:request", **body) == "payment_required"
    await scene.shown(guest, host.id, "online")


async def test_a_minor_and_one_who_did_not_accept_the_policy_may_not(scene: Scene) -> None:
    guest, host = await scene.guest(), await scene.host()
    body = {"practitioner_id": host.id, "request_id": "young"}
    await scene.sql("update people set policy_accepted_ms = null where id = $1", guest.id)
    assert await guest.refusal("session:request", **body) == "policy_pending"
    await scene.sql("update people set adult = false where id = $1", guest.id)
    assert await guest.refusal("session:request", **body) == "underage"
    assert host.count("session:offered") == 0


async def test_a_bank_that_asks_first(scene: Scene) -> None:
    person = await scene.person("guest")
    await give_card(scene, person, "pm_card_authenticationRequired")
    guest, host = await scene.enter(person), await scene.host()
    asked = await guest.ask("session:request", practitioner_id=host.id, request_id="3ds")
    session_id = asked["session"]["id"]
    assert asked["session"]["state"] == "requested"
    assert asked["hold"]["status"] == "action_required"
    assert host.count("session:offered") == 0
    other = await scene.guest()
    assert await other.refusal("session:request", practitioner_id=host.id, request_id="1") == "busy"
    await answer_bank(scene, asked["hold"]["url"], "approve")
    await host.hear("session:offered", lambda body: body["session"]["id"] == session_id)
    again = await guest.ask("session:request", practitioner_id=host.id, request_id="3ds")
    assert again["hold"] == {"status": "placed"}
    await host.ask("session:decline", session_id=session_id)
    await nothing_held(scene, session_id)


async def test_a_bank_that_is_told_no(scene: Scene) -> None:
    person = await scene.person("guest")
    await give_card(scene, person, "pm_card_authenticationRequired")
    guest, host = await scene.enter(person), await scene.host()
    asked = await guest.ask("session:request", practitioner_id=host.id, request_id="3ds")
    await answer_bank(scene, asked["hold"]["url"], "decline")
    ended = await guest.state(asked["session"]["id"], "cancelled")
    assert ended["end_reason"] == "card_declined"
    await scene.shown(guest, host.id, "online")
    assert host.count("session:offered") == 0


async def test_after_a_decline_both_are_free_and_nothing_is_held(scene: Scene) -> None:
    guest, host = await scene.guest(), await scene.host()
    session_id = await scene.ringing(guest, host)
    watcher = await scene.guest(1)
    await watcher.ask("directory:watch")
    declined = await host.ask("session:decline", session_id=session_id, reason="Not today.")
    assert declined["session"]["state"] == "declined"
    await guest.state(session_id, "declined")
    await watcher.hear("directory:changed", lambda body: body == {"id": host.id, "status": "online"})
    assert (await host.ask("session:decline", session_id=session_id))["session"]["state"] == "declined"
    await nothing_held(scene, session_id)
    await scene.ringing(guest, host)


async def test_a_guest_may_cancel_until_it_is_live(scene: Scene) -> None:
    guest, host = await scene.guest(), await scene.host()
    ringing = await scene.ringing(guest, host)
    assert (await guest.ask("session:cancel", session_id=ringing))["session"]["state"] == "cancelled"
    await host.state(ringing, "cancelled")
    assert await host.refusal("session:accept", session_id=ringing) == "conflict"
    waiting = await scene.waiting(guest, host)
    assert (await guest.ask("session:cancel", session_id=waiting))["session"]["state"] == "cancelled"
    live = await scene.live(guest, host)
    assert await guest.refusal("session:cancel", session_id=live) == "conflict"
    await nothing_held(scene, ringing)
    await nothing_held(scene, waiting)
    await guest.ask("session:end", session_id=live)
    await scene.shown(guest, host.id, "online")


async def test_a_guest_has_one_open_session(scene: Scene) -> None:
    guest, host, other = await scene.guest(), await scene.host(), await scene.host(0)
    session_id = await scene.ringing(guest, host)
    body = {"practitioner_id": other.id, "request_id": "second"}
    assert await guest.refusal("session:request", **body) == "conflict"
    await scene.shown(guest, other.id, "online")
    await host.ask("session:accept", session_id=session_id)
    assert await guest.refusal("session:request", **body) == "conflict"
    await guest.ask("session:cancel", session_id=session_id)
    assert (await guest.ask("session:request", **body))["session"]["practitioner"]["id"] == other.id


async def test_who_is_not_online_cannot_be_asked(scene: Scene) -> None:
    guest, host = await scene.guest(), await scene.host()
    body = {"practitioner_id": host.id, "request_id": "off"}
    assert (await host.ask("practitioner:offline"))["status"] == "offline"
    assert await guest.refusal("session:request", **body) == "offline"
    assert (await host.ask("practitioner:online"))["status"] == "online"
    await scene.sql("update practices set accepts_instant = false where practitioner_id = $1", host.id)
    assert await guest.refusal("session:request", **body) == "offline"
    body["practitioner_id"] = guest.id
    assert await guest.refusal("session:request", **body) == "not_found"


async def test_who_cannot_be_paid_cannot_go_online(scene: Scene) -> None:
    host = await scene.enter(await scene.person("practitioner"))
    await scene.sql("update practices set transfers_active = false where practitioner_id = $1", host.id)
    assert await host.refusal("practitioner:online") == "forbidden"


async def test_who_arrives_in_this_very_moment_is_asked_too(scene: Scene) -> None:
    """The request comes while a hub is still finding out where its practitioner stands: each time at another
    point of the way, and each time the new line rings as well.
    """
    guest = await scene.guest(0)
    for delay_ms, person in enumerate(await scene.people("practitioner", 25)):
        host = await scene.enter(person, 0)
        await host.ask("practitioner:online")
        arriving = asyncio.create_task(scene.enter(person, 1))
        await asyncio.sleep(delay_ms / 1000)
        session_id = await scene.ringing(guest, host)
        offered = await (await arriving).hear("session:offered")
        assert offered["session"]["id"] == session_id
        await guest.ask("session:cancel", session_id=session_id)
