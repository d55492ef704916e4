"""The words of the public contract about safety: what people are told, and what becomes of messages."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

HeldStatus = Literal["released", "rejected"]


class Because(Struct, frozen=True):
    """Why a message was not sent as it was written. `code` is for programs, `message` for its sender."""

    code: str
    message: str


class HelpItem(Struct, frozen=True, omit_defaults=True):
    """Somebody to turn to: a number to call, a number or word to text, a page."""

    name: str
    phone: str | None = None
    text: str | None = None
    url: str | None = None
    hours: str | None = None


class Help(Struct, frozen=True):
    """Where to turn to in a country, by its ISO 3166 code; `international` where none is known."""

    country: str
    items: list[HelpItem]


class SafetyNotice(Struct, frozen=True):
    """`safety:notice`: something about a person's own safety or conduct. Other fields where they make sense:
    the session, the message by its id and its client's name for it, the decision that can be appealed, how
    long it lasts, where help is.
    """

    code: str
    message: str
    session_id: str | UnsetType = UNSET
    message_id: str | UnsetType = UNSET
    client_id: str | UnsetType = UNSET
    action_id: str | UnsetType = UNSET
    until_ms: int | UnsetType = UNSET
    help: Help | UnsetType = UNSET


class HeldMessage(Struct, frozen=True):
    """`chat:held`: what became of a message that was held, to those who observe the room."""

    session_id: str
    message_id: str
    status: HeldStatus


class MessageRemoved(Struct, frozen=True):
    """`chat:removed`: a delivered message is not shown any more; its place stays."""

    session_id: str
    seq: int
