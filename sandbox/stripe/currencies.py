"""What one payment may be, per currency, in minor units: the least of it, and which amounts exist at all."""

from typing import Final, NamedTuple

from sandbox.stripe.errors import StripeError

AMOUNT_MAX = 99_999_999


class Rule(NamedTuple):
    """The least charge, and what every amount is a multiple of."""

    minimum: int
    step: int = 1


# Stripe's table of minimum charge amounts, for a platform that settles in the same currency. Where it names
# none, the amount is worth about half a dollar. Three-decimal currencies end in 0; króna and shilling have
# no decimals but are written with two, which are 00.
RULES: Final = {
    "aed": Rule(200),
    "aud": Rule(50),
    "bgn": Rule(100),
    "bhd": Rule(190, 10),
    "brl": Rule(50),
    "cad": Rule(50),
    "chf": Rule(50),
    "clp": Rule(500),
    "czk": Rule(1500),
    "dkk": Rule(250),
    "eur": Rule(50),
    "gbp": Rule(30),
    "hkd": Rule(400),
    "huf": Rule(17500),
    "ils": Rule(180),
    "inr": Rule(50),
    "isk": Rule(7000, 100),
    "jod": Rule(360, 10),
    "jpy": Rule(50),
    "krw": Rule(700),
    "kwd": Rule(160, 10),
    "mxn": Rule(1000),
    "myr": Rule(200),
    "nok": Rule(300),
    "nzd": Rule(50),
    "omr": Rule(200, 10),
    "pln": Rule(200),
    "ron": Rule(200),
    "sek": Rule(300),
    "sgd": Rule(50),
    "thb": Rule(1000),
    "tnd": Rule(1600, 10),
    "ugx": Rule(190_000, 100),
    "usd": Rule(50),
    "vnd": Rule(13_000),
    "zar": Rule(900),
}


def known(currency: str) -> str:
    """The currency in lower case. Raises `StripeError` when it is none."""
    lower = currency.lower()
    if lower not in RULES:
        raise StripeError(f"Invalid currency: {currency}.", code="invalid_currency", param="currency")
    return lower


def check_charge(amount: int, currency: str, param: str = "amount") -> None:
    """Raises `StripeError` unless an amount in minor units can be charged."""
    if amount < 0:
        raise StripeError("An amount is not negative.", code="parameter_invalid_integer", param=param)
    _check_step(amount, currency, param)
    if amount < RULES[currency].minimum:
        raise StripeError(
            f"The amount is below the minimum of {RULES[currency].minimum} {currency}.",
            code="amount_too_small",
            param=param,
        )
    if amount > AMOUNT_MAX:
        raise StripeError("The amount is too large.", code="amount_too_large", param=param)


def check_positive(amount: int, currency: str, param: str = "amount") -> None:
    """Raises `StripeError` below 1, and for an amount that the currency does not have."""
    if amount < 1:
        raise StripeError("Invalid positive integer.", code="parameter_invalid_integer", param=param)
    _check_step(amount, currency, param)


def _check_step(amount: int, currency: str, param: str) -> None:
    step = RULES[currency].step
    if amount % step:
        raise StripeError(
            f"Amounts in {currency} are multiples of {step}: {amount} is none.",
            code="parameter_invalid_integer",
            param=param,
        )
