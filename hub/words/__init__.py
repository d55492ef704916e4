"""What the hub says to people about money and safety, by code, in each language that it speaks."""

from pathlib import Path
from typing import Final, Literal, get_args

import msgspec

Language = Literal["en", "fr"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule in words: when it applies, and who pays then."""

    title: str
    text: str


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that is said in one language.

    `waived` says why a price is not charged, `refused` why something that was asked for is not done.
    `because` says what became of a message (`sent`, when it was masked, `held`, `blocked`) and why, by
    category. `notices` are the sentences of `safety:notice` by code, with places for what differs from one
    to the next, `in_app` those of `notice`; `reviews` says what became of a review, before `because`.
    `exports` say how an export of one's data ended, by its state. `texts` are text messages, and what they
    are made of.
    """

    causes: dict[str, Rule]
    always: dict[str, Rule]
    waived: dict[str, str]
    because: dict[str, str]
    notices: dict[str, str]
    bookings: dict[str, str]
    refused: dict[str, str]
    in_app: dict[str, str]
    reviews: dict[str, str]
    exports: dict[str, str]
    texts: dict[str, str]


def _read(language: Language) -> Words:
    return msgspec.json.decode((Path(__file__).parent / f"{language}.json").read_bytes(), type=Words)


WORDS: Final[dict[Language, Words]] = {language: _read(language) for language in LANGUAGES}


def owed(amount: str, language: Language) -> str:
    """That an amount is owed, and what to do about it."""
    return WORDS[language].refused["owed"].format(amount=amount)


def in_each(code: str) -> dict[str, str]:
    """Why something that was asked for is not done, by the language's code: for a refusal's `fields`."""
    return {str(language): WORDS[language].refused[code] for language in LANGUAGES}


def waived(code: str | None, language: Language = "en") -> str | None:
    """Why a price is not charged; None when it is."""
    return None if code is None else WORDS[language].waived.get(code)
