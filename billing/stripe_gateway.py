"""The one file that speaks to Stripe: operations out, typed facts back.

The SDK neither retries nor invents keys here: a repeat is a decision of `recovery`, under the row's own key.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, Final, Protocol, TypeVar, assert_never, cast

import msgspec
import stripe

from billing.payment import Facts, Kind, Operation, Reply
from billing.stripe_objects import Account, Intent, Page, Transfer
from billing.stripe_records import Dispute, Refund, Reversal

# The SDK would write an id into the home directory and tell Stripe about our machine.
stripe.enable_telemetry = False

TIMEOUT_S: Final = 10.0
PAGE: Final = 100
PAGES_MAX: Final = 20
CLOCK_SKEW_S: Final = 300

T = TypeVar("T")
Listing = Callable[[Any], Awaitable[stripe.StripeObject]]


class StripeUnavailable(Exception):
    """Stripe could not be asked. Nothing was changed by asking."""


class TooMany(StripeUnavailable):
    """A list is longer than what is read of one; a narrower question may be answered."""


class _Listed(Protocol):
    @property
    def id(self) -> str: ...


class _Made(_Listed, Protocol):
    def facts(self) -> Facts: ...


L = TypeVar("L", bound=_Listed)


class StripeGateway:
    """A connection to Stripe. `api_base` replaces the address of its API; `timeout_s` bounds each call.

    `session` is the aiohttp client that calls go over, and stays its owner's; without one there is an own.
    """

    def __init__(
        self,
        secret_key: str,
        *,
        api_base: str | None = None,
        timeout_s: float = TIMEOUT_S,
        session: object | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._http = stripe.AIOHTTPClient(timeout=timeout_s, session=session)
        addresses: dict[str, str] = {} if api_base is None else {"api": api_base}
        client = stripe.StripeClient(
            secret_key,
            base_addresses=cast(Any, addresses),
            http_client=self._http,
            max_network_retries=0,
        )
        self.api = client.v1
        """Stripe's own calls, for `read` and `each`."""

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close_async()  # type: ignore[no-untyped-call]

    async def send(self, operation: Operation) -> Reply:
        """Send an operation as it is frozen, under its own key. Never raises: no answer is an answer too."""
        try:
            # Not wait_for: on Python 3.11 it swallows a cancellation that meets the answer.
            async with asyncio.timeout(self._timeout_s):
                answered = await self._post(operation)
            return Reply("done", _facts(operation.kind, _body(answered)))
        except stripe.StripeError as error:
            return _reply(error)
        except Exception as error:  # noqa: BLE001 - once it was sent, whatever else goes wrong, it may have worked
            return Reply("lost", code=type(error).__name__)

    async def find(self, operation: Operation) -> Facts | None:
        """The object that this attempt made or acts on, or None if there is none.

        Raises StripeUnavailable.
        """
        body = operation.params.body
        found: AsyncIterator[_Made]
        match operation.kind:
            case Kind.HOLD | Kind.CHARGE | Kind.TIP:
                query = {
                    "customer": body["customer"],
                    "created": {"gte": _sent_s(operation) - CLOCK_SKEW_S},
                    "expand": ["data.latest_charge"],
                }
                found = self.each(self.api.payment_intents.list_async, query, Intent)
            case Kind.TRANSFER:
                query = {"transfer_group": body["transfer_group"]}
                found = self.each(self.api.transfers.list_async, query, Transfer)
            case Kind.REFUND:
                query = {"payment_intent": body["payment_intent"]}
                found = self.each(self.api.refunds.list_async, query, Refund)
            case Kind.REVERSAL:
                listing = partial(self.api.transfers.reversals.list_async, _target(operation))
                found = self.each(listing, {}, Reversal)
            case Kind.EVIDENCE:
                dispute = await self.read(self.api.disputes.retrieve_async(_target(operation)), Dispute)
                return None if dispute is None else dispute.facts()
            case Kind.CAPTURE | Kind.CANCEL:
                return await self.intent(_target(operation))
            case _:
                assert_never(operation.kind)
        async for made in found:
            facts = made.facts()
            if (facts.session_id, facts.operation) == (operation.session_id, operation.name):
                return facts
        return None

    async def intent(self, intent_id: str) -> Facts | None:
        """A payment intent as it is now, or None if there is none. Raises StripeUnavailable."""
        asked = self.api.payment_intents.retrieve_async(intent_id, {"expand": ["latest_charge"]})
        found = await self.read(asked, Intent)
        return None if found is None else found.facts()

    async def transfers_active(self, account_id: str) -> bool | None:
        """Whether a connected account may receive transfers; None if there is no such account, or no more.

        Raises StripeUnavailable.
        """
        found = await self.read(self.api.accounts.retrieve_async(account_id), Account)
        return None if found is None else found.capabilities.transfers == "active"

    async def _post(self, operation: Operation) -> stripe.StripeObject:
        body = cast(Any, operation.params.body)
        options: stripe.RequestOptions = {"idempotency_key": operation.idem_key}
        target = operation.params.target or ""
        match operation.kind:
            case Kind.HOLD | Kind.CHARGE | Kind.TIP:
                return await self.api.payment_intents.create_async(body, options)
            case Kind.CAPTURE:
                return await self.api.payment_intents.capture_async(target, body, options)
            case Kind.CANCEL:
                return await self.api.payment_intents.cancel_async(target, body, options)
            case Kind.TRANSFER:
                return await self.api.transfers.create_async(body, options)
            case Kind.REFUND:
                return await self.api.refunds.create_async(body, options)
            case Kind.REVERSAL:
                return await self.api.transfers.reversals.create_async(target, body, options)
            case Kind.EVIDENCE:
                return await self.api.disputes.update_async(target, body, options)
            case _:
                assert_never(operation.kind)

    async def read(self, asked: Awaitable[stripe.StripeObject], kind: type[T]) -> T | None:
        """What a call gives, or None if there is no such thing, or no more. Raises StripeUnavailable."""
        try:
            async with asyncio.timeout(self._timeout_s):
                answered = await asked
            return msgspec.json.decode(_body(answered), type=kind)
        except (stripe.InvalidRequestError, stripe.PermissionError) as error:
            # Stripe says 403 of an account that has disconnected itself.
            if error.http_status in (403, 404):
                return None
            raise StripeUnavailable(error.code or "refused") from error
        except Exception as error:
            raise StripeUnavailable(type(error).__name__) from error

    async def each(self, listing: Listing, query: dict[str, Any], kind: type[L]) -> AsyncIterator[L]:
        """All objects of a list, newest first. Raises StripeUnavailable, also when there are too many."""
        asked = {**query, "limit": PAGE}
        for _ in range(PAGES_MAX):
            page = await self.read(listing(asked), cast(type[Page[L]], Page[kind]))  # type: ignore[valid-type]
            if page is None:
                return
            for item in page.data:
                yield item
            if not page.has_more or not page.data:
                return
            asked["starting_after"] = page.data[-1].id
        # Not having read everything is not the same as having found nothing.
        raise TooMany("too many objects to look through")


