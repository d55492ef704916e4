"""The table of all rules about fraud: how each reads facts, why it speaks, and the numbers that it needs."""

from typing import Final

from billing import fraud_cards as cards
from billing import fraud_practice as practice
from billing.fraud import Kind

KINDS: Final[dict[str, Kind]] = {
    "declines_person": Kind(cards.declines_person, "{declines} declined payments within {hours} hours"),
    "declines_card": Kind(
        cards.declines_card,
        "one card declined {declines} times within {hours} hours on several accounts",
        frozenset({"threshold", "people"}),
    ),
    "declines_network": Kind(
        cards.declines_network,
        "{declines} declined payments from one network within {hours} hours on several accounts",
        frozenset({"threshold", "people"}),
    ),
    "cards_person": Kind(cards.cards_person, "{cards} different cards within {hours} hours"),
    "cards_network": Kind(
        cards.cards_network, "{cards} different cards declined on one network within {hours} hours"
    ),
    "accounts_card": Kind(cards.accounts_card, "one card on {count} accounts within {hours} hours"),
    "starts_person": Kind(cards.starts_person, "{starts} sessions requested within {hours} hours"),
    "new_account_cap": Kind(
        cards.new_account_cap,
        "an account known for {known_minutes} minutes agreed to pay for up to {minutes} minutes",
    ),
    "shared_card": Kind(
        practice.shared_card, "a guest paid with a card that the practitioner saved as well", frozenset()
    ),
    "shared_device": Kind(
        practice.shared_device,
        "guest and practitioner of {count} paid sessions came with the same browser from the same network",
        frozenset({"sessions", "people"}),
    ),
    "shared_network": Kind(
        practice.shared_network,
        "guest and practitioner of {count} paid sessions came from the same network",
        frozenset({"sessions", "people"}),
    ),
    "one_guest": Kind(
        practice.one_guest,
        "one of {people} guests paid {share} % of what {count} sessions earned within {hours} hours",
        frozenset({"percent", "sessions", "people"}),
    ),
    "promotions_share": Kind(
        practice.promotions_share,
        "{share} % of what {count} sessions earned within {hours} hours was free time",
        frozenset({"percent", "sessions"}),
    ),
    "silent_sessions": Kind(
        practice.silent_sessions,
        "{silent} of {of} long sessions in which one side wrote nothing, within {hours} hours",
        frozenset({"threshold", "percent", "minutes"}),
    ),
    "unseen_minutes": Kind(
        practice.unseen_minutes,
        "{unseen_s} of {billed_s} billed seconds in which the media provider did not see both",
        frozenset({"percent", "minutes"}),
    ),
    "disputes_share": Kind(
        practice.disputes_share,
        "{disputes} of {of} charges disputed within {hours} hours",
        frozenset({"threshold", "percent"}),
    ),
    "payout_moved": Kind(
        practice.payout_moved,
        "payouts were sent elsewhere {after_minutes} minutes after a browser that is new to the account",
        frozenset(),
    ),
    "texts_prefix": Kind(
        cards.texts_prefix,
        "{sent} text messages to one prefix within {hours} hours, of which {used} were used",
        frozenset({"threshold", "percent"}),
    ),
}
"""By id. An id is never given to another rule: findings on record are called by it."""
