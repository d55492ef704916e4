"""A flag on its way from the moment in which it was raised to the queue that people work through."""

from typing import Literal

from msgspec import Struct

from rooms.safety.verdict import Category, Severity


class Raised(Struct, frozen=True):
    """What somebody has to look at: one message, and the rule or the person that pointed at it.

    `user_id` wrote it, `participant_no` is their number in the session. `start` and `end` are offsets into
    the text that was told; `at_ms` and `seq` are the store's, `seq` None for what was not delivered. `sealed`
    is the body under the sender's own key, bound to `message_id`.
    """

    flag_id: str
    session_id: str
    message_id: str
    user_id: str
    participant_no: int
    category: Category
    severity: Severity
    rule: str
    rule_version: str
    action: Literal["flag", "hold", "block"]
    start: int
    end: int
    at_ms: int
    seq: int | None
    sealed: bytes
    source: Literal["rule", "report"] = "rule"
    review_id: str | None = None
    """The review of which `message_id` is a wording, or whose words were reported."""
