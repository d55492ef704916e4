"""Stripe's published test cards: by number, by `pm_card_…` and by `tok_…` name."""

import hashlib
from dataclasses import dataclass
from typing import Literal

Authentication = Literal["never", "on_session", "until_set_up", "always"]


@dataclass(frozen=True, slots=True)
class Card:
    """What one test card does. `decline` is `(code, decline_code)` at every charge; `attach_fails` also when
    it is attached; `disputed` opens a dispute after the capture; `at_once` makes the money available now.
    """

    number: str
    brand: str = "visa"
    funding: str = "credit"
    decline: tuple[str, str | None] | None = None
    attach_fails: bool = False
    authentication: Authentication = "never"
    disputed: bool = False
    at_once: bool = False

    @property
    def last4(self) -> str:
        """The four digits that may be shown."""
        return self.number[-4:]

    @property
    def fingerprint(self) -> str:
        """The same for the same number, whoever holds it, as at Stripe."""
        return hashlib.sha256(f"sandbox-card:{self.number}".encode()).hexdigest()[:16]


def _declined(number: str, code: str, decline_code: str | None = None, *, attach_fails: bool = True) -> Card:
    return Card(number, decline=(code, decline_code), attach_fails=attach_fails)


VISA = Card("4242424242424242")
_NAMED = {
    "visa": VISA,
    "visa_debit": Card("4000056655665556", funding="debit"),
    "mastercard": Card("5555555555554444", brand="mastercard"),
    "mastercard_debit": Card("5200828282828210", brand="mastercard", funding="debit"),
    "amex": Card("378282246310005", brand="amex"),
    "discover": Card("6011111111111117", brand="discover"),
    "chargeDeclined": _declined("4000000000000002", "card_declined", "generic_decline"),
    "chargeDeclinedInsufficientFunds": _declined("4000000000009995", "card_declined", "insufficient_funds"),
    "chargeDeclinedLostCard": _declined("4000000000009987", "card_declined", "lost_card"),
    "chargeDeclinedStolenCard": _declined("4000000000009979", "card_declined", "stolen_card"),
    "chargeDeclinedExpiredCard": _declined("4000000000000069", "expired_card"),
    "chargeDeclinedIncorrectCvc": _declined("4000000000000127", "incorrect_cvc"),
    "chargeDeclinedProcessingError": _declined("4000000000000119", "processing_error"),
    "chargeDeclinedVelocityLimitExceeded": _declined(
        "4000000000006975", "card_declined", "card_velocity_exceeded"
    ),
    "chargeCustomerFail": _declined(
        "4000000000000341", "card_declined", "generic_decline", attach_fails=False
    ),
    "threeDSecure2Required": Card("4000000000003220", authentication="on_session"),
    "threeDSecureRequired": Card(
        "4000008400001629", authentication="on_session", decline=("card_declined", "generic_decline")
    ),
    "threeDSecureOptional": Card("4000000000003055"),
    "authenticationRequired": Card("4000002760003184", authentication="always"),
    "authenticationRequiredOnSetup": Card("4000002500003155", authentication="until_set_up"),
    "authenticationRequiredSetupForOffSession": Card("4000003800000446", authentication="on_session"),
    "authenticationRequiredChargeDeclinedInsufficientFunds": Card(
        "4000008260003178", authentication="always", decline=("card_declined", "insufficient_funds")
    ),
    "createDispute": Card("4000000000000259", disputed=True),
    "bypassPending": Card("4000000000000077", at_once=True),
}
_ALIASES = {f"visa_{name}": card for name, card in _NAMED.items() if name.startswith("chargeDeclined")}
_BY_NAME = {**_NAMED, **_ALIASES}
_BY_NUMBER = {card.number: card for card in _NAMED.values()}


def by_number(number: str) -> Card | None:
    """The test card with this number, spaces and dashes ignored."""
    return _BY_NUMBER.get(number.replace(" ", "").replace("-", ""))


def by_name(ident: str) -> Card | None:
    """The test card behind `pm_card_visa`, `tok_visa` and their like."""
    for prefix in ("pm_card_", "tok_"):
        if ident.startswith(prefix):
            return _BY_NAME.get(ident.removeprefix(prefix))
    return None


def needs_authentication(card: Card, *, off_session: bool, set_up: bool) -> bool:
    """Whether the issuer asks for 3-D Secure at this charge.

    Off session nobody is there to answer, so a True there is a decline with `authentication_required`.
    """
    match card.authentication:
        case "never":
            return False
        case "on_session":
            # 0446 was authenticated when it was saved, so its off-session charges pass; 3220 insists.
            return not (off_session and card.number == "4000003800000446")
        case "until_set_up":
            return not (off_session and set_up)
        case "always":
            return True
