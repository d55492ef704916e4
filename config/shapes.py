"""The shapes of keys and secrets. What is wrong is said without repeating the value."""

import re
from base64 import b64decode
from collections.abc import Callable
from typing import Final, NamedTuple

from pydantic import SecretStr

DATA_KEY_BYTES: Final = 32


class Shape(NamedTuple):
    """A pattern that the whole text must match, and how to say so."""

    pattern: re.Pattern[str]
    words: str


STRIPE_KEY: Final = Shape(re.compile(r"[sr]k_(test|live)_\w+"), "must be a Stripe secret key (sk_… or rk_…)")
STRIPE_WEBHOOK: Final = Shape(re.compile(r"whsec_\S+"), "must be a Stripe signing secret (whsec_…)")
TWILIO_SID: Final = Shape(re.compile(r"AC[0-9a-fA-F]{32}"), "must be AC and 32 hexadecimal digits")
TWILIO_SENDER: Final = Shape(
    re.compile(r"\+[1-9]\d{6,14}|MG[0-9a-fA-F]{32}"), "must be an E.164 number or a messaging service (MG…)"
)
# The token builders accept any text, an empty one too, and build a token that no server takes.
AGORA_ID: Final = Shape(re.compile(r"[0-9a-fA-F]{32}"), "must be 32 hexadecimal digits")


def shaped(shape: Shape) -> Callable[[str], str]:
    """A validator of plain text."""

    def validate(text: str) -> str:
        if not shape.pattern.fullmatch(text):
            raise ValueError(shape.words)
        return text

    return validate


def matching(shape: Shape) -> Callable[[SecretStr], SecretStr]:
    """A validator of a secret."""
    return checked(shaped(shape))


def checked(check: Callable[[str], str]) -> Callable[[SecretStr], SecretStr]:
    """A validator that lets `check` see the text and keeps it secret."""

    def validate(secret: SecretStr) -> SecretStr:
        return SecretStr(check(secret.get_secret_value()))

    return validate


def data_key(value: object) -> bytes:
    """The key that wraps all others: 32 bytes from base64, standard or URL-safe."""
    wrong = f"must be {DATA_KEY_BYTES} bytes in base64"
    if not isinstance(value, str):
        raise ValueError(wrong)  # noqa: TRY004 (only a ValueError becomes a validation error)
    try:
        key = b64decode(value.translate(str.maketrans("-_", "+/")), validate=True)
    except ValueError:
        raise ValueError(wrong) from None
    if len(key) != DATA_KEY_BYTES:
        raise ValueError(wrong)
    return key


def data_keys(value: object) -> tuple[bytes, ...]:
    """Several such keys, with commas between them."""
    return tuple(data_key(part.strip()) for part in str(value).split(","))


def is_live(stripe_key: str) -> bool:
    """Whether a Stripe key moves real money."""
    return stripe_key.startswith(("sk_live_", "rk_live_"))
