"""A corrected name reaches Stripe, whatever Stripe is up to, and everybody else once and for all."""

from dataclasses import dataclass, field
from typing import Any, cast
from uuid import uuid4

import pytest

from billing import stripe_cards
from hub.correcting import Peers
from hub.workers.corrections import AGAIN_MS, LEASE_MS, Corrections
from rooms.errors import ChangedTooOften
from rooms.ids import UserId
from store.postgres import cards, people, profiles
from tests.integration.payments.desk import ENVIRONMENT, Desk


@dataclass
class Heard:
    """Who is there, and what they heard."""

    names: list[str] = field(default_factory=list)
    listed: int = 0
    deaf: bool = False

    async def rename(self, _person_id: UserId, name: str) -> None:
        if self.deaf:
            raise ChangedTooOften
        self.names.append(name)

    async def tell_directory(self, _person_id: UserId) -> None:
        self.listed += 1


@pytest.fixture
async def heard(desk: Desk) -> Heard:
    await desk.owner.execute("truncate corrections")
    return Heard()


def corrections(desk: Desk, heard: Heard) -> Corrections:
    return Corrections(
        desk.pool, desk.gateway, cast(Peers, heard), environment=ENVIRONMENT, now_ms=desk.now_ms
    )


async def someone(desk: Desk) -> tuple[UserId, str]:
    person_id = UserId(str(uuid4()))
    await people.ensure(desk.pool, person_id=person_id, role="guest", name="Gus", email="g@e.fr", now_ms=1)
    customer = await stripe_cards.new_customer(desk.gateway, ENVIRONMENT, person_id)
    await cards.keep_customer(desk.pool, person_id, customer, now_ms=1)
    return person_id, customer


async def rename(desk: Desk, person_id: UserId, name: str, *, told: bool = False) -> int:
    """As the route does it."""
    person = await people.person(desk.pool, person_id)
    assert person is not None
    version = await profiles.correct(
        desk.pool, person_id, seen=person.version, name=name, country=None, phone=None, language=None,
        born_on=None, adult=False,
    )  # fmt: skip
    assert version is not None
    now_ms = desk.now_ms()
    await profiles.want_telling(desk.pool, person_id, version, now_ms=now_ms, next_at_ms=now_ms)
    if told:
        await profiles.note_told(desk.pool, person_id, version)
    return version


async def at_stripe(desk: Desk, customer: str) -> str | None:
    return (await desk.vendor.v1.customers.retrieve_async(customer)).name


async def fault(desk: Desk, action: str, **more: Any) -> None:
    rule = {"vendor": "stripe", "action": action, "match": {"path_prefix": "/v1/customers"}, **more}
    async with desk.http.post(f"{desk.base}/control/faults", json=[rule]) as response:
        assert response.status == 200, await response.text()


async def left(desk: Desk) -> int:
    count: int = await desk.pool.fetchval("select count(*) from corrections")
    return count


async def test_a_name_is_told_everywhere_and_then_it_is_done(desk: Desk, heard: Heard) -> None:
    person_id, customer = await someone(desk)
    await rename(desk, person_id, "Ada")
    assert await corrections(desk, heard).run_once() == 1
    assert (await at_stripe(desk, customer), heard.names, heard.listed) == ("Ada", ["Ada"], 1)
    assert await left(desk) == 0
    assert await corrections(desk, heard).run_once() == 0


async def test_who_was_told_already_is_not_told_twice(desk: Desk, heard: Heard) -> None:
    person_id, customer = await someone(desk)
    await rename(desk, person_id, "Ada", told=True)
    assert await corrections(desk, heard).run_once() == 1
    assert (await at_stripe(desk, customer), heard.listed) == ("Ada", 0)


@pytest.mark.parametrize("action", ["500", "429", "apply_then_drop"])
async def test_stripe_is_told_later_when_it_is_away(desk: Desk, heard: Heard, action: str) -> None:
    person_id, customer = await someone(desk)
    await rename(desk, person_id, "Ada")
    await fault(desk, action)
    assert await corrections(desk, heard).run_once() == 0
    assert await left(desk) == 1
    assert await corrections(desk, heard).run_once() == 0, "not at once"
    desk.wait(AGAIN_MS * 2)
    assert await corrections(desk, heard).run_once() == 1
    assert (await at_stripe(desk, customer), heard.listed) == ("Ada", 1)
    assert await left(desk) == 0


async def test_a_later_correction_is_not_lost_while_the_first_is_told(desk: Desk, heard: Heard) -> None:
    person_id, customer = await someone(desk)
    await rename(desk, person_id, "Ada")
    now_ms = desk.now_ms()
    [taken] = await profiles.due_corrections(desk.pool, now_ms=now_ms, lease_until_ms=now_ms + 1, limit=9)
    await rename(desk, person_id, "Bea")
    await profiles.close_correction(desk.pool, person_id, taken.version)
    assert await left(desk) == 1
    assert await corrections(desk, heard).run_once() == 1
    assert await at_stripe(desk, customer) == "Bea"


async def test_two_workers_do_not_do_the_same(desk: Desk, heard: Heard) -> None:
    person_id, _ = await someone(desk)
    await rename(desk, person_id, "Ada")
    now_ms = desk.now_ms()
    assert await profiles.due_corrections(desk.pool, now_ms=now_ms, lease_until_ms=now_ms + LEASE_MS, limit=9)
    assert await corrections(desk, heard).run_once() == 0
    desk.wait(LEASE_MS)
    assert await corrections(desk, heard).run_once() == 1, "the other one died"


async def test_one_room_that_is_busy_keeps_nobody_waiting(desk: Desk, heard: Heard) -> None:
    person_id, customer = await someone(desk)
    await rename(desk, person_id, "Ada")
    heard.deaf = True
    assert await corrections(desk, heard).run_once() == 0
    assert await at_stripe(desk, customer) is None
    heard.deaf = False
    desk.wait(AGAIN_MS * 2)
    assert await corrections(desk, heard).run_once() == 1
    assert await at_stripe(desk, customer) == "Ada"


async def test_without_a_customer_there_is_nobody_to_tell(desk: Desk, heard: Heard) -> None:
    person_id = UserId(str(uuid4()))
    await people.ensure(desk.pool, person_id=person_id, role="guest", name="Gus", email="g@e.fr", now_ms=1)
    await rename(desk, person_id, "Ada")
    assert await corrections(desk, heard).run_once() == 1
