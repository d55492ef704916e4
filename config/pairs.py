"""Settings that only make sense together.

Read from the raw environment, so that they are reported beside every other problem rather than after it.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from config.addresses import is_loopback
from config.shapes import is_live

TOGETHER: Final = (
    ("AGORA_APP_ID", "AGORA_APP_CERTIFICATE"),
    ("AGORA_CUSTOMER_ID", "AGORA_CUSTOMER_SECRET"),
    ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM"),
    (
        "AGORA_RECORDING_VENDOR",
        "AGORA_RECORDING_REGION",
        "AGORA_RECORDING_BUCKET",
        "AGORA_RECORDING_ACCESS_KEY",
        "AGORA_RECORDING_SECRET_KEY",
    ),
)
NEEDS: Final = {"AGORA_RECORDING_BUCKET": "AGORA_CUSTOMER_ID", "AGORA_CUSTOMER_ID": "AGORA_APP_ID"}


def contradictions(environ: Mapping[str, str]) -> dict[str, str]:
    """Keys that are at odds with others, and why. Empty when all agree."""
    problems: dict[str, str] = {}
    for group in TOGETHER:
        given = [key for key in group if environ.get(key, "").strip()]
        if given:
            problems |= {key: f"is missing beside {given[0]}" for key in group if key not in given}
    for key, needed in NEEDS.items():
        if environ.get(key, "").strip() and not environ.get(needed, "").strip():
            problems.setdefault(needed, f"is missing beside {key}")
    return problems | _live_key(environ)


def _live_key(environ: Mapping[str, str]) -> dict[str, str]:
    """A live key is never sent to a stand-in: its base address would see it."""
    if not is_live(environ.get("STRIPE_SECRET_KEY", "")):
        return {}
    if not environ.get("STRIPE_API_BASE", "").strip() or not _points_here(environ["STRIPE_API_BASE"]):
        return {}
    return {"STRIPE_SECRET_KEY": "is a live key, but STRIPE_API_BASE points to this machine"}


def _points_here(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname)
    except ValueError:
        return False
