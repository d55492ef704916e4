"""The money machine: some sessions, and everything that may become of their money, in any order."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any, ClassVar, get_args

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from billing import money
from hub.workers.payments import Point
from rooms.room import Room, Terms
from tests.model.money_auditor import at_any_time, books, ends, invariants_hold, once_it_is_calm
from tests.model.money_world import HANG_MS, World

SESSIONS_MAX = 3
CALM_ROUNDS = 60
STEP_S = 60.0
"""Far more than a step needs: whatever hangs is told by where it hangs."""
CARDS = ["pm_card_visa"] * 4 + ["pm_card_threeDSecure2Required", "pm_card_chargeCustomerFail"]
CURRENCIES = ["usd", "jpy", "kwd"]
PATHS = ["/v1/payment_intents", "/v1/transfers", "/v1/refunds", "/v1/disputes"]
POINTS = [None, None, *get_args(Point)]
FREE_S = [0, 30, 100, 1_200]
AVAILABLE = [0, 50, 10_000_000]
"""What the platform's own balance may have, in minor units."""
SECONDS = [1, 20, 61, 240, 660, 90_000, 7 * 86_400]
THEN = ["nothing", "short", "tip", "refund", "refund all", "dispute"]
ADMIN = st.integers(0, 1)
WHICH = st.integers(0, SESSIONS_MAX - 1)


