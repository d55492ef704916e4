"""What each sealed text is bound to: its row and its column, so that moved anywhere else it does not open.

The registry names what stands here. Texts in new columns are bound by `of_column`; those that were sealed
before there was one are bound as they always were, so that what is on record still opens.
"""

from collections.abc import Callable
from typing import Final

Binding = Callable[..., bytes]
"""From the parts of a row's primary key to what a text in it is bound to."""


def column_aad(table: str, column: str, row: object) -> bytes:
    """What a text sealed in a column is bound to; `row` is the primary key, its parts joined by colons."""
    return f"{table}:{column}:{row}".encode("ascii")


def of_column(table: str, column: str) -> Binding:
    """The binding of a column, which takes the parts of the primary key."""

    def bound(*row: object) -> bytes:
        return column_aad(table, column, ":".join(map(str, row)))

    return bound


def _always_as(prefix: str) -> Binding:
    """A binding from before there was one for each column."""

    def bound(row: object) -> bytes:
        return f"{prefix}{row}".encode("ascii")

    return bound


message_aad: Final = _always_as("")
"""A message's body: bound to the message's id alone."""
evidence_aad: Final = _always_as("evidence:")
action_note_aad: Final = _always_as("action:")
appeal_aad: Final = _always_as("appeal:")
appeal_note_aad: Final = _always_as("appeal-note:")

application_aad: Final = of_column("applications", "about")
application_headline_aad: Final = of_column("applications", "headline")
application_topics_aad: Final = of_column("applications", "topics")
application_reason_aad: Final = of_column("applications", "reason")
refund_aad: Final = of_column("refunds", "reason")
fraud_review_aad: Final = of_column("fraud_reviews", "reason")
admin_action_aad: Final = of_column("admin_actions", "reason")
audit_text_aad: Final = of_column("audit_texts", "text")
evidence_hold_aad: Final = of_column("evidence", "hold_reason")
legal_hold_aad: Final = of_column("legal_holds", "reason")
legal_hold_undisclosed_aad: Final = of_column("legal_holds", "undisclosed_reason")
legal_hold_piece_aad: Final = of_column("legal_hold_pieces", "sealed")
booking_aad: Final = of_column("bookings", "reason")
wording_aad: Final = of_column("review_versions", "text")
live_room_aad: Final = of_column("live_rooms", "title")
reminder_number_aad: Final = of_column("reminders", "number")
