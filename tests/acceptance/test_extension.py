"""A session that outlives its first hold: by itself while the cap lasts, by the guest's wish beyond it; and
what happens when the card says no.
"""

from collections.abc import AsyncIterator, Iterator

import pytest

from sandbox.postgres import PostgresAddress
from sandbox.visitor import Json, Visitor
from tests.acceptance.conftest import UNLIMITED, running_stack
from tests.acceptance.scene import FAST_MINOR_PER_MINUTE, Scene, price_minor, until
from tests.stack import Stack

IMPATIENT = {"HOLD_MINUTES": "1", "EXTEND_AT_PERCENT": "1"}
"""The next hold is placed after less than a second of a minute."""
FUNDED_S = 4
CAP_MINOR = FAST_MINOR_PER_MINUTE * FUNDED_S // 60


@pytest.fixture(scope="module")
def impatient(
    postgres_cluster: PostgresAddress,
    migrated_template: PostgresAddress,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    with running_stack(postgres_cluster, tmp_path_factory, UNLIMITED | IMPATIENT) as running:
        yield running


@pytest.fixture
async def hurry(impatient: Stack) -> AsyncIterator[Scene]:
    playing = Scene(impatient)
    yield playing
    await playing.close()


async def begun(scene: Scene, *, cap_minor: int) -> tuple[Json, Visitor, Visitor, str]:
    person = await scene.person("guest")
    guest, host = await scene.enter(person), await scene.host(rate_minor=FAST_MINOR_PER_MINUTE)
    return person, guest, host, await scene.live(guest, host, cap_minor)


async def settled(guest: Visitor, session_id: str) -> Json:
    await guest.state(session_id, "settled")
    return await guest.get(f"/v1/sessions/{session_id}/receipt")


async def captured(scene: Scene, session_id: str) -> list[int]:
    """What each hold brought in, in the order in which they were placed."""
    intents = await scene.stripe("payment_intents", session_id)
    assert {intent["status"] for intent in intents} <= {"succeeded", "canceled", "requires_payment_method"}
    return [intent["amount_received"] for intent in reversed(intents)]


async def test_a_guest_extends_past_the_cap_and_pays_for_both_parts(scene: Scene) -> None:
    _, guest, host, session_id = await begun(scene, cap_minor=CAP_MINOR)
    before = await guest.ask("room:join", session_id=session_id)
    assert before["meter"]["funded_ms"] == FUNDED_S * 1000
    extended = await guest.ask("session:extend", session_id=session_id, minutes=1, request_id="more")
    assert extended["meter"]["funded_ms"] == (FUNDED_S + 60) * 1000
    again = await guest.ask("session:extend", session_id=session_id, minutes=1, request_id="more")
    assert again["meter"]["funded_ms"] == extended["meter"]["funded_ms"]
    await host.hear("meter:update", lambda body: body["funded_ms"] == (FUNDED_S + 60) * 1000)
    seen = await guest.get(f"/v1/sessions/{session_id}")
    assert seen["price"]["cap_minor"] == CAP_MINOR + FAST_MINOR_PER_MINUTE

    async def past_the_first_hold() -> bool:
        now = await guest.ask("room:join", session_id=session_id)
        return bool(now["meter"]["billed_ms"] > FUNDED_S * 1000 + 500)

    await until(past_the_first_hold, "the meter stopped")
    await guest.ask("session:end", session_id=session_id)
    receipt = await settled(guest, session_id)
    assert receipt["cap_minor"] == CAP_MINOR + FAST_MINOR_PER_MINUTE
    assert receipt["total_minor"] == price_minor(receipt) > CAP_MINOR
    assert await captured(scene, session_id) == [CAP_MINOR, receipt["total_minor"] - CAP_MINOR]


async def test_a_declined_extension_is_told_to_both_and_the_session_ends_at_funded_time(scene: Scene) -> None:
    person, guest, host, session_id = await begun(scene, cap_minor=CAP_MINOR)
    await scene.control("faults", action="decline_next", match={"customer": person["customer"]})
    assert await guest.refusal("session:extend", session_id=session_id, minutes=5) == "card_declined"
    for who in (guest, host):
        notice = await who.hear("notice", lambda body: body["session_id"] == session_id)
        assert notice["code"] == "extension_declined"
        assert "declined" in notice["message"]
    ended = await host.state(session_id, "ended")
    assert ended["end_reason"] == "funding_over"
    receipt = await settled(guest, session_id)
    assert receipt["total_minor"] == CAP_MINOR
    assert receipt["billed_ms"] == FUNDED_S * 1000
    assert await captured(scene, session_id) == [CAP_MINOR, 0]


async def test_only_the_guest_of_a_running_session_may_extend_it(scene: Scene) -> None:
    _, guest, host, session_id = await begun(scene, cap_minor=300_000)
    stranger = await scene.guest()
    assert await host.refusal("session:extend", session_id=session_id, minutes=5) == "forbidden"
    assert await stranger.refusal("session:extend", session_id=session_id, minutes=5) == "not_found"
    for minutes in (0, -5, 481, 10**12, 1.5, "5"):
        assert await guest.refusal("session:extend", session_id=session_id, minutes=minutes) == "bad_request"
    refused = await guest.refusal("session:extend", session_id=session_id, minutes=5, amount_minor=1)
    assert refused == "bad_request"
    assert len(await scene.stripe("payment_intents", session_id)) == 1
    await guest.ask("session:end", session_id=session_id)
    await settled(guest, session_id)
    assert await guest.refusal("session:extend", session_id=session_id, minutes=5) == "not_live"


async def test_holds_follow_by_themselves_until_the_cap_is_reached(hurry: Scene) -> None:
    cap_minor = 3 * FAST_MINOR_PER_MINUTE
    _, guest, host, session_id = await begun(hurry, cap_minor=cap_minor)
    await host.hear("meter:update", lambda body: body["funded_ms"] == 180_000)
    intents = await hurry.stripe("payment_intents", session_id)
    assert [intent["amount"] for intent in intents] == [FAST_MINOR_PER_MINUTE] * 3
    operations = sorted(intent["metadata"]["operation"] for intent in intents)
    assert operations == ["1:hold:1:1", "1:hold:2:1", "1:hold:3:1"]

    async def well_past_the_last_mark() -> bool:
        now = await guest.ask("room:join", session_id=session_id)
        return bool(now["meter"]["billed_ms"] > 2_500)

    await until(well_past_the_last_mark, "the meter stopped")
    assert len(await hurry.stripe("payment_intents", session_id)) == 3
    await guest.ask("session:end", session_id=session_id)
    receipt = await settled(guest, session_id)
    assert sum(await captured(hurry, session_id)) == receipt["total_minor"] == price_minor(receipt)


async def test_a_hold_that_is_declined_by_itself_is_told_and_asked_for_no_more(hurry: Scene) -> None:
    person = await hurry.person("guest")
    guest, host = await hurry.enter(person), await hurry.host(rate_minor=FAST_MINOR_PER_MINUTE)
    session_id = await hurry.waiting(guest, host, 5 * FAST_MINOR_PER_MINUTE)
    await hurry.control("faults", action="decline_next", match={"customer": person["customer"]})
    for who in (guest, host):
        await who.ask("room:join", session_id=session_id)
    for who in (guest, host):
        assert (await who.hear("notice"))["code"] == "extension_declined"
    placed = await guest.ask("session:extend", session_id=session_id, minutes=2)
    assert placed["meter"]["funded_ms"] == 180_000
    await guest.ask("session:end", session_id=session_id)
    await settled(guest, session_id)
    names = {i["metadata"]["operation"] for i in await hurry.stripe("payment_intents", session_id)}
    assert {"1:hold:1:1", "1:hold:2:1", "1:hold:3:1"} <= names
