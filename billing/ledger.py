"""The ledger: double entry, append-only. Every transaction sums to zero.

Amounts are signed minor units: debits are positive, credits negative. Accounts are seen from the platform,
which is the merchant of record: the guest owes it, it owes the practitioner.
"""

from enum import StrEnum

from msgspec import Struct


class Account(StrEnum):
    """Where money stands."""

    GUEST_RECEIVABLE = "guest_receivable"
    """Asset: what guests owe for settled sessions."""
    STRIPE_CLEARING = "stripe_clearing"
    """Asset: what Stripe holds for the platform."""
    PRACTITIONER_PAYABLE = "practitioner_payable"
    """Liability: what practitioners have earned and not received."""
    PLATFORM_FEE = "platform_fee"
    """Income: the platform's part."""
    PRACTITIONER_DEBT = "practitioner_debt"
    """Asset: what practitioners have to give back and could not be reversed."""
    DISPUTED_FUNDS = "disputed_funds"
    """Asset: what banks took back until a dispute is decided."""
    PLATFORM_PROMOTIONS = "platform_promotions"
    """Expense: what the platform pays practitioners for guests' free time."""
    STRIPE_FEES = "stripe_fees"
    """Expense: what Stripe keeps for itself."""


class Entry(Struct, frozen=True):
    """One side of a transaction."""

    account: Account
    amount_minor: int
    currency: str


Entries = tuple[Entry, ...]


def earned(total_minor: int, fee_minor: int, currency: str) -> Entries:
    """A settled session: the guest owes the total, the practitioner and the platform have earned it."""
    return _zero_sum(
        currency,
        (Account.GUEST_RECEIVABLE, total_minor),
        (Account.PRACTITIONER_PAYABLE, fee_minor - total_minor),
        (Account.PLATFORM_FEE, -fee_minor),
    )


def promoted(amount_minor: int, currency: str) -> Entries:
    """Free time that was used: the practitioner has earned it, and the platform bears it."""
    return _zero_sum(
        currency, (Account.PLATFORM_PROMOTIONS, amount_minor), (Account.PRACTITIONER_PAYABLE, -amount_minor)
    )


def captured(amount_minor: int, currency: str) -> Entries:
    """A capture: Stripe has collected what the guest owed."""
    return _zero_sum(
        currency, (Account.STRIPE_CLEARING, amount_minor), (Account.GUEST_RECEIVABLE, -amount_minor)
    )


def tipped(amount_minor: int, currency: str) -> Entries:
    """A tip that has come in: all of it is the practitioner's."""
    return _zero_sum(
        currency, (Account.STRIPE_CLEARING, amount_minor), (Account.PRACTITIONER_PAYABLE, -amount_minor)
    )


def transferred(amount_minor: int, currency: str) -> Entries:
    """A transfer: Stripe has passed on what the practitioner earned."""
    return _zero_sum(
        currency, (Account.PRACTITIONER_PAYABLE, amount_minor), (Account.STRIPE_CLEARING, -amount_minor)
    )


def refunded(amount_minor: int, practitioner_minor: int, currency: str) -> Entries:
    """A refund: Stripe has given the guest money back, of which a part had been the practitioner's."""
    return _zero_sum(
        currency, (Account.STRIPE_CLEARING, -amount_minor), *_unearned(amount_minor, practitioner_minor)
    )


def refund_failed(amount_minor: int, practitioner_minor: int, currency: str) -> Entries:
    """A refund that failed after it was made: the money is back, and all is as if it had never been."""
    made = refunded(amount_minor, practitioner_minor, currency)
    return tuple(Entry(side.account, -side.amount_minor, currency) for side in made)


def returned(amount_minor: int, currency: str) -> Entries:
    """A reversal: what had been transferred for money that went back is with the platform again."""
    return _zero_sum(
        currency, (Account.STRIPE_CLEARING, amount_minor), (Account.PRACTITIONER_PAYABLE, -amount_minor)
    )


def indebted(amount_minor: int, currency: str) -> Entries:
    """A reversal that could not be made: the practitioner owes it."""
    return _zero_sum(
        currency, (Account.PRACTITIONER_DEBT, amount_minor), (Account.PRACTITIONER_PAYABLE, -amount_minor)
    )


def netted(amount_minor: int, currency: str) -> Entries:
    """Earnings kept against a debt."""
    return _zero_sum(
        currency, (Account.PRACTITIONER_PAYABLE, amount_minor), (Account.PRACTITIONER_DEBT, -amount_minor)
    )


def disputed(amount_minor: int, currency: str) -> Entries:
    """A dispute: the bank has taken the money until it decides."""
    return _zero_sum(
        currency, (Account.DISPUTED_FUNDS, amount_minor), (Account.STRIPE_CLEARING, -amount_minor)
    )


def dispute_won(amount_minor: int, currency: str) -> Entries:
    """A dispute was won: the money is back."""
    return _zero_sum(
        currency, (Account.STRIPE_CLEARING, amount_minor), (Account.DISPUTED_FUNDS, -amount_minor)
    )


def dispute_lost(amount_minor: int, practitioner_minor: int, currency: str) -> Entries:
    """A dispute was lost: as if it had been refunded."""
    return _zero_sum(
        currency, (Account.DISPUTED_FUNDS, -amount_minor), *_unearned(amount_minor, practitioner_minor)
    )


def fee(amount_minor: int, currency: str) -> Entries:
    """What Stripe kept of a movement for itself; negative when it gave some back."""
    return _zero_sum(currency, (Account.STRIPE_FEES, amount_minor), (Account.STRIPE_CLEARING, -amount_minor))


def _unearned(amount_minor: int, practitioner_minor: int) -> tuple[tuple[Account, int], ...]:
    return (
        (Account.PRACTITIONER_PAYABLE, practitioner_minor),
        (Account.PLATFORM_FEE, amount_minor - practitioner_minor),
    )


def _zero_sum(currency: str, *sides: tuple[Account, int]) -> Entries:
    entries = tuple(Entry(account, amount, currency) for account, amount in sides if amount)
    if sum(entry.amount_minor for entry in entries):
        raise AssertionError("A ledger transaction does not sum to zero.")
    return entries
