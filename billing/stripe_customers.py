"""The end of a customer at Stripe."""

from msgspec import Struct

from billing.stripe_gateway import StripeGateway


class _Gone(Struct, frozen=True):
    id: str
    deleted: bool = False


async def delete_customer(gateway: StripeGateway, customer: str) -> None:
    """Stripe forgets the customer and detaches their cards; charges stay on its books.

    Also when it was done before. Raises StripeUnavailable.
    """
    await gateway.read(gateway.api.customers.delete_async(customer), _Gone)
