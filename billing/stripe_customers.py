"""The end of a customer, or of a connected account, at Stripe."""

from msgspec import Struct

from billing.stripe_gateway import StripeGateway, StripeUnavailable


class _Gone(Struct, frozen=True):
    id: str
    deleted: bool = False


class _Amount(Struct, frozen=True):
    amount: int


class _Balance(Struct, frozen=True):
    available: list[_Amount] = []
    pending: list[_Amount] = []

    @property
    def empty(self) -> bool:
        """Nothing lies there, nothing is on its way, and nothing is owed."""
        return not any(one.amount for one in (*self.available, *self.pending))


class _Account(Struct, frozen=True):
    id: str


class MoneyLeft(Exception):
    """An account still has money, or owes some: Stripe deletes it once it has none."""


async def delete_customer(gateway: StripeGateway, customer: str) -> None:
    """Stripe forgets the customer and detaches their cards; charges stay on its books.

    Also when it was done before. Raises StripeUnavailable.
    """
    await gateway.read(gateway.api.customers.delete_async(customer), _Gone)


async def require_empty(gateway: StripeGateway, account: str) -> None:
    """Nothing lies in an account, is on its way there, or is owed. Raises MoneyLeft and StripeUnavailable.

    One that its owner disconnected counts as empty: then it is theirs alone, and out of our reach.
    """
    asked = gateway.api.balance.retrieve_async(options={"stripe_account": account})
    balance = await gateway.read(asked, _Balance)
    if balance is not None and not balance.empty:
        raise MoneyLeft


async def delete_account(gateway: StripeGateway, account: str) -> None:
    """Stripe deletes the connected account with everything that its owner told it; transfers stay on the
    books.

    Also when it was done before, or its owner disconnected it: then it is theirs alone, and out of our reach.
    Raises MoneyLeft, and StripeUnavailable also where Stripe refuses, as it does while something is pending.
    """
    if await gateway.read(gateway.api.accounts.retrieve_async(account), _Account) is None:
        return
    await require_empty(gateway, account)
    gone = await gateway.read(gateway.api.accounts.delete_async(account), _Gone)
    if gone is not None and not gone.deleted:
        raise StripeUnavailable("the account is still there")
