"""A desk with everything money needs: Postgres, Stripe's sandbox, the hub's webhook endpoints, and rooms.

Rooms are values in a dictionary, changed by the real rules; the clock can be moved.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg
import stripe
from uuid_utils import uuid7

from billing import holds, requests
from billing.payment import Kind, Operation, Outcome
from billing.settlement import held, settle
from billing.stripe_gateway import StripeGateway
from hub.money import funding
from hub.workers.accounts import Accounts
from hub.workers.disputes import Disputes
from hub.workers.failed_refunds import FailedRefunds
from hub.workers.news import news
from hub.workers.outcomes import Outcomes
from hub.workers.payments import Payments
from hub.workers.webhooks import Webhooks
from rooms import session
from rooms.errors import NotFound
from rooms.ids import ConnectionId, HubId, SessionId, UserId
from rooms.news import Change
from rooms.room import Limits, Room, Terms
from store.postgres import operations, sessions, settlements
from store.privacy.keys import Keyring

ENVIRONMENT = "test"
KEY = "sk_test_desk"
DATA_KEY = bytes(range(32))
SECRETS = {"stripe": "whsec_platform", "stripe-connect": "whsec_connect"}
TERMS = Terms("per_minute", "usd", 300, 0, 2000, 50, 30_000)
MINUTE_MS = 60_000
PATIENCE_S = 15.0
HUB = HubId(str(uuid4()))


@dataclass
class Desk:
    """Where a test works. `rooms` are the sessions, `settled` those that were told to be settled."""

    pool: asyncpg.Pool
    owner: asyncpg.Pool
    gateway: StripeGateway
    vendor: stripe.StripeClient
    http: aiohttp.ClientSession
    base: str
    hub: str
    offset_ms: int = 0
    rooms: dict[SessionId, Room] = field(default_factory=dict)
    settled: list[SessionId] = field(default_factory=list)
    offline: list[UserId] = field(default_factory=list)

    def now_ms(self) -> int:
        return int(time.time() * 1000) + self.offset_ms

    def wait(self, ms: int) -> None:
        """Let this much time pass for the hub; Stripe's own clock stays."""
        self.offset_ms += ms

    def keyring(self) -> Keyring:
        """As each process has its own."""
        return Keyring(DATA_KEY, self.pool, now_ms=self.now_ms)

    def outcomes(self) -> Outcomes:
        return Outcomes(
            self.pool, apply=self.apply, settled=self.settle_told, now_ms=self.now_ms, environment=ENVIRONMENT
        )

    def payments(self, **options: Any) -> Payments:
        return Payments(self.pool, self.gateway, self.outcomes(), now_ms=self.now_ms, **options)

    def webhooks(self) -> Webhooks:
        accounts = Accounts(self.pool, self.gateway, offline=self.took_offline, now_ms=self.now_ms)
        disputes = Disputes(self.pool, self.gateway, environment=ENVIRONMENT, now_ms=self.now_ms)
        failed = FailedRefunds(self.pool, self.gateway, environment=ENVIRONMENT, now_ms=self.now_ms)
        also = news(accounts, disputes, failed)
        return Webhooks(self.pool, self.gateway, self.outcomes(), now_ms=self.now_ms, also=also)

    async def took_offline(self, practitioner_id: UserId) -> None:
        self.offline.append(practitioner_id)

    async def apply(self, operation: Operation, outcome: Outcome) -> None:
        """What the hub does with a hold's outcome, on the rules themselves."""
        room = self.rooms.get(operation.session_id)
        if room is None:
            raise NotFound
        known = await settlements.holds(self.pool, room.id, operation.participant_no)
        decide = funding.decision(room, operation, outcome, known)
        # While the database was asked, the room may have changed.
        if decide is not None:
            self.rooms[room.id] = decide(self.rooms[room.id], now_ms=self.now_ms()).room

    async def settle_told(self, session_id: SessionId) -> None:
        self.settled.append(session_id)
        await sessions.mark_settled(self.pool, session_id, now_ms=self.now_ms())

    async def request(
        self,
        card: str = "pm_card_visa",
        *,
        terms: Terms = TERMS,
        off_session: bool = False,
        guest_id: UserId | None = None,
        payer: tuple[str, str] | None = None,
    ) -> Room:
        """A guest with this test card asks for a session; the hold is wanted, not sent.

        `payer` is a customer at Stripe and their payment method, where there is one already.
        """
        customer, method = payer or await self.new_payer(card)
        asked = session.request(
            SessionId(str(uuid7())),
            practitioner=(UserId(str(uuid4())), "Pia"),
            guest=(guest_id or UserId(str(uuid4())), "Gus"),
            terms=terms,
            limits=Limits(),
            now_ms=self.now_ms(),
        ).room
        hold = requests.hold(
            asked.id,
            1,
            ordinal=1,
            amount_minor=holds.first_hold_minor(terms),
            currency=terms.currency,
            customer=customer,
            payment_method=method,
            return_url=None if off_session else f"{self.hub}/back",
            at_ms=asked.requested_at_ms,
            abandon_at_ms=asked.requested_at_ms + asked.limits.hold_ms,
        )
        await sessions.insert_request(
            self.pool, asked, environment=ENVIRONMENT, hold=hold, now_ms=self.now_ms()
        )
        self.rooms[asked.id] = asked
        return asked

    async def new_payer(self, card: str) -> tuple[str, str]:
        """A customer with a saved card, and the payment method that it is."""
        customer = await self.vendor.v1.customers.create_async({})
        method = await self.vendor.v1.payment_methods.attach_async(card, {"customer": customer.id})
        return customer.id, method.id

    async def funded(self, **options: Any) -> Room:
        """A session whose hold is placed."""
        asked = await self.request(**options)
        await self.payments().run_once()
        assert self.rooms[asked.id].offered_at_ms is not None
        return self.rooms[asked.id]

    def change(self, room: Room, decide: Callable[[Room], Change]) -> Room:
        self.rooms[room.id] = decide(self.rooms[room.id]).room
        return self.rooms[room.id]

    async def give_up(self, room: Room) -> None:
        """The guest takes the request back."""
        self.change(room, partial(session.cancel, who=room.guests[0].user_id, now_ms=self.now_ms()))

    async def ended(self, minutes: float, **options: Any) -> Room:
        """A session that ran for these minutes and is over, not settled."""
        room = await self.funded(**options)
        begin_ms = self.rooms[room.id].clock_ms
        end_ms = begin_ms + int(minutes * MINUTE_MS)
        host, guest = room.practitioner.user_id, room.guests[0].user_id
        self.change(room, partial(session.accept, who=host, now_ms=begin_ms))
        sockets = {who: ConnectionId(str(uuid4())) for who in (host, guest)}
        for who, socket in sockets.items():
            self.change(room, partial(session.join, who=who, connection=socket, hub=HUB, now_ms=begin_ms))
        proofs = dict.fromkeys(sockets.values(), end_ms)
        self.wait(end_ms - self.now_ms())
        return self.change(room, partial(session.end, who=guest, proofs=proofs, now_ms=end_ms))

    async def settle(self, room: Room, *, destination: str | None = None, transfer_delay_ms: int = 0) -> None:
        """Put the session on record, as the settlement worker does."""
        wanted = await settlements.holds(self.pool, room.id, 1)
        bill = settle(
            room,
            room.guests[0],
            held=tuple(map(held, wanted)),
            destination=destination,
            transfer_delay_ms=transfer_delay_ms,
        )
        async with self.pool.acquire() as connection:
            committed = await settlements.commit(
                connection, room, bill, [], environment=ENVIRONMENT, now_ms=self.now_ms()
            )
        assert committed

    async def one(self, room: Room, kind: Kind) -> Operation:
        """The only operation of this kind."""
        [found] = await self.all(room, kind)
        return found

    async def all(self, room: Room, kind: Kind) -> list[Operation]:
        return [one for one in await operations.operations(self.pool, room.id) if one.kind is kind]

    async def in_flight(self, room: Room) -> bool:
        """Whether something of the session is on its way to Stripe."""
        query = "select count(*) from payment_ops where session_id = $1 and state = 'in_flight'"
        return bool(await self.owner.fetchval(query, room.id))

    async def at_stripe(self, kind: str, room: Room) -> list[dict[str, Any]]:
        """Objects of the session that Stripe has, whatever the hub knows of them."""
        async with self.http.get(
            f"{self.base}/control/stripe/{kind}", params={"session_id": room.id}
        ) as response:
            found: list[dict[str, Any]] = await response.json()
            return found

    async def control(self, path: str, body: object) -> Any:
        async with self.http.post(f"{self.base}/control/{path}", json=body) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def fault(self, action: str, path: str = "/v1/payment_intents", **options: Any) -> None:
        """The next POST there goes wrong in this way."""
        match = {"method": "POST", "path_prefix": path}
        await self.control("faults", {"vendor": "stripe", "action": action, "match": match, **options})

    async def no_fault_waits(self) -> bool:
        """Whether every fault has met its request."""
        async with self.http.get(f"{self.base}/control/faults") as response:
            return bool(await response.json() == [])

    async def answer_challenge(self, url: str, answer: str) -> None:
        """What the guest's browser does on the bank's page."""
        async with self.http.post(url, data={"answer": answer}, allow_redirects=False) as response:
            assert response.status < 400, await response.text()

    async def arrived(self, kind: str, object_id: str) -> None:
        """Wait until an event lies in the inbox."""
        query = "select count(*) from webhook_inbox where type = $1 and object_id = $2"
        await until(lambda: self._counts(query, kind, object_id), f"{kind} of {object_id}")

    async def _counts(self, query: str, *values: object) -> bool:
        return bool(await self.owner.fetchval(query, *values))

    async def balance(self, account: str, room: Room) -> int:
        """What an account holds for a session, in minor units."""
        total = await self.owner.fetchval(
            "select coalesce(sum(amount_minor), 0)::bigint from ledger_entries"
            " join ledger_transactions on ledger_transactions.id = transaction_id"
            " where account = $1 and session_id = $2",
            account,
            room.id,
        )
        return int(total)

    async def cases(self, room: Room) -> list[str]:
        rows = await self.owner.fetch("select kind from cases where session_id = $1 order by kind", room.id)
        return [row["kind"] for row in rows]


async def until(happened: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait for something another process or task brings about."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            # What is waited for happens at the other end of a socket, which sets no event here.
            while not await happened():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"never came: {what}") from None
