"""What one person is told about their safety or conduct: to all their sockets, each in its own language."""

from typing import Protocol

import asyncpg
import msgspec
import phonenumbers
import structlog
from msgspec import UNSET, Struct

from hub import wire_safety
from hub.edge.connection import Connection
from hub.edge.fanout import deliver, frame
from hub.safety.helplines import Helplines
from hub.words import WORDS, Language
from rooms.ids import UserId
from store.postgres import people
from store.redis.notices import NOTICE, Notices

log = structlog.get_logger()

EVENT = "safety:notice"
__all__ = ["NOTICE", "Notice", "hear", "said", "tell"]


class Notice(Struct, frozen=True):
    """Something to tell. `code` is one of `notices` in `hub/words`, and `params` fill its sentence.

    `help` adds where to turn to in the person's country. The ids say what it is about; `until_ms` how long.
    """

    code: str
    session_id: str | None = None
    message_id: str | None = None
    client_id: str | None = None
    action_id: str | None = None
    until_ms: int | None = None
    params: dict[str, str | int] = {}
    help: bool = False


class _OnItsWay(Struct, frozen=True):
    """A notice between hubs, with the person's country where it is known."""

    notice: Notice
    country: str | None


class Teller(Protocol):
    """Who can tell: a hub, or a worker with the same two parts."""

    @property
    def notices(self) -> Notices:
        """The channels of people."""

    @property
    def pool(self) -> asyncpg.Pool:
        """Where people's countries are."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_OnItsWay).decode


async def tell(hub: Teller, user_id: UserId, notice: Notice) -> None:
    """To every socket of the person on every hub. Raises KeyError when there are no words for the code."""
    said("en", notice)
    country = await _country(hub.pool, user_id) if notice.help else None
    await hub.notices.tell(user_id, _encode(_OnItsWay(notice, country)))


def hear(helplines: Helplines, connections: list[Connection], payload: bytes) -> None:
    """A notice came over a person's channel: pass it on to their sockets here."""
    on_its_way = _decode(payload)
    for connection in connections:
        body = _body(helplines, connection, on_its_way)
        deliver(frame(EVENT, msgspec.json.encode(body)), [connection])


def said(language: Language, notice: Notice) -> str:
    """The notice's sentence."""
    return WORDS[language].notices[notice.code].format(**notice.params)


def _body(helplines: Helplines, connection: Connection, told: _OnItsWay) -> wire_safety.SafetyNotice:
    notice = told.notice
    help_ = helplines.of(told.country or connection.region, connection.language) if notice.help else UNSET
    return wire_safety.SafetyNotice(
        code=notice.code,
        message=said(connection.language, notice),
        session_id=notice.session_id or UNSET,
        message_id=notice.message_id or UNSET,
        client_id=notice.client_id or UNSET,
        action_id=notice.action_id or UNSET,
        until_ms=notice.until_ms or UNSET,
        help=help_,
    )


async def _country(pool: asyncpg.Pool, user_id: UserId) -> str | None:
    """Where the person lives by their profile, else by their phone. None too when nobody can say just now."""
    try:
        person = await people.person(pool, user_id)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        # Help for anywhere is better than help that waits.
        log.warning("notice.country_unknown", error=type(error).__name__)
        return None
    if person is None or person.country is not None or person.phone is None:
        return None if person is None else person.country
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(person.phone))
    except phonenumbers.NumberParseException:
        return None
