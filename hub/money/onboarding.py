"""How a practitioner comes to be paid: an account of theirs at Stripe, and its own page to set it up.

Bank details and papers never come near us. Creating the account is harmless the second time: its key names
the practitioner and which account of theirs it is.
"""

from typing import Final

from billing.stripe_gateway import StripeUnavailable
from billing.stripe_records import Created, Link
from hub.errors import Code, Refused
from hub.hub import Hub
from rooms.ids import UserId
from store.money_records import ConnectedAccount
from store.postgres import disclosures, payouts

TRIES: Final = 3
"""Somebody else may keep an account for them meanwhile, or the one on record may be disconnected."""


async def link(hub: Hub, practitioner_id: UserId) -> str:
    """The address of Stripe's page where they set up their payouts, or complete what it asks for.

    Raises Refused: `conflict` without a practice, `unavailable` without Stripe.
    """
    try:
        for _ in range(TRIES):
            account = await payouts.account(hub.pool, practitioner_id)
            if account is None:
                raise Refused(Code.CONFLICT, "Set up your practice first.")
            stripe_account = account.stripe_account or await _create(hub, practitioner_id, account)
            if stripe_account is None:
                continue
            url = await _link(hub, stripe_account)
            if url is not None:
                return url
            # They disconnected it, so Stripe lets us do nothing with it. The next one is a new one.
            await payouts.drop_account(hub.pool, practitioner_id, stripe_account)
    except StripeUnavailable:
        pass
    raise Refused(Code.UNAVAILABLE, "Stripe can't be reached just now; please try again.")


async def _create(hub: Hub, practitioner_id: UserId, account: ConnectedAccount) -> str | None:
    """The account that was created and kept; None when another one was kept meanwhile."""
    key = f"allinya:{hub.offer.environment}:account:{practitioner_id}:{account.account_no}"
    await disclosures.disclosed(hub.pool, practitioner_id, "stripe", "account", now_ms=hub.now_ms())
    asked = hub.stripe.api.accounts.create_async(
        {
            "type": "express",
            "capabilities": {"transfers": {"requested": True}},
            "metadata": {"person_id": practitioner_id},
        },
        {"idempotency_key": key},
    )
    made = await hub.stripe.read(asked, Created)
    if made is None:
        raise StripeUnavailable("refused")
    kept = await payouts.keep_account(
        hub.pool, practitioner_id, account_no=account.account_no, stripe_account=made.id
    )
    return made.id if kept else None


async def _link(hub: Hub, stripe_account: str) -> str | None:
    asked = hub.stripe.api.account_links.create_async(
        {
            "account": stripe_account,
            "type": "account_onboarding",
            # The page asks for a new link when the old one was used or is too old, so both lead to ours.
            "refresh_url": f"{hub.offer.return_url}/?payouts=again",
            "return_url": f"{hub.offer.return_url}/?payouts=done",
        }
    )
    made = await hub.stripe.read(asked, Link)
    return None if made is None else made.url
