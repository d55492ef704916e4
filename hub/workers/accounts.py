"""What Stripe tells of practitioners' accounts: whether they can be paid, and what reached their banks.

Who can't be paid is taken offline at once, on every hub, and stays so until they can.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg
import structlog

from billing.stripe_gateway import StripeGateway, StripeUnavailable
from billing.stripe_objects import Page
from billing.stripe_records import Payout
from rooms.ids import UserId
from store.postgres import cases, payouts, people
from store.redis.directory import Directory
from store.redis.people import People

PAYOUT_NEWS: Final = frozenset(
    {"payout.created", "payout.updated", "payout.paid", "payout.failed", "payout.canceled"}
)
ACCOUNTS: Final = 50
"""Accounts that one run reads anew."""
PAYOUTS: Final = 10
"""Payouts of each that it reads."""

Offline = Callable[[UserId], Awaitable[None]]

log = structlog.get_logger()


async def take_offline(live: People, directory: Directory, practitioner_id: UserId) -> None:
    """The practitioner takes no requests, on no socket of no hub. A running session goes on."""
    await directory.show(await live.go_offline(practitioner_id))


class Accounts:
    """Connected accounts and their payouts. `offline` takes a practitioner offline; it may be repeated."""

    def __init__(
        self, pool: asyncpg.Pool, gateway: StripeGateway, *, offline: Offline, now_ms: Callable[[], int]
    ) -> None:
        self._pool = pool
        self._gateway = gateway
        self._offline = offline
        self._now_ms = now_ms
        self._after: UserId | None = None

    async def run_once(self) -> int:
        """Read the next accounts and their payouts anew, in case an event never came; how many accounts."""
        page = await payouts.accounts(self._pool, after=self._after, limit=ACCOUNTS)
        for practitioner_id, account_id in page:
            try:
                await self.account(account_id)
                await self._latest_payouts(practitioner_id, account_id)
            except StripeUnavailable:
                return 0
            self._after = practitioner_id
        if len(page) < ACCOUNTS:
            self._after = None
        return len(page)

    async def account(self, account_id: str) -> str | None:
        """Whether Stripe pays out to an account, read anew. Raises StripeUnavailable."""
        practitioner_id = await payouts.practitioner_of(self._pool, account_id)
        if practitioner_id is None:
            return "not ours"
        active = bool(await self._gateway.transfers_active(account_id))
        changed = await people.set_transfers_active(self._pool, account_id, active=active)
        if not active:
            # Whether it changed or not: whoever noted it may have died before this.
            await self._offline(practitioner_id)
        if changed:
            log.info("account.changed", active=active)
        return None if changed else "no change"

    async def payout(self, payout_id: str, account_id: str) -> str | None:
        """A payout as it is now. Raises StripeUnavailable."""
        practitioner_id = await payouts.practitioner_of(self._pool, account_id)
        if practitioner_id is None:
            return "not ours"
        asked = self._gateway.api.payouts.retrieve_async(payout_id, options={"stripe_account": account_id})
        found = await self._gateway.read(asked, Payout)
        if found is None:
            return "not there"
        await self._save(practitioner_id, found)
        return None

    async def _latest_payouts(self, practitioner_id: UserId, account_id: str) -> None:
        """The latest ones, in case an event about one never came."""
        asked = self._gateway.api.payouts.list_async({"limit": PAYOUTS}, {"stripe_account": account_id})
        page = await self._gateway.read(asked, Page[Payout])
        for found in page.data if page is not None else ():
            await self._save(practitioner_id, found)

    async def _save(self, practitioner_id: UserId, found: Payout) -> None:
        now_ms = self._now_ms()
        await payouts.save_payout(
            self._pool,
            payout_id=found.id,
            practitioner_id=practitioner_id,
            amount_minor=found.amount,
            currency=found.currency,
            status=found.status,
            arrival_at_ms=found.arrival_date * 1000,
            created_at_ms=found.created * 1000,
            now_ms=now_ms,
        )
        if found.status == "failed":
            detail = {"amount_minor": found.amount, "currency": found.currency}
            await cases.open_case(
                self._pool, "payout_failed", session_id=None, detail=detail, now_ms=now_ms, subject=found.id
            )
