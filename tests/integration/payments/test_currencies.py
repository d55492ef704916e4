"""Whole settlements through the real SDK and the sandbox, in currencies with two, no and three decimals."""

from fractions import Fraction

import pytest

from billing import money
from rooms.room import Terms
from tests.integration.payments.desk import Desk
from tests.integration.payments.test_captures import account_of
from tests.model.money_auditor import books, once_it_is_calm
from tests.model.money_world import World

# Rates that meet no round figure in the minutes below.
RATES = {"usd": 333, "eur": 299, "jpy": 367, "krw": 1_499, "kwd": 1_010, "tnd": 9_990, "isk": 43_700}
MINUTES = (1.0, 7.77, 13.37)


@pytest.mark.parametrize("minutes", MINUTES)
@pytest.mark.parametrize("currency", RATES)
async def test_a_session_is_charged_to_the_unit_and_shared(desk: Desk, currency: str, minutes: float) -> None:
    rate, least = RATES[currency], money.minimum_charge_minor(currency)
    step = money.step_minor(currency)
    terms = Terms("per_minute", currency, rate, 0, 1_900, least, 20 * rate // step * step)
    at = World(desk, await account_of(desk))
    room = await desk.funded(terms=terms)
    at.meet(desk.rooms[room.id])
    await at.extend(desk.rooms[room.id])
    await desk.payments().run_once()
    await at.pass_time(int(minutes * 60))
    at.end(desk.rooms[room.id])
    await at.settle(desk.rooms[room.id])
    for _ in range(3):
        await desk.payments().run_once()
        desk.wait(61_000)
    seen = await books(desk, desk.rooms[room.id])
    once_it_is_calm(seen)
    [settlement] = seen.settlements
    exact = Fraction(settlement["billed_ms"] * rate, 60_000)
    assert abs(settlement["total_minor"] - exact) <= Fraction(step, 2)
    assert seen.captured_minor == settlement["total_minor"] > 0
    assert seen.transferred_minor == settlement["practitioner_minor"]
    fee = Fraction(settlement["total_minor"] * 1_900, 10_000)
    assert fee - step < settlement["fee_minor"] <= fee
    assert {thing["currency"] for thing in (*seen.intents, *seen.transfers)} == {currency}
    assert {thing["amount"] % step for thing in (*seen.intents, *seen.transfers)} == {0}
