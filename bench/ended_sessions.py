"""Sessions that are over and wait for the settlement worker: real holds, real transcripts, frozen rooms."""

import asyncio
from functools import partial
from typing import Any
from uuid import uuid4

import asyncpg
import stripe
from msgspec.structs import replace
from uuid_utils import uuid7

from billing import holds, requests
from billing.payment import Outcome
from rooms import session
from rooms.ids import ConnectionId, HubId, SessionId, UserId
from rooms.news import Change
from rooms.presence import Span
from rooms.room import Anchor, Hold, Limits, Participant, Room, State, Terms
from store.postgres import people, sessions
from store.redis.chat import Chat, Utterance
from store.redis.rooms import Rooms

ENVIRONMENT = "bench"
HUB = HubId("0b0b0000-0000-4000-8000-000000000001")
TERMS = Terms("per_minute", "usd", 300, 0, 2_000, 50, 30_000)
MINUTES = 4
TEXT = b"x" * 160
CUSTOMERS = 20
AT_ONCE = 16


class Sessions:
    """Makes sessions of two people, `messages` said in each, up to the end of the room."""

    def __init__(
        self, pool: asyncpg.Pool, rooms: Rooms, chat: Chat, vendor: stripe.StripeClient, *, messages: int
    ) -> None:
        self._pool, self._rooms, self._chat, self._vendor = pool, rooms, chat, vendor
        self._messages = messages
        self._cards: list[tuple[str, str]] = []
        self._host = UserId(str(uuid4()))

    async def prepare(self, account: str) -> None:
        """One practitioner whom Stripe pays, and some guests' cards."""
        now_ms = await self._rooms.now_ms()
        await people.ensure(
            self._pool,
            person_id=self._host,
            role="practitioner",
            name="Pia",
            email="pia@example.com",
            now_ms=now_ms,
        )
        await self._pool.execute(
            "insert into practices (practitioner_id, rate_minor_per_minute, currency, stripe_account,"
            " transfers_active) values ($1, 300, 'usd', $2, true)",
            self._host,
            account,
        )
        for _ in range(CUSTOMERS):
            customer = await self._vendor.v1.customers.create_async({})
            method = await self._vendor.v1.payment_methods.attach_async(
                "pm_card_visa", {"customer": customer.id}
            )
            self._cards.append((customer.id, method.id))

    async def request(self, count: int) -> list[Room]:
        """Requests on record, each with a hold that is wanted."""
        now_ms = await self._rooms.now_ms()
        asked = [self._asked(now_ms) for _ in range(count)]
        await self._all([self._record(room, number) for number, room in enumerate(asked)])
        return asked

    def _asked(self, now_ms: int) -> Room:
        """As it was requested: in the past, so that it can have lasted for minutes by now."""
        began_ms = now_ms - (MINUTES + 1) * 60_000
        return session.request(
            SessionId(str(uuid7())),
            practitioner=(self._host, "Pia"),
            guest=(UserId(str(uuid4())), "Gus"),
            terms=TERMS,
            limits=Limits(),
            now_ms=began_ms,
        ).room

    async def _record(self, room: Room, number: int) -> None:
        customer, method = self._cards[number % len(self._cards)]
        wanted = requests.hold(
            room.id,
            1,
            ordinal=1,
            amount_minor=holds.first_hold_minor(room.terms),
            currency=room.terms.currency,
            customer=customer,
            payment_method=method,
            return_url=None,
            at_ms=room.requested_at_ms,
        )
        await sessions.insert_request(
            self._pool, room, environment=ENVIRONMENT, hold=wanted, now_ms=room.requested_at_ms
        )

    async def live_through(self, asked: list[Room]) -> None:
        """Everyone meets, says what they have to say, and the guests end it: the queue is full now."""
        await self._all([self._live_through(room) for room in asked])

    async def _live_through(self, room: Room) -> None:
        live = _live(room)
        await self._rooms.create(Change(live))
        said = [self._utterance(live, number) for number in range(self._messages)]
        await asyncio.gather(*(self._chat.append(one, HUB) for one in said))
        guest = live.guests[0]
        now_ms = await self._rooms.now_ms()
        proofs = {anchor.connection: now_ms for person in live.people for anchor in person.anchors}
        await self._rooms.change(live.id, partial(session.end, who=guest.user_id, proofs=proofs))

    def _utterance(self, room: Room, number: int) -> Utterance:
        speaker = room.people[number % 2]
        return Utterance(
            room.id, speaker.user_id, speaker.no, f"c{number}", str(uuid7()), TEXT, b'{"text":"x"}'
        )

    async def _all(self, work: list[Any]) -> None:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(job: Any) -> None:
            async with gate:
                await job

        await asyncio.gather(*map(one, work))


async def apply(operation: object, outcome: Outcome) -> None:
    """The rooms of a benchmark need no news of their holds: they were made as if they had it."""


def _live(room: Room) -> Room:
    since_ms = room.requested_at_ms + 60_000
    host, guest = (_present(person, since_ms) for person in room.people)
    hold = Hold("placed", (1,), funded_ms=holds.funded_ms(room.terms, holds.first_hold_minor(room.terms)))
    return replace(
        room,
        state=State.LIVE,
        practitioner=host,
        guests=(replace(guest, hold=hold),),
        offered_at_ms=since_ms,
        accepted_at_ms=since_ms,
        live_at_ms=since_ms,
        clock_ms=since_ms,
    )


def _present(person: Participant, since_ms: int) -> Participant:
    """There twice with a short absence between, as a line that dropped once."""
    earlier = Span(since_ms, since_ms + 30_000)
    anchor = Anchor(ConnectionId(str(uuid4())), HUB, since_ms + 31_000)
    return replace(person, anchors=(anchor,), spans=(earlier,))
