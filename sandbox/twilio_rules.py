"""What Twilio checks before it takes a message, and how its test numbers fare."""

import re
from collections.abc import Sequence

BODY_MAX = 1_600
VALIDITY_MAX_S = 36_000
OURS = "+15005550006"
"""The one number that this account sends from; a messaging service has others."""
_E164 = re.compile(r"\+[1-9]\d{6,14}")
_SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")
_KNOWN = frozenset(
    {"To", "From", "MessagingServiceSid", "Body", "StatusCallback", "ValidityPeriod", "SmartEncoded"}
)
# Twilio's test numbers and the errors they stand for.
_MAGIC = {
    "+15005550001": (21211, "Invalid 'To' number"),
    "+15005550009": (21614, "'To' is no mobile number"),
    "+15005550004": (21610, "The recipient has unsubscribed"),
    "+15005550002": (21612, "The number cannot be reached"),
    "+15005550003": (21408, "No permission to send to this region"),
}
UNREACHABLE = "30003"
"""A number that ends so is switched off: messages to it are taken and not delivered, with this error."""


class TwilioRefused(Exception):
    """One error answer, `{code, message, more_info, status}`."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {
            "code": code,
            "message": message,
            "status": status,
            "more_info": f"https://www.twilio.com/docs/errors/{code}",
        }


def check(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The fields of a message to send. Raises TwilioRefused.

    Twilio lets fields pass that it does not know; here they are refused, so that a slip is noticed.
    """
    form = dict(pairs)
    if len(form) < len(pairs) or form.keys() - _KNOWN:
        raise TwilioRefused(400, 20001, f"Unknown or repeated parameters: {sorted(form.keys() - _KNOWN)}")
    to, body = form.get("To", ""), form.get("Body", "")
    if to in _MAGIC:
        raise TwilioRefused(400, *_MAGIC[to])
    if not _E164.fullmatch(to):
        raise TwilioRefused(400, 21211, f"Invalid 'To' Phone Number: {to}")
    _check_sender(form.get("From"), form.get("MessagingServiceSid"))
    if not body:
        raise TwilioRefused(400, 21602, "Message body is required.")
    if len(body) > BODY_MAX:
        raise TwilioRefused(400, 21617, "The message body is too long.")
    validity = form.get("ValidityPeriod", "1")
    if not validity.isdecimal() or not 1 <= int(validity) <= VALIDITY_MAX_S:
        raise TwilioRefused(400, 21626, "The validity period is out of range.")
    return form


def _check_sender(number: str | None, service: str | None) -> None:
    if number is not None and number != OURS:
        raise TwilioRefused(400, 21606, "The 'From' number is not one of this account.")
    if number is None and (service is None or not _SERVICE.fullmatch(service)):
        raise TwilioRefused(400, 21603, "A 'From' phone number is required.")


def fate(to: str) -> tuple[str, int | None]:
    """What becomes of a message that was taken: its last status, and the error if it is not delivered."""
    return ("undelivered", int(UNREACHABLE)) if to.endswith(UNREACHABLE) else ("delivered", None)
