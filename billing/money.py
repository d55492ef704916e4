"""Currencies: how many decimals they have, the smallest step that can be charged, and the least charge.

Money is an integer in minor units beside a lower-case ISO 4217 code, everywhere. Nothing here or anywhere
else computes with floats. The rounding rule is `rounded`, described in docs/decisions/0002-rounding.md.
"""

from decimal import Decimal
from typing import Final, NamedTuple


class UnknownCurrency(ValueError):
    """The hub does not take money in this currency."""


class Currency(NamedTuple):
    """How one currency is charged.

    `exponent` is its number of decimals, `step_minor` the unit that every charged amount is a multiple of,
    `minimum_minor` the least amount that can be charged, `sign` what people write before the amount.
    `unit_minor` is a round amount of about the worth of one dollar: bounds are multiples of it, no price is.
    """

    exponent: int
    step_minor: int
    minimum_minor: int
    unit_minor: int
    sign: str | None = None


# Stripe: "Supported currencies" for exponents, steps and minimum charge amounts. Currencies without a
# published minimum have a round amount above the worth of 0.50 USD, which Stripe applies after conversion.
_CURRENCIES: Final[dict[str, Currency]] = {
    "aed": Currency(2, 1, 200, 400),
    "aud": Currency(2, 1, 50, 150, "A$"),
    "bgn": Currency(2, 1, 100, 200),
    "bhd": Currency(3, 10, 250, 400),
    "brl": Currency(2, 1, 50, 500, "R$"),
    "cad": Currency(2, 1, 50, 150, "CA$"),
    "chf": Currency(2, 1, 50, 100),
    "clp": Currency(0, 1, 600, 1000),
    "czk": Currency(2, 1, 1500, 2500),
    "dkk": Currency(2, 1, 250, 700),
    "eur": Currency(2, 1, 50, 100, "€"),
    "gbp": Currency(2, 1, 30, 100, "£"),
    "hkd": Currency(2, 1, 400, 800, "HK$"),
    "huf": Currency(2, 1, 17500, 40000),
    "ils": Currency(2, 1, 250, 400, "₪"),
    "inr": Currency(2, 1, 50, 10000, "₹"),
    # Króna and shilling have no decimals, but Stripe keeps two for them, which must be zero.
    "isk": Currency(2, 100, 10000, 15000),
    "jod": Currency(3, 10, 400, 750),
    "jpy": Currency(0, 1, 50, 150, "¥"),
    "krw": Currency(0, 1, 900, 1500, "₩"),
    "kwd": Currency(3, 10, 200, 350),
    "mxn": Currency(2, 1, 1000, 2000, "MX$"),
    "myr": Currency(2, 1, 200, 500),
    "nok": Currency(2, 1, 300, 1000),
    "nzd": Currency(2, 1, 50, 150, "NZ$"),
    "omr": Currency(3, 10, 250, 400),
    "pln": Currency(2, 1, 200, 400),
    "ron": Currency(2, 1, 200, 500),
    "sek": Currency(2, 1, 300, 1000),
    "sgd": Currency(2, 1, 50, 150, "S$"),
    "thb": Currency(2, 1, 1000, 4000, "฿"),
    "tnd": Currency(3, 10, 2000, 3000),
    "ugx": Currency(2, 100, 250_000, 400_000),
    "usd": Currency(2, 1, 50, 100, "$"),
    "vnd": Currency(0, 1, 15_000, 25000, "₫"),
    "zar": Currency(2, 1, 1000, 2000),
}

CURRENCIES: Final = frozenset(_CURRENCIES)
"""The codes that a price may be set in."""


RATE_MAX_UNITS: Final = 20
"""The most that a minute may cost, in units of about a dollar."""


def exponent(currency: str) -> int:
    """The number of decimals, as Stripe counts them. Raises UnknownCurrency."""
    return _of(currency).exponent


def step_minor(currency: str) -> int:
    """Every charged amount is a multiple of this many minor units. Raises UnknownCurrency.

    Stripe takes three-decimal currencies only with a last digit of zero.
    """
    return _of(currency).step_minor


def minimum_charge_minor(currency: str) -> int:
    """The least amount that can be charged, in minor units. Raises UnknownCurrency."""
    return _of(currency).minimum_minor


def unit_minor(currency: str) -> int:
    """A round amount of about the worth of one dollar, for bounds. Raises UnknownCurrency."""
    return _of(currency).unit_minor


def rate_max_minor(currency: str) -> int:
    """The most that a minute may cost, in minor units, as the schema says too. Raises UnknownCurrency."""
    return RATE_MAX_UNITS * unit_minor(currency)


def to_major(minor: int, currency: str) -> Decimal:
    """Minor units as an exact amount: `to_major(300, "usd") == Decimal("3.00")`. Raises UnknownCurrency."""
    return Decimal(minor).scaleb(-exponent(currency))


def show(minor: int, currency: str) -> str:
    """An amount for people: `$3.00`, `¥350`, `12.50 PLN`. Raises UnknownCurrency."""
    known = _of(currency)
    # A step of a hundred means that the decimals are always zero, so people are not shown them.
    decimals = 0 if known.step_minor == 100 else known.exponent
    figure = f"{abs(to_major(minor, currency)):,.{decimals}f}"
    minus = "-" if minor < 0 else ""
    return f"{minus}{known.sign}{figure}" if known.sign else f"{minus}{figure} {currency.upper()}"


def rounded(numerator: int, denominator: int, currency: str) -> int:
    """`numerator / denominator` minor units, to the nearest chargeable amount; a tie goes up.

    Takes a numerator of 0 or more and a denominator above 0. This is the one place that rounds a price.
    """
    step = step_minor(currency)
    unit = denominator * step
    return (2 * numerator + unit) // (2 * unit) * step


def down(minor: int, currency: str) -> int:
    """The largest chargeable amount that is not above `minor`, which is 0 or more."""
    step = step_minor(currency)
    return minor // step * step


def up(minor: int, currency: str) -> int:
    """The smallest chargeable amount that is not below `minor`, which is 0 or more."""
    step = step_minor(currency)
    return -(-minor // step) * step


def _of(currency: str) -> Currency:
    try:
        return _CURRENCIES[currency]
    except KeyError:
        raise UnknownCurrency(f"No charges are made in {currency!r}.") from None
