"""The words of the public contract about reviews, favourites and the waiting list."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from hub.wire import Body, FreeText, Text
from rooms.directory import Status
from rooms.reviews import Part, State

Stars = Annotated[int, Meta(ge=1, le=5)]
Version = Annotated[int, Meta(ge=1, le=1_000)]


class WriteReview(Body, frozen=True):
    """`POST /v1/sessions/{id}/reviews`."""

    rating: Stars
    text: Text


class ChangeReview(Body, frozen=True):
    """`PATCH /v1/reviews/{id}`. `version` is the one that it was made on."""

    version: Version
    rating: Stars
    text: Text


class AnswerReview(Body, frozen=True):
    """`POST /v1/reviews/{id}/answer`."""

    text: Text


class ReportReview(Body, frozen=True):
    """`POST /v1/reviews/{id}/reports`: the review's words, or those of its answer."""

    reason: FreeText
    note: FreeText | None = None
    part: Part = "review"


class OwnReview(Struct, frozen=True):
    """A review as its author sees it, in its latest wording.

    `status`: `published`; `pending`, somebody reads it first, and `shown` says whether an earlier wording is
    shown until then; `rejected`. `because` says why in words. It can be changed until `change_until_ms`.
    """

    id: str
    session_id: str
    practitioner_id: str
    rating: int
    text: str | None
    status: State
    shown: bool
    version: int
    created_at_ms: int
    changed_at_ms: int
    change_until_ms: int
    because: str | UnsetType = UNSET


class OwnReviews(Struct, frozen=True):
    """A page of one's own reviews, the newest first."""

    items: list[OwnReview]
    cursor: str | None


class OwnAnswer(Struct, frozen=True):
    """An answer as its author sees it, in its latest wording; `status` as of a review."""

    review_id: str
    text: str | None
    status: State
    version: int
    created_at_ms: int
    because: str | UnsetType = UNSET


class Answer(Struct, frozen=True):
    """The practitioner's answer as everybody reads it."""

    text: str
    created_at_ms: int


class Review(Struct, frozen=True):
    """A review as everybody reads it. `author` is a first name, or `A guest`; plain text, never markup."""

    id: str
    author: str
    rating: int
    text: str
    created_at_ms: int
    changed_at_ms: int | None
    answer: Answer | None


class Reviews(Struct, frozen=True):
    """A page of a practitioner's reviews, the newest first."""

    items: list[Review]
    cursor: str | None


class Wording(Struct, frozen=True):
    """One wording of a review or answer as a moderator reads it."""

    id: str
    part: Part
    version: int
    user_id: str
    rating: int | None
    text: str | None
    status: State
    created_at_ms: int
    decided_at_ms: int | None


class Wordings(Struct, frozen=True):
    """Everything that was said in a review, in order; `cursor` is always null."""

    review_id: str
    session_id: str
    items: list[Wording]
    cursor: str | None


class Favourite(Struct, frozen=True):
    """Somebody whom one likes to come back to, and how they stand now."""

    id: str
    name: str
    status: Status
    created_at_ms: int


class Favourites(Struct, frozen=True):
    """A page of one's favourites, in the order of ids."""

    items: list[Favourite]
    cursor: str | None


class Waiting(Struct, frozen=True):
    """For whom one waits. `place` counts from 1; while `offer_until_ms` is there, it is one's own turn."""

    practitioner_id: str
    name: str
    place: int
    asked_at_ms: int
    expires_at_ms: int
    offer_until_ms: int | None


class WaitingList(Struct, frozen=True):
    """All for whom one waits, in the order in which one asked; `cursor` is always null."""

    items: list[Waiting]
    cursor: str | None
