"""Which of Stripe's events about money that goes on or back are applied by whom."""

from typing import Final

from hub.workers.accounts import PAYOUT_NEWS, Accounts
from hub.workers.disputes import NEWS, Disputes
from hub.workers.failed_refunds import NEWS as REFUND_NEWS
from hub.workers.failed_refunds import FailedRefunds
from hub.workers.webhooks import Applies
from store.records import InboxEvent

ACCOUNT_NEWS: Final = frozenset({"account.application.deauthorized", "account.updated", "capability.updated"})


def news(accounts: Accounts, disputes: Disputes, failed_refunds: FailedRefunds) -> dict[str, Applies]:
    """What applies each type of event. An event only says where to look."""

    async def account(event: InboxEvent) -> str | None:
        # The object of a deauthorisation is the platform's own application.
        return await accounts.account(str(event.payload.get("account") or event.object_id))

    async def payout(event: InboxEvent) -> str | None:
        account_id = event.payload.get("account")
        if event.object_id is None or not isinstance(account_id, str):
            return "not used"
        return await accounts.payout(event.object_id, account_id)

    async def dispute(event: InboxEvent) -> str | None:
        return "not used" if event.object_id is None else await disputes.apply(event.object_id)

    async def refund(event: InboxEvent) -> str | None:
        return "not used" if event.object_id is None else await failed_refunds.apply(event.object_id)

    return {
        **dict.fromkeys(ACCOUNT_NEWS, account),
        **dict.fromkeys(PAYOUT_NEWS, payout),
        **dict.fromkeys(NEWS, dispute),
        **dict.fromkeys(REFUND_NEWS, refund),
    }