def _target(operation: Operation) -> str:
    if operation.params.target is None:
        raise ValueError(f"A {operation.kind} needs its target.")
    return operation.params.target


def _sent_s(operation: Operation) -> int:
    return (operation.first_sent_at_ms or operation.created_at_ms) // 1000


def _body(answered: stripe.StripeObject) -> str:
    response = answered.last_response
    if response is None:
        raise ValueError("The SDK kept no response.")
    return response.body


_MADE: Final[dict[Kind, type[Intent | Transfer | Refund | Reversal | Dispute]]] = {
    Kind.TRANSFER: Transfer,
    Kind.REFUND: Refund,
    Kind.REVERSAL: Reversal,
    Kind.EVIDENCE: Dispute,
}


def _facts(kind: Kind, body: str) -> Facts:
    """Everything else is an intent."""
    return msgspec.json.decode(body, type=_MADE.get(kind, Intent)).facts()


def _reply(error: stripe.StripeError) -> Reply:
    replayed = (error.headers or {}).get("idempotent-replayed", "") == "true"
    if isinstance(error, stripe.CardError):
        return Reply("declined", _declined_intent(error), _decline_code(error), replayed)
    if isinstance(error, stripe.IdempotencyError):
        return Reply("mismatch", code=error.code)
    if isinstance(error, stripe.InvalidRequestError):
        return Reply("refused", code=error.code or "invalid_request", replayed=replayed)
    if isinstance(error, stripe.RateLimitError | stripe.AuthenticationError | stripe.PermissionError):
        return Reply("not_now", code=error.code or type(error).__name__)
    status = error.http_status or 0
    if status == 409:
        return Reply("not_now", code=error.code or "conflict")
    if status >= 500:
        return Reply("error", code=str(status), replayed=replayed)
    return Reply("lost", code=type(error).__name__)


def _declined_intent(error: stripe.CardError) -> Facts | None:
    try:
        return msgspec.convert(_error_body(error)["payment_intent"], Intent).facts()
    except (KeyError, msgspec.ValidationError):
        return None


def _decline_code(error: stripe.CardError) -> str:
    code = _error_body(error).get("decline_code") or error.code
    return str(code or "card_declined")


def _error_body(error: stripe.StripeError) -> dict[str, Any]:
    body = error.json_body
    told = body.get("error") if isinstance(body, dict) else None
    return told if isinstance(told, dict) else {}
