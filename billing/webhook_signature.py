"""Whether a call is Stripe's: its signature over the raw body, by Stripe's scheme `v1`.

The SDK's own check accepts times in the future, so this one is ours: https://docs.stripe.com/webhooks.
"""

import hashlib
import hmac
from typing import Final

TOLERANCE_S: Final = 300
HEADER_MAX: Final = 2_048
SIGNATURES_MAX: Final = 8


class BadSignature(Exception):
    """The call is not signed by who holds the secret, or not now."""


def verify(raw: bytes, header: str, secret: str, *, now_s: float) -> None:
    """Accept a body exactly as it came and its `Stripe-Signature` header, or raise BadSignature.

    The time in the header may differ from `now_s` by five minutes, either way.
    """
    time_text, signatures = _parts(header)
    signed = hmac.new(secret.encode(), time_text.encode() + b"." + raw, hashlib.sha256).hexdigest()
    # Every one is compared, so that the time taken tells nothing about which fits.
    if not sum(hmac.compare_digest(signed.encode(), given.encode()) for given in signatures):
        raise BadSignature("no signature fits")
    if abs(now_s - int(time_text)) > TOLERANCE_S:
        raise BadSignature("signed at another time")


def _parts(header: str) -> tuple[str, list[str]]:
    """The time, as it was written, and the `v1` signatures. Other schemes are none."""
    if len(header) > HEADER_MAX:
        raise BadSignature("the header is too long")
    pairs = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in pairs if name == "t"]
    signatures = [value for name, _, value in pairs if name == "v1"]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit() and len(times[0]) <= 12):
        raise BadSignature("the header has no time")
    if not 0 < len(signatures) <= SIGNATURES_MAX:
        raise BadSignature("the header has no signature")
    return times[0], signatures
