"""What one payment may be at least, per currency, in minor units."""

from sandbox.stripe.errors import StripeError

AMOUNT_MAX = 99_999_999
# From Stripe's table of minimum charge amounts, for a platform that settles in the same currency.
MINIMUM = {
    "usd": 50,
    "aed": 200,
    "aud": 50,
    "bgn": 100,
    "brl": 50,
    "cad": 50,
    "chf": 50,
    "czk": 1500,
    "dkk": 250,
    "eur": 50,
    "gbp": 30,
    "hkd": 400,
    "huf": 17500,
    "inr": 50,
    "jpy": 50,
    "mxn": 1000,
    "myr": 200,
    "nok": 300,
    "nzd": 50,
    "pln": 200,
    "ron": 200,
    "sek": 300,
    "sgd": 50,
    "thb": 1000,
    "krw": 100,
    "zar": 50,
    "ils": 50,
}


def known(currency: str) -> str:
    """The currency in lower case. Raises `StripeError` when it is none."""
    lower = currency.lower()
    if lower not in MINIMUM:
        raise StripeError(f"Invalid currency: {currency}.", code="invalid_currency", param="currency")
    return lower


def check_charge(amount: int, currency: str, param: str = "amount") -> None:
    """Raises `StripeError` unless an amount in minor units can be charged."""
    if amount < 0:
        raise StripeError("An amount is not negative.", code="parameter_invalid_integer", param=param)
    if amount < MINIMUM[currency]:
        raise StripeError(
            f"The amount is below the minimum of {MINIMUM[currency]} {currency}.",
            code="amount_too_small",
            param=param,
        )
    if amount > AMOUNT_MAX:
        raise StripeError("The amount is too large.", code="amount_too_large", param=param)


def check_positive(amount: int, param: str = "amount") -> None:
    """Raises `StripeError` below 1."""
    if amount < 1:
        raise StripeError("Invalid positive integer.", code="parameter_invalid_integer", param=param)
