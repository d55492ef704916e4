"""A guest with a past: sessions that they paid for, paid out, with a tip, under way; what is noted."""

from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

from billing import requests
from billing.payment import Kind, Share
from hub.moderation import minors
from rooms import session
from rooms.ids import ConnectionId, SessionId
from rooms.room import Room
from store.postgres import free_time, invariant, operations
from tests.integration.payments.desk import ENVIRONMENT, HUB, MINUTE_MS, Desk
from tests.integration.vendors.counter import KEY, Counter
from tests.integration.vendors.life import Life


@dataclass
class CounterDesk(Desk):
    """Sessions and their money, by the counter's clock."""

    counter: Counter | None = None

    @property
    def at(self) -> Counter:
        assert self.counter is not None
        return self.counter

    def now_ms(self) -> int:
        return self.at.now_ms()

    def wait(self, ms: int) -> None:
        self.at.wait(ms)

    async def pay(self) -> None:
        for _ in range(8):
            if not await self.payments().run_once():
                return


class Past:
    """A guest and a practitioner, and the sessions that they had: paid, paid out, with a tip, under way."""

    def __init__(self, desk: CounterDesk, guest: Any, host: Any) -> None:
        self.desk = desk
        self.guest, self.host = guest, host
        self.paid: list[Room] = []
        self.life = Life(desk.at, guest, SessionId(str(uuid4())), b"")

    @property
    def payer(self) -> tuple[str, str]:
        return self.guest["customer"], self.guest["payment_method"]

    async def pay(self, minutes: float) -> Room:
        desk, account = self.desk, self.host["account"]
        room = await desk.ended(minutes, guest_id=self.life.id, payer=self.payer)
        await desk.settle(room, destination=account)
        await desk.pay()
        self.paid.append(room)
        return room

    async def tip(self, room: Room) -> None:
        customer, method = self.payer
        given = requests.charge(
            room.id, 1, ordinal=1, amount_minor=500, currency="usd", customer=customer, payment_method=method,
            share=Share(500, self.host["account"], self.desk.now_ms()),
            at_ms=self.desk.now_ms(), kind=Kind.TIP,
        )  # fmt: skip
        await operations.insert_operations(
            self.desk.pool, ENVIRONMENT, room.id, 1, [given], now_ms=self.desk.now_ms()
        )
        await self.desk.pay()

    async def begin(self) -> tuple[Room, dict[ConnectionId, int]]:
        """A session that has been running for two minutes."""
        desk = self.desk
        room = await desk.funded(guest_id=self.life.id, payer=self.payer)
        at_ms = desk.now_ms()
        desk.change(room, partial(session.accept, who=room.practitioner.user_id, now_ms=at_ms))
        sockets = [ConnectionId(str(uuid4())) for _ in range(2)]
        for who, socket in zip((room.practitioner.user_id, self.life.id), sockets, strict=True):
            desk.change(room, partial(session.join, who=who, connection=socket, hub=HUB, now_ms=at_ms))
        desk.wait(2 * MINUTE_MS)
        return desk.rooms[room.id], dict.fromkeys(sockets, desk.now_ms())

    async def noted(self) -> None:
        """They were seen with a browser, and rules about fraud spoke about them and about their card."""
        pool, person, card = self.desk.pool, self.life.id, self.guest["fingerprint"]
        await pool.execute(
            "insert into fraud_sightings (person_id, kind, mark, before, day, at_ms)"
            " values ($1, 'browser', $2, $2, 1, 1)", person, "ab" * 16,
        )  # fmt: skip
        for kind, subject in (("person", person), ("card", card)):
            review = str(uuid4())
            await pool.execute(
                "insert into fraud_reviews (id, subject_kind, subject, opened_at_ms) values ($1, $2, $3, 1)",
                review, kind, subject,
            )  # fmt: skip
            await pool.execute(
                "insert into fraud_findings (rule, version, mode, weight, subject_kind, subject, window_no,"
                " at_ms, reason, facts, review_id, created_at_ms)"
                " values ('a', 1, 'live', 1, $1, $2, 1, 1, 'because', $3, $4, 1)",
                kind, subject, {"people": [person]}, review,
            )  # fmt: skip

    async def free(self) -> SessionId:
        """They had their free seconds, with their card."""
        of = SessionId(str(uuid4()))
        mark = self.desk.at.keyring().card_mark(self.guest["fingerprint"])
        assert await free_time.grant(self.desk.pool, of, self.life.id, mark, now_ms=self.desk.now_ms())
        await free_time.close_grant(self.desk.pool, of, self.life.id, used=True, now_ms=self.desk.now_ms())
        return of

    async def order(self, because_of: Room) -> None:
        async with self.desk.pool.acquire() as connection, connection.transaction():
            await minors.confirm(
                connection, user_id=self.life.id, ordered_by=str(uuid4()), session_id=because_of.id,
                appeal_ms=0, now_ms=self.desk.now_ms(),
            )  # fmt: skip

    async def kept_minor(self, room: Room) -> int:
        """What Stripe has collected of a session and not given back."""
        came = sum(one["amount_received"] for one in await self.desk.at_stripe("payment_intents", room))
        back = [one for one in await self.desk.at_stripe("refunds", room) if one["status"] == "succeeded"]
        return int(came - sum(one["amount"] for one in back))

    async def with_host_minor(self, room: Room) -> int:
        """What the practitioner's account has of a session."""
        sent = sum(one["amount"] for one in await self.desk.at_stripe("transfers", room))
        return int(sent - sum(one["amount"] for one in await self.desk.at_stripe("reversals", room)))

    async def goes_on(self) -> None:
        """Workers do all there is to do."""
        for _ in range(4):
            await self.life.go_on()

    async def customer_is_there(self) -> bool:
        url = f"{self.desk.base}/stripe/v1/customers/{self.guest['customer']}"
        async with self.desk.http.get(url, headers={"Authorization": f"Bearer {KEY}"}) as response:
            return not (await response.json()).get("deleted")

    async def broken(self) -> list[str]:
        """The invariants that do not hold, as `python -m hub check` asks for them, of these sessions."""
        ours = {*self.desk.rooms, None}
        return [
            f"{name}: {row}"
            for name in invariant.names()
            for row in await invariant.broken(self.desk.pool, name, now_ms=self.desk.now_ms())
            if row.get("session_id") in ours
        ]

    async def named(self) -> list[str]:
        """Where customer, payment method or card, name or address still stand."""
        self.life.person = self.guest
        words = [self.guest[key] for key in ("payment_method", "fingerprint", "customer", "name", "email")]
        rows = await self.desk.owner.fetch("select tablename from pg_tables where schemaname = 'public'")
        query = "select count(*) from {} t where t::text like $1"
        return [
            f"{row['tablename']}: {word}"
            for row in rows
            for word in words
            if await self.desk.owner.fetchval(query.format(row["tablename"]), f"%{word}%")
        ]