class Money(RuleBasedStateMachine):
    """Some sessions and whatever becomes of their money."""

    steps: ClassVar[int] = 0
    reached: ClassVar[Counter[str]] = Counter()
    """How often sessions came to each end, so that it can be seen that the machine gets anywhere."""

    def __init__(self, runner: asyncio.Runner, at: World) -> None:
        super().__init__()
        self.runner, self.world = runner, at

    @initialize(meeting=st.integers(0, 2))
    def begin(self, meeting: int) -> None:
        """Some sessions are under way from the start: chance alone would seldom get as far."""
        self.wait(self.world.begin_anew())
        for number in range(meeting):
            self.request("pm_card_visa", CURRENCIES[number], 20, 8, 2_000, FREE_S[number], go_on=True)

    # Guests and practitioners.

    @rule(
        card=st.sampled_from(CARDS),
        currency=st.sampled_from(CURRENCIES),
        minutes=st.integers(1, 25),
        rate=st.integers(1, 30),
        fee_bps=st.sampled_from([0, 1, 2_000, 3_333]),
        free_s=st.sampled_from(FREE_S),
        go_on=st.booleans(),
    )
    def request(
        self, card: str, currency: str, minutes: int, rate: int, fee_bps: int, free_s: int, *, go_on: bool
    ) -> None:
        if len(self.world.rooms) >= SESSIONS_MAX:
            return
        least_minor, step_minor = money.minimum_charge_minor(currency), money.step_minor(currency)
        rate_minor = least_minor * rate // 4
        cap_minor = max(least_minor, rate_minor * minutes // step_minor * step_minor)
        terms = Terms("per_minute", currency, rate_minor, free_s * 1000, fee_bps, 0, cap_minor)
        self.do(self.world.desk.request(card, terms=terms))
        if go_on:
            # Otherwise chance would seldom see a request through the half minute that it has.
            self.do(self.world.pay())
            self.world.meet(self.world.rooms[-1])

    @rule(which=WHICH, answer=st.sampled_from(["approve", "approve", "decline"]))
    def answer_bank(self, which: int, answer: str) -> None:
        for room in self.pick(which):
            self.do(self.world.answer_bank(room, answer))

    @rule(which=WHICH, minutes=st.integers(0, 30))
    def meet(self, which: int, minutes: int) -> None:
        for room in self.pick(which):
            self.world.meet(room)
            self.do(self.world.pass_time(minutes * 20))

    @rule(which=WHICH)
    def extend(self, which: int) -> None:
        for room in self.pick(which):
            self.do(self.world.extend(room))

    @rule(which=WHICH)
    def end(self, which: int) -> None:
        for room in self.pick(which):
            self.world.end(room)

    @rule(which=WHICH, then=st.sampled_from(THEN))
    def conclude(self, which: int, then: str) -> None:
        """A session's ordinary end, and something that comes of it."""
        for room in self.pick(which):
            self.world.end(room)
            self.do(self.world.settle(self.world.desk.rooms[room.id]))
            if then == "short":
                self.do(self.world.platform_has(room.terms.currency, 0))
            self.do(self.world.pay())
            afterwards = self.world.afterwards
            if then == "tip":
                self.do(afterwards.tip(room))
            elif then == "dispute":
                self.do(afterwards.dispute(room))
            elif then.startswith("refund"):
                self.do(afterwards.refund(room, 4 if then == "refund all" else 1, 0))

    @rule(which=WHICH, then=st.sampled_from(["lapse", "minor", "in vain", "in vain, paid out"]))
    def conclude_badly(self, which: int, then: str) -> None:
        """An ordinary session, and what has to be put right after it."""
        for room in self.pick(which):
            self.world.meet(room)
            self.do(self.world.pass_time(240))
            self.world.end(self.world.desk.rooms[room.id])
            if then == "lapse":
                # The bank lets the hold go, and says no to the charge in its place.
                self.do(self._cancel(room, 0))
                self.do(self.world.desk.fault("decline_next", times=2))
            self.do(self.world.settle(self.world.desk.rooms[room.id]))
            self.do(self.world.pay())
            self.do(self.world.pass_time(90_000 if then.endswith("paid out") else 61))
            self.do(self.world.pay())
            if then == "minor":
                self.do(self.world.afterwards.order_restitution(room))
            elif then.startswith("in vain"):
                self.do(self.world.afterwards.refund(room, 1, 0))
                self.do(self.world.pay())
                self.do(self.world.afterwards.bounce(room))

    @rule(seconds=st.sampled_from(SECONDS))
    def pass_time(self, seconds: int) -> None:
        self.do(self.world.pass_time(seconds))

    @rule(which=WHICH)
    def tip(self, which: int) -> None:
        for room in self.pick(which):
            if room.id in self.world.settled:
                self.do(self.world.afterwards.tip(room))

    @rule(which=WHICH, parts=st.integers(0, 5), admin=ADMIN)
    def refund(self, which: int, parts: int, admin: int) -> None:
        for room in self.pick(which):
            self.do(self.world.afterwards.refund(room, parts, admin))

    @rule(admin=ADMIN)
    def approve(self, admin: int) -> None:
        self.do(self.world.afterwards.approve(admin))

    @rule(which=WHICH)
    def bounce(self, which: int) -> None:
        """A refund comes back days later."""
        for room in self.pick(which):
            self.do(self.world.afterwards.bounce(room))

    @rule(which=WHICH)
    def order_restitution(self, which: int) -> None:
        for room in self.pick(which):
            self.do(self.world.afterwards.order_restitution(room))

    @rule()
    def give_back(self) -> None:
        self.do(self.world.afterwards.give_back())

    @rule(which=WHICH)
    def dispute(self, which: int) -> None:
        for room in self.pick(which):
            self.do(self.world.afterwards.dispute(room))

    @rule(which=WHICH, outcome=st.sampled_from(["won", "lost"]))
    def decide(self, which: int, outcome: str) -> None:
        for room in self.pick(which):
            self.do(self.world.afterwards.decide(room, outcome))

    # Workers, some of which die.

    @rule(die_at=st.sampled_from(POINTS))
    def pay(self, die_at: Point | None) -> None:
        self.do(self.world.pay(die_at))

    @rule(die=st.booleans())
    def hear(self, die: bool) -> None:
        self.do(self.world.hear(die=die))

    @rule(which=WHICH, crash=st.sampled_from([False, False, True]))
    def settle(self, which: int, crash: bool) -> None:
        for room in self.pick(which):
            self.do(self.world.settle(room, crash=crash))

    @rule(die_at=st.sampled_from(POINTS))
    def pay_while_hearing(self, die_at: Point | None) -> None:
        async def both() -> None:
            await asyncio.gather(self.world.pay(die_at), self.world.hear())

        self.do(both())

    # Stripe's moods.

    @rule(
        action=st.sampled_from(["apply_then_drop", "429", "500", "hang", "decline_next"]),
        path=st.sampled_from(PATHS),
        times=st.integers(1, 2),
    )
    def misbehave(self, action: str, path: str, times: int) -> None:
        self.do(self.world.desk.fault(action, path, times=times, ms=HANG_MS))

    @rule(action=st.sampled_from(["duplicate_webhook", "reorder_webhooks", "delay_webhooks"]))
    def mix_up(self, action: str) -> None:
        fault = {"vendor": "stripe", "action": action, "times": 3, "ms": 500}
        self.do(self.world.desk.control("faults", fault))

    @rule(transfers=st.sampled_from(["active", "inactive"]))
    def allow(self, transfers: str) -> None:
        """Stripe allows the practitioner's account to be paid, or does so no more."""
        self.do(self.world.allow(transfers))

    @rule(currency=st.sampled_from(CURRENCIES), available=st.sampled_from(AVAILABLE))
    def top_up(self, currency: str, available: int) -> None:
        """The platform's own balance runs short, or is topped up."""
        self.do(self.world.platform_has(currency, available))

    @rule(which=WHICH, nth=st.integers(0, 1))
    def cancel_at_stripe(self, which: int, nth: int) -> None:
        """The bank takes a hold back, or somebody does at the dashboard."""
        for room in self.pick(which):
            self.do(self._cancel(room, nth))

    async def _cancel(self, room: Room, nth: int) -> None:
        desk = self.world.desk
        for intent in (await desk.at_stripe("payment_intents", room))[nth : nth + 1]:
            if intent["status"] == "requires_capture":
                await self.world.calm_vendor()
                await desk.vendor.v1.payment_intents.cancel_async(intent["id"])

    # What must hold.

    def do(self, step: Coroutine[Any, Any, object]) -> None:
        """One step, and the audit after it."""
        type(self).steps += 1
        self.wait(step)
        self.wait(self.audit())

    async def audit(self) -> None:
        for room in self.world.rooms:
            at_any_time(await books(self.world.desk, room))
        await invariants_hold(self.world.desk, self.world.rooms, calm=False)

    def pick(self, which: int) -> list[Room]:
        return self.world.rooms[which : which + 1]

    def wait(self, step: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(asyncio.wait_for(step, STEP_S))

    def teardown(self) -> None:
        self.wait(self.come_to_rest())

    async def come_to_rest(self) -> None:
        """Stripe behaves, nobody dies any more, everyone goes home: the money finds its place."""
        await self.world.calm_vendor()
        await self.world.allow("active")
        for currency in CURRENCIES:
            await self.world.platform_has(currency, AVAILABLE[-1])
        for room in self.world.rooms:
            self.world.end(room)
            await self.world.settle(self.world.desk.rooms[room.id])
            await self.world.afterwards.decide(room, "won")
        # What nobody decides about freezes transfers for as long.
        for admin in (0, 1):
            await self.world.afterwards.approve(admin)
        for number in range(CALM_ROUNDS):
            if not await self.is_busy():
                break
            await self.world.pass_time(_round_s(number))
            await self.world.afterwards.give_back()
            await self.world.reap()
            await self.world.pay()
            await self.world.hear()
            await self.audit()
        await self.world.calm_vendor()
        for room in self.world.rooms:
            seen = await books(self.world.desk, room)
            once_it_is_calm(seen)
            self.reached.update(ends(seen))
        await invariants_hold(self.world.desk, self.world.rooms, calm=True)

    async def is_busy(self) -> bool:
        query = (
            "select (select count(*) from payment_ops where state not in ('succeeded', 'failed')"
            " or (applied_at_ms is null and outcome is not null))"
            " + (select count(*) from webhook_inbox where state = 'new')"
            " + (select count(*) from restitutions where done_at_ms is null)"
        )
        busy = await self.world.desk.owner.fetchval(query)
        return bool(busy) or not await self.world.has_told()


def _round_s(number: int) -> int:
    """A lease first; what was refused waits for hours, and a card that said no for days."""
    return 61 if number < CALM_ROUNDS // 3 else 3_600 if number < CALM_ROUNDS * 2 // 3 else 86_400
