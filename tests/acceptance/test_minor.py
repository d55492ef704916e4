"""A guest says that they are fifteen: from the sentence to the last trace of them, by real processes."""

import asyncio

import pytest

from hub.words import WORDS
from sandbox.visitor import Json, Refused, Visitor
from tests.acceptance.moderated import act, moderator, notice
from tests.acceptance.scene import FAST_MINOR_PER_MINUTE, Scene, until
from tests.acceptance.test_purge import REMOVED_WITHIN_S, check, residue
from tests.acceptance.test_safety import flag_of, send

HINT = "I'm 15"


async def paid(scene: Scene, guest: Visitor, host: Visitor) -> tuple[str, int]:
    """A session that was long enough to be charged, settled: its id and what it cost."""
    session_id = await scene.live(guest, host, 200_000)

    async def worth_charging() -> bool:
        now = await guest.ask("room:join", session_id=session_id)
        return bool(now["meter"]["amount_minor"] > 200)

    await until(worth_charging, "time stands still")
    await guest.ask("session:end", session_id=session_id)
    await guest.state(session_id, "settled")
    receipt = await guest.get(f"/v1/sessions/{session_id}/receipt")
    return session_id, receipt["total_minor"]


async def kept_minor(scene: Scene, session_id: str) -> int:
    """What Stripe has collected of a session, or holds for it, and has not given back."""
    intents = await scene.stripe("payment_intents", session_id)
    refunds = await scene.stripe("refunds", session_id)
    came = sum(one["amount_received"] + one["amount_capturable"] for one in intents)
    return int(came - sum(one["amount"] for one in refunds if one["status"] == "succeeded"))


async def refusal(who: Visitor, event: str, **body: object) -> Json:
    """The whole refusal of an event."""
    with pytest.raises(Refused) as refused:
        await who.ask(event, **body)
    return refused.value.error


async def earned(host: Visitor) -> tuple[int, int, int]:
    """What a practitioner has earned by now, what of it waits, and what was paid out, in minor units."""
    (total,) = (await host.get("/v1/me/earnings"))["totals"]
    return total["earned_minor"], total["pending_minor"], total["transferred_minor"]


async def test_a_minor_pays_nothing_and_nothing_of_them_stays(scene: Scene) -> None:
    person = await scene.person("guest")
    guest = await scene.enter(person, 0, language="fr")
    (card,) = await scene.sql("select * from cards where person_id = $1", guest.id)
    host, other = [await scene.host(1, rate_minor=FAST_MINOR_PER_MINUTE) for _ in range(2)]
    mod = await moderator(scene)

    declined = await scene.ringing(guest, other)
    await other.ask("session:decline", session_id=declined)
    earlier, cost_minor = await paid(scene, guest, host)
    assert await kept_minor(scene, earlier) == cost_minor > 0
    assert (await earned(host))[0] > 0
    running = await scene.live(guest, host, 200_000)
    assert await kept_minor(scene, running) > 0

    sent = await send(guest, running, HINT)
    assert sent["status"] == "sent"
    flag = await flag_of(scene, sent["id"])
    assert (flag["category"], flag["status"]) == ("minor", "open")
    told = await refusal(guest, "session:request", practitioner_id=other.id, request_id="another")
    said = {language: words.refused["question"] for language, words in WORDS.items()}
    assert (told["code"], told["message"], told["fields"]) == ("forbidden", said["en"], said)

    await mod.ask("moderation:claim", flag_id=str(flag["id"]), version=flag["version"])
    done = await act(mod, running, "suspend", flag_id=str(flag["id"]))
    assert (done["session"]["state"], done["session"]["end_reason"]) == ("ended", "minor")
    assert (await notice(guest, "suspended_minor"))["message"] == WORDS["fr"].notices["suspended_minor"]
    assert (await notice(host, "ended_by_moderator"))["message"] == WORDS["en"].notices["ended_by_moderator"]
    async with asyncio.timeout(20):
        await guest.ended.wait()
    for hub in (0, 1):
        with pytest.raises(Refused) as refused:
            await scene.enter(guest, hub)
        # Soon there is nobody any more who could be suspended.
        assert refused.value.code in ("suspended", "unauthenticated")

    # Nobody has said within the time for it that they are no minor.
    await scene.sql("update erasures set next_at_ms = 0 where user_id = $1", guest.id)

    async def gone() -> bool:
        return not await scene.sql("select from people where id = $1", guest.id)

    await until(gone, "the person was never removed", within_s=REMOVED_WITHIN_S)
    # Their money was back before: nobody can be found to give it to afterwards.
    assert [await kept_minor(scene, session_id) for session_id in (earlier, running, declined)] == [0, 0, 0]
    refunds = await scene.stripe("refunds", earlier)
    assert sum(one["amount"] for one in refunds) == cost_minor
    assert (await scene.stripe("payment_intents", running))[0]["status"] == "canceled"
    private = [person["name"], person["email"], card["stripe_customer"], card["stripe_payment_method"]]
    assert await residue(scene, [*private, card["fingerprint"]]) == []
    for table, column in (
        ("cards", "person_id"), ("customers", "person_id"), ("fraud_cards", "person_id"),
        ("fraud_sightings", "person_id"), ("fraud_findings", "subject"), ("fraud_reviews", "subject"),
    ):  # fmt: skip
        assert await scene.sql(f"select from {table} where {column} = $1", guest.id) == [], table
    with pytest.raises(Refused) as refused:
        await scene.enter(guest, 0)
    assert refused.value.code == "unauthenticated"

    # The practitioner goes on as before; neither time of a minor is paid, neither is taken from elsewhere.
    assert await earned(host) == (0, 0, 0)
    assert await scene.stripe("transfers", earlier) == await scene.stripe("transfers", running) == []
    receipt = await host.get(f"/v1/sessions/{running}/receipt")
    assert (receipt["total_minor"], receipt["guest"]["name"]) == (0, "Removed person")
    await scene.shown(host, host.id, "online")
    assert await check(scene) == 0


async def test_a_practitioner_who_may_be_a_minor_goes_online_once_somebody_has_looked(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    mod = await moderator(scene)
    flag = await flag_of(scene, (await send(host, session_id, HINT))["id"])
    assert (flag["category"], str(flag["user_id"])) == ("minor", host.id)
    await guest.ask("session:end", session_id=session_id)
    await host.ask("practitioner:offline")
    told = await refusal(host, "practitioner:online")
    assert (told["code"], told["message"]) == ("forbidden", WORDS["en"].refused["question"])
    assert told["fields"]["fr"] == WORDS["fr"].refused["question"]
    await scene.shown(guest, host.id, "offline")
    await mod.ask("moderation:claim", flag_id=str(flag["id"]), version=flag["version"])
    assert await host.refusal("practitioner:online") == "forbidden"
    await act(mod, session_id, "dismiss", flag_id=str(flag["id"]))
    assert (await host.ask("practitioner:online"))["status"] == "online"
