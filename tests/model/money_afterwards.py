"""What may still happen to a session's money once it is over: tips, refunds by one admin or two, disputes."""

from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

from billing import money, requests
from billing.payment import Kind, Share
from hub.edge.auth import Principal
from hub.errors import Refused
from hub.hub import Hub
from hub.money import refunding
from hub.workers.restitution import Restitutions
from rooms.ids import UserId
from rooms.room import Room
from store.postgres import operations, restitutions
from tests.integration.payments.desk import ENVIRONMENT, Desk

ALONE_MINOR = 1_000
ADMINS = [UserId("0d0a0000-0000-4000-8000-000000000001"), UserId("0d0a0000-0000-4000-8000-000000000002")]


class Afterwards:
    """Guests, admins and banks, after the end. `account` is the practitioner's."""

    def __init__(self, desk: Desk, account: str) -> None:
        self.desk = desk
        self.account = account
        self.waiting: list[tuple[UserId, str]] = []

    @property
    def _hub(self) -> Hub:
        offer = SimpleNamespace(environment=ENVIRONMENT)
        parts = SimpleNamespace(
            pool=self.desk.pool,
            keyring=self.desk.keyring(),
            now_ms=self.desk.now_ms,
            offer=offer,
            refund_alone_minor=ALONE_MINOR,
        )
        return cast(Hub, parts)

    async def tip(self, room: Room) -> None:
        """The guest gives a tip, once."""
        desk = self.desk
        hold = (await desk.all(room, Kind.HOLD))[0]
        amount_minor = money.minimum_charge_minor(room.terms.currency)
        now_ms = desk.now_ms()
        wanted = requests.charge(
            room.id,
            1,
            ordinal=1,
            amount_minor=amount_minor,
            currency=room.terms.currency,
            customer=str(hold.params.body["customer"]),
            payment_method=str(hold.params.body["payment_method"]),
            share=Share(amount_minor, self.account, now_ms),
            at_ms=now_ms,
            kind=Kind.TIP,
        )
        await operations.insert_operations(desk.pool, ENVIRONMENT, room.id, 1, [wanted], now_ms=now_ms)

    async def refund(self, room: Room, parts: int, admin: int) -> None:
        """An admin asks for a part of what the session cost; too much is refused, and changes nothing."""
        captured = [op.outcome.amount_minor for op in await desk_collected(self.desk, room) if op.outcome]
        step = money.step_minor(room.terms.currency)
        amount_minor = max(step, sum(captured) * parts // 4 // step * step)
        who = _principal(ADMINS[admin])
        try:
            asked = await refunding.ask(
                self._hub,
                who,
                room.id,
                user_id=None,
                amount_minor=amount_minor,
                reason="as asked for",
                request_id=str(uuid4()),
            )
        except Refused:
            return
        if asked.state == "pending_approval":
            self.waiting.append((who.user_id, asked.id))

    async def approve(self, admin: int) -> None:
        """An admin agrees to whatever waits; to their own they may not."""
        for _, refund_id in list(self.waiting):
            try:
                await refunding.approve(self._hub, _principal(ADMINS[admin]), refund_id)
            except Refused:
                continue
            self.waiting = [entry for entry in self.waiting if entry[1] != refund_id]

    async def dispute(self, room: Room) -> None:
        """The guest's bank takes the money back, if there is a charge to dispute."""
        await self._try("dispute", {"session_id": room.id})

    async def decide(self, room: Room, outcome: str) -> None:
        """The bank decides what is open."""
        for dispute in await disputes_of(self.desk, room):
            await self._try("dispute/close", {"dispute": dispute["id"], "outcome": outcome})

    async def bounce(self, room: Room) -> None:
        """The guest's bank sends the latest refund back, if there is one."""
        await self._try("refund/fail", {"session_id": room.id})

    async def order_restitution(self, room: Room) -> None:
        """The guest turns out to be a minor: everything goes back."""
        await restitutions.order(
            self.desk.pool,
            guest_id=room.guests[0].user_id,
            ordered_by=ADMINS[0],
            reason="minor",
            now_ms=self.desk.now_ms(),
        )

    async def give_back(self) -> None:
        """The duty runs once."""
        duty = Restitutions(
            self.desk.pool, self.desk.keyring(), environment=ENVIRONMENT, now_ms=self.desk.now_ms
        )
        await duty.run_once()

    async def _try(self, path: str, body: object) -> None:
        async with self.desk.http.post(f"{self.desk.base}/control/{path}", json=body) as response:
            assert response.status in (200, 400), await response.text()


async def desk_collected(desk: Desk, room: Room) -> list[Any]:
    """The operations that brought a session's money in."""
    kinds = (Kind.CAPTURE, Kind.CHARGE, Kind.TIP)
    known = await operations.operations(desk.pool, room.id)
    return [one for one in known if one.kind in kinds and one.outcome and one.outcome.status == "captured"]


async def disputes_of(desk: Desk, room: Room) -> list[dict[str, Any]]:
    """Stripe's disputes of a session: they carry no metadata of ours, but their intent does."""
    intents = {intent["id"] for intent in await desk.at_stripe("payment_intents", room)}
    async with desk.http.get(f"{desk.base}/control/stripe/disputes") as response:
        return [found for found in await response.json() if found["payment_intent"] in intents]


def _principal(user_id: UserId) -> Principal:
    return cast(Principal, SimpleNamespace(user_id=user_id, role="admin"))
