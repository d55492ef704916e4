"""What each sealed text is bound to: its row and its column, so that moved anywhere else it does not open.

The registry names these functions. Texts in new columns are bound by `column_aad`; those that were sealed
before there was one are bound as they always were, so that what is on record still opens.
"""


def column_aad(table: str, column: str, row: object) -> bytes:
    """What a text sealed in a column is bound to; `row` is the primary key, its parts joined by colons."""
    return f"{table}:{column}:{row}".encode("ascii")


def message_aad(message_id: str) -> bytes:
    """What a message's body is bound to: its id, so that a body moved to another message does not open."""
    return message_id.encode("ascii")


def application_aad(application_id: str) -> bytes:
    """What an applicant's words about themselves are bound to."""
    return column_aad("applications", "about", application_id)


def application_headline_aad(application_id: str) -> bytes:
    """What the headline that an applicant wants is bound to."""
    return column_aad("applications", "headline", application_id)


def application_topics_aad(application_id: str) -> bytes:
    """What the topics that an applicant wants, a line each, are bound to."""
    return column_aad("applications", "topics", application_id)


def application_reason_aad(application_id: str) -> bytes:
    """What an admin's answer to an application is bound to."""
    return column_aad("applications", "reason", application_id)


def refund_aad(refund_id: str) -> bytes:
    """What the reason of a refund is bound to."""
    return column_aad("refunds", "reason", refund_id)


def review_aad(review_id: str) -> bytes:
    """What the reason of a decision about fraud is bound to."""
    return column_aad("fraud_reviews", "reason", review_id)


def admin_action_aad(number: int) -> bytes:
    """What an admin's reason is bound to."""
    return column_aad("admin_actions", "reason", number)


def audit_text_aad(n: int, name: str) -> bytes:
    """What a text beside an entry of the audit chain is bound to."""
    return column_aad("audit_texts", "text", f"{n}:{name}")


def hold_aad(evidence_id: str) -> bytes:
    """What the reason of a legal hold is bound to."""
    return column_aad("evidence", "hold_reason", evidence_id)


def hold_reason_aad(hold_id: str) -> bytes:
    """What the reason of a legal hold on a person or a session is bound to."""
    return column_aad("legal_holds", "reason", hold_id)


def undisclosed_aad(hold_id: str) -> bytes:
    """What the reason for which nobody may know of a legal hold is bound to."""
    return column_aad("legal_holds", "undisclosed_reason", hold_id)


def hold_piece_aad(hold_id: str, no: int) -> bytes:
    """What a piece of a legal hold's copy is bound to."""
    return column_aad("legal_hold_pieces", "sealed", f"{hold_id}:{no}")


def booking_aad(booking_id: str) -> bytes:
    """What the words with which somebody cancelled a booking are bound to."""
    return column_aad("bookings", "reason", booking_id)


def wording_aad(version_id: str) -> bytes:
    """What a wording of a review, or of its answer, is bound to."""
    return column_aad("review_versions", "text", version_id)


def live_room_aad(session_id: str) -> bytes:
    """What a live room's title is bound to."""
    return column_aad("live_rooms", "title", session_id)


def reminder_number_aad(reminder_id: str) -> bytes:
    """What the number to which a reminder went is bound to."""
    return column_aad("reminders", "number", reminder_id)


def evidence_aad(evidence_id: str) -> bytes:
    """What sealed evidence is bound to."""
    return f"evidence:{evidence_id}".encode("ascii")


def action_note_aad(action_id: str) -> bytes:
    """What a moderator's note of a decision is bound to."""
    return f"action:{action_id}".encode("ascii")


def appeal_aad(appeal_id: str) -> bytes:
    """What somebody's words against a decision are bound to."""
    return f"appeal:{appeal_id}".encode("ascii")


def appeal_note_aad(appeal_id: str) -> bytes:
    """What the note of an appeal's decision is bound to."""
    return f"appeal-note:{appeal_id}".encode("ascii")
