"""A guest's money from outside: a card on Stripe's page, the deal, free time, the tip, the rules in words."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from sandbox.visitor import Json, Refused, Visitor
from tests.acceptance.scene import FAST_MINOR_PER_MINUTE, Scene, until

VISA, OTHER_VISA, MASTERCARD = "4242 4242 4242 4242", "4000 0000 0000 3055", "5555 5555 5555 4444"
DAY_MS = 86_400_000
DECLINES_WHEN_CHARGED = "4000 0000 0000 0341"


async def enter_card(scene: Scene, guest: Visitor, number: str) -> Json:
    """What the guest's browser does on Stripe's page; the card as the hub knows it afterwards."""
    url = (await guest.post("/v1/me/card"))["url"]
    async with scene.http.post(url, data={"number": number}, allow_redirects=False) as response:
        assert response.status == 303, await response.text()
    last4 = number[-4:]

    async def known() -> bool:
        try:
            return bool((await guest.get("/v1/me/card"))["last4"] == last4)
        except Refused:
            return False

    await until(known, "the card was never saved")
    return await guest.get("/v1/me/card")


async def without_card(scene: Scene) -> Visitor:
    person = await scene.person("guest")
    await scene.sql("delete from cards where person_id = $1", person["id"])
    return await scene.enter(person)


async def refused(asked: Awaitable[Any]) -> str:
    with pytest.raises(Refused) as raised:
        await asked
    return raised.value.code


async def ended(scene: Scene, guest: Visitor, host: Visitor, cap_minor: int | None = None) -> str:
    """A session of half a second or more, settled."""
    session_id = await scene.live(guest, host, cap_minor)

    async def passed() -> bool:
        now = await guest.ask("room:join", session_id=session_id)
        return bool(now["meter"]["billed_ms"] > 500)

    await until(passed, "time stands still")
    await guest.ask("session:end", session_id=session_id)
    await guest.state(session_id, "settled")
    return session_id


async def test_a_card_is_saved_on_stripes_page_and_pays(scene: Scene) -> None:
    guest = await without_card(scene)
    assert await refused(guest.get("/v1/me/card")) == "not_found"
    host = await scene.host(rate_minor=FAST_MINOR_PER_MINUTE)
    asked = {"practitioner_id": host.id, "request_id": "r"}
    assert await guest.refusal("session:request", **asked) == "payment_required"
    card = await enter_card(scene, guest, VISA)
    assert (card["brand"], card["last4"]) == ("visa", "4242")
    assert set(card) == {"brand", "last4", "saved_at_ms", "owed"}
    assert card["owed"] == []
    session_id = await ended(scene, guest, host)
    assert (await guest.get(f"/v1/sessions/{session_id}/receipt"))["total_minor"] > 50


async def test_a_card_is_replaced_and_the_customer_stays(scene: Scene) -> None:
    guest = await without_card(scene)
    for number in (VISA, MASTERCARD):
        await enter_card(scene, guest, number)
    (row,) = await scene.sql("select * from cards where person_id = $1", guest.id)
    assert (row["brand"], row["last4"]) == ("mastercard", "4444")
    customers = await scene.sql("select stripe_customer from customers where person_id = $1", guest.id)
    assert [found["stripe_customer"] for found in customers] == [row["stripe_customer"]]


async def test_the_same_wish_opens_the_same_page(scene: Scene) -> None:
    guest = await without_card(scene)
    urls = {(await guest.post("/v1/me/card"))["url"] for _ in range(2)}
    assert len(urls) == 1


async def test_the_deal_says_what_it_will_cost(scene: Scene) -> None:
    guest, host = await scene.guest(), await scene.host(rate_minor=300, free_s=60)
    deal = await guest.get(f"/v1/practitioners/{host.id}/deal")
    assert deal == {
        "practitioner_id": host.id,
        "kind": "per_minute",
        "currency": "usd",
        "rate_minor_per_minute": 300,
        "minimum_minor": 50,
        "free_s": 60,
        "cap_minor": 36_000,
        "hold_minor": 3_000,
    }
    capped = await guest.get(f"/v1/practitioners/{host.id}/deal", cap_minor="1000")
    assert (capped["cap_minor"], capped["hold_minor"]) == (1_000, 1_000)
    listed = await guest.get(f"/v1/practitioners/{host.id}")
    assert (listed["minimum_minor"], listed["cap_minor"], listed["free_s"]) == (50, 36_000, 60)
    for cap in ("0", "-5", "49", "100000001", "9" * 40, "x", "1e3", ""):
        assert await refused(guest.get(f"/v1/practitioners/{host.id}/deal", cap_minor=cap)) == ("bad_request")
    assert await refused(guest.get(f"/v1/practitioners/{guest.id}/deal")) == "not_found"


async def test_free_time_is_given_once_and_only_used_when_it_was(scene: Scene) -> None:
    guest, host = await scene.guest(), await scene.host(rate_minor=FAST_MINOR_PER_MINUTE, free_s=3_600)
    asked = await scene.ringing(guest, host)
    assert (await guest.get(f"/v1/practitioners/{host.id}/deal"))["free_s"] == 0
    await host.ask("session:decline", session_id=asked)

    async def given_back() -> bool:
        return bool((await guest.get(f"/v1/practitioners/{host.id}/deal"))["free_s"] == 3_600)

    await until(given_back, "the free time was lost")
    first = await ended(scene, guest, host)
    receipt = await guest.get(f"/v1/sessions/{first}/receipt")
    assert receipt["free_ms"] == receipt["billed_ms"] > 0
    assert receipt["total_minor"] == 0
    second = await ended(scene, guest, host)
    receipt = await guest.get(f"/v1/sessions/{second}/receipt")
    assert receipt["free_ms"] == 0
    assert receipt["total_minor"] > 0


async def test_two_accounts_with_one_card_get_it_once(scene: Scene) -> None:
    guests = [await without_card(scene) for _ in range(2)]
    for guest in guests:
        await enter_card(scene, guest, OTHER_VISA)
    hosts = [await scene.host(rate_minor=FAST_MINOR_PER_MINUTE, free_s=60) for _ in range(2)]
    answers = await asyncio.gather(
        *(
            guest.ask("session:request", practitioner_id=host.id, request_id="r")
            for guest, host in zip(guests, hosts, strict=True)
        )
    )
    assert sorted(answer["session"]["price"]["free_s"] for answer in answers) == [0, 60]


async def test_a_tip_is_charged_once_and_is_the_practitioners(scene: Scene) -> None:
    guest, host = await scene.guest(), await scene.host(rate_minor=FAST_MINOR_PER_MINUTE)
    session_id = await ended(scene, guest, host)
    path = f"/v1/sessions/{session_id}/tip"
    same = await asyncio.gather(*(guest.post(path, {"amount_minor": 500}) for _ in range(3)))
    assert {tuple(sorted(answer.items())) for answer in same} == {
        (("amount_minor", 500), ("currency", "usd"), ("session_id", session_id), ("status", "charged"))
    }
    assert await refused(guest.post(path, {"amount_minor": 600})) == "conflict"
    intents = await scene.stripe("payment_intents", session_id)
    tips = [i for i in intents if ":tip:" in i["metadata"]["operation"]]
    assert [(i["amount_received"], i["status"]) for i in tips] == [(500, "succeeded")]
    for who in (guest, host):
        assert (await who.get(f"/v1/sessions/{session_id}/receipt"))["tip_minor"] == 500
    (share,) = await scene.sql(
        "select amount_minor from payment_ops where session_id = $1 and kind = 'transfer' and ordinal > 2000",
        session_id,
    )
    assert share["amount_minor"] == 500


async def test_a_declined_tip_can_be_given_with_another_card(scene: Scene) -> None:
    guest, host = await scene.guest(), await scene.host(rate_minor=FAST_MINOR_PER_MINUTE)
    session_id = await ended(scene, guest, host)
    await enter_card(scene, guest, DECLINES_WHEN_CHARGED)
    path = f"/v1/sessions/{session_id}/tip"
    for _ in range(2):
        assert await refused(guest.post(path, {"amount_minor": 500})) == "card_declined"
    tried = await scene.sql(
        "select attempt from payment_ops where session_id = $1 and kind = 'tip'", session_id
    )
    assert len(tried) == 1
    await enter_card(scene, guest, VISA)
    assert (await guest.post(path, {"amount_minor": 700}))["status"] == "charged"
    assert (await guest.get(f"/v1/sessions/{session_id}/receipt"))["tip_minor"] == 700


async def test_a_tip_that_makes_no_sense_is_refused_and_changes_nothing(scene: Scene) -> None:
    guest, host = await scene.guest(), await scene.host(rate_minor=FAST_MINOR_PER_MINUTE)
    session_id = await ended(scene, guest, host)
    path = f"/v1/sessions/{session_id}/tip"
    bodies: list[Any] = [
        {"amount_minor": amount} for amount in (-500, 0, 49, 50_001, 10**8, 10**30, 1.5, "500", True, None)
    ]
    bodies += [{}, [], 5, {"amount_minor": 500, "currency": "eur"}, {"amount_minor": 500, "price_minor": 1}]
    for body in bodies:
        assert await refused(guest.post(path, body)) == "bad_request", body
    stranger = await scene.guest()
    assert await refused(stranger.post(path, {"amount_minor": 500})) == "not_found"
    assert await refused(host.post(path, {"amount_minor": 500})) == "forbidden"
    rows = await scene.sql("select from payment_ops where session_id = $1 and kind = 'tip'", session_id)
    assert rows == []
    later = "update sessions set ended_at_ms = ended_at_ms + $2::bigint where id = $1"
    await scene.sql(later, session_id, -31 * DAY_MS)
    assert await refused(guest.post(path, {"amount_minor": 500})) == "expired"
    await scene.sql(later, session_id, 31 * DAY_MS)


async def test_no_tip_before_the_end(scene: Scene) -> None:
    guest, _, session_id = await scene.couple()
    assert await refused(guest.post(f"/v1/sessions/{session_id}/tip", {"amount_minor": 500})) == "conflict"


async def test_a_price_of_the_clients_own_is_refused(scene: Scene) -> None:
    guest, host = await scene.guest(), await scene.host()
    asked = {"practitioner_id": host.id, "request_id": "r"}
    wrong: list[Json] = [{"rate_minor_per_minute": 1}, {"free_s": 3_600}, {"price": {"amount_minor": 1}}]
    wrong += [{"cap_minor": cap} for cap in (-1, 0, 49, 100_000_001, 10**30, 1.5, "900")]
    for body in wrong:
        assert await guest.refusal("session:request", **asked, **body) == "bad_request", body
    await scene.sql("update practices set currency = 'xyz' where practitioner_id = $1", host.id)
    assert await guest.refusal("session:request", **asked) == "conflict"
    assert await refused(guest.get(f"/v1/practitioners/{host.id}/deal")) == "conflict"
    listed = await guest.get(f"/v1/practitioners/{host.id}")
    assert (listed["minimum_minor"], listed["status"]) == (None, "online")
    assert (
        await scene.sql(
            "select from payment_ops where kind = 'hold' and participant_no = 1 and session_id in"
            " (select session_id from participants where user_id = $1)",
            guest.id,
        )
        == []
    )


async def test_the_rules_are_told_in_words(scene: Scene) -> None:
    guest = await scene.guest()
    english = await guest.get("/v1/money/rules")
    french = await guest.get("/v1/money/rules", lang="fr")
    assert (english["language"], french["language"]) == ("en", "fr")
    codes = [item["code"] for item in english["items"]]
    assert codes == [item["code"] for item in french["items"]]
    assert {"practitioner_conduct", "guest_conduct", "minor", "away", "free_time", "tip"} <= set(codes)
    assert await refused(guest.get("/v1/money/rules", lang="de")) == "bad_request"


async def test_who_owes_asks_for_nothing_until_another_card_has_paid(scene: Scene) -> None:
    guest, host = await without_card(scene), await scene.host(rate_minor=FAST_MINOR_PER_MINUTE)
    await enter_card(scene, guest, VISA)
    session_id = await scene.live(guest, host)

    async def passed() -> bool:
        now = await guest.ask("room:join", session_id=session_id)
        return bool(now["meter"]["billed_ms"] > 500)

    await until(passed, "time stands still")
    (intent,) = await scene.stripe("payment_intents", session_id)
    # The bank lets the hold go, and then says no to a charge in its place.
    customer = {"customer": intent["customer"]}
    rule = {"vendor": "stripe", "action": "decline_next", "times": 1, "match": customer}
    await scene.control("faults", **rule)
    cancel = f"{scene.stack.sandbox_url}/stripe/v1/payment_intents/{intent['id']}/cancel"
    async with scene.http.post(cancel, headers={"Authorization": "Bearer sk_test_bank"}) as response:
        assert response.status == 200, await response.text()
    await guest.ask("session:end", session_id=session_id)
    await guest.state(session_id, "settled")
    card = await guest.get("/v1/me/card")
    (owed,) = card["owed"]
    receipt = await guest.get(f"/v1/sessions/{session_id}/receipt")
    assert (owed["session_id"], owed["amount_minor"]) == (session_id, receipt["total_minor"])
    asked = {"practitioner_id": host.id, "request_id": "again"}
    with pytest.raises(Refused) as refusal:
        await guest.ask("session:request", **asked)
    assert refusal.value.code == "payment_required"
    assert set(refusal.value.error["fields"]) == {"en", "fr"}
    await enter_card(scene, guest, MASTERCARD)

    async def paid() -> bool:
        return bool((await guest.get("/v1/me/card"))["owed"] == [])

    await until(paid, "the new card was not charged")
    captured = [one["amount_received"] for one in await scene.stripe("payment_intents", session_id)]
    assert sum(captured) == receipt["total_minor"]
    assert (await guest.ask("session:request", **asked))["session"]["state"] == "requested"
