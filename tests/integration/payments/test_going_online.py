"""Going online just when one can't be paid any more, or wants to be erased: one ends up offline."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest

from config.retention import periods
from hub import wire
from hub.errors import Refused
from hub.events import directory
from hub.hub import Hub
from hub.live import Live
from hub.watchers import Watchers
from hub.workers.accounts import take_offline
from rooms.directory import Standing
from rooms.ids import ConnectionId, HubId, UserId
from store.postgres import erasures
from store.postgres import people as people_records
from store.redis.connect import connect as connect_redis
from store.redis.directory import Directory
from store.redis.people import People
from store.redis.rooms import Rooms
from tests.integration.payments.desk import Desk

HERE = HubId("hub")
ACCOUNT = "acct_going"


class Overtaken(People):
    """`news` are applied after the practitioner was looked up, before they are online."""

    news = "unpaid"

    def __init__(self, desk: Desk, shown: Directory, *of: Any) -> None:
        super().__init__(*of)
        self._desk = desk
        self._shown = shown

    async def go_online(self, user_id: UserId, connection: ConnectionId, hub: HubId) -> Standing:
        if self.news == "unpaid":
            await people_records.set_transfers_active(self._desk.pool, ACCOUNT, active=False)
        else:
            await erasures.order(
                self._desk.pool, receipt=str(uuid4()), user_id=user_id, source="self", ordered_by=None,
                session_id=None, received_at_ms=1, now_ms=1, cancellable_until_ms=1, from_ms=1,
            )  # fmt: skip
        await take_offline(self, self._shown, user_id)
        return await super().go_online(user_id, connection, hub)


@pytest.fixture
async def live_hub(desk: Desk, valkey: str) -> AsyncIterator[Hub]:
    redis = connect_redis(valkey)
    shown = Directory(redis)
    people = Overtaken(desk, shown, redis)

    async def unheard(_: HubId) -> dict[Any, int]:
        return {}

    live = Live(
        Rooms(redis, hub=lambda: HERE, tell=lambda _room, _news, _now_ms: []),
        people,
        shown,
        heard_here=lambda _: {},
        heard_elsewhere=unheard,
        here=lambda: HERE,
    )
    parts: dict[str, Any] = {
        "pool": desk.pool,
        "periods": periods(),
        "people": people,
        "directory": shown,
        "live": live,
        "watchers": Watchers(),
        "here": lambda: HERE,
        "sockets_of": lambda _: [],
        "now_ms": desk.now_ms,
    }
    absent: dict[str, Any] = dict.fromkeys(set(Hub.__dataclass_fields__) - set(parts))
    yield Hub(**absent, **parts)
    await redis.aclose()


@pytest.mark.parametrize("news", ["unpaid", "leaving"])
async def test_news_that_overtake_leave_the_practitioner_offline(
    desk: Desk, live_hub: Hub, news: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Overtaken, "news", news)
    await desk.owner.execute("update practices set stripe_account = null where stripe_account = $1", ACCOUNT)
    person = UserId(str(uuid4()))
    await desk.owner.execute(
        "insert into people (id, role, created_at_ms, adult, policy_accepted_ms)"
        " values ($1, 'practitioner', 0, true, 0)",
        person,
    )
    await desk.owner.execute(
        "insert into practices (practitioner_id, rate_minor_per_minute, currency, stripe_account,"
        " transfers_active, verified_at_ms) values ($1, 300, 'usd', $2, true, 0)",
        person,
        ACCOUNT,
    )
    socket = cast(Any, SimpleNamespace(user_id=person, id=ConnectionId(str(uuid4())), closed=False))
    with pytest.raises(Refused) as refused:
        await directory.online(live_hub, socket, wire.Nothing())
    assert refused.value.code == "forbidden"
    assert (await live_hub.directory.statuses([person]))[person] == "offline"
    assert await live_hub.people.online_hubs(person) == set()
