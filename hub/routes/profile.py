"""One's own profile, corrected: by oneself and, where only an admin may, by an admin."""

from collections.abc import Callable
from datetime import date
from typing import Annotated, Literal, TypeVar

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import replace

from hub import wire
from hub.correcting import Peers
from hub.edge.auth import Principal
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.routes.answer import Route, bad_request, body, not_found, path_id, query
from hub.routes.people import own_profile, told
from hub.routes.replies import Me
from rooms import age, profile
from rooms.ids import UserId
from rooms.profile import UnfitProfile
from store.postgres import admin, people, profiles
from store.records import Person

WORKER_AFTER_MS = 3_000
"""When a worker takes over: whoever is there was told by then, unless the hub that should have died."""

Version = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Given = Annotated[str, Meta(max_length=400)]
"""Text that the rules look at; the bound only keeps them from long ones."""


class ChangeMe(wire.Body, frozen=True):
    """A correction. `version` is that of the profile it was made on; null takes a value out.

    `adult` attests that one is; `born_on` is given once.
    """

    version: Version
    name: Given | UnsetType = UNSET
    country: Given | UnsetType | None = UNSET
    phone: Given | UnsetType | None = UNSET
    language: Literal["en", "fr"] | UnsetType | None = UNSET
    born_on: date | UnsetType = UNSET
    adult: bool | UnsetType = UNSET


class CorrectBirth(wire.Body, frozen=True):
    """The date of birth as an admin has seen it proven; null takes it out, so that it is asked for again."""

    born_on: date | None
    reason: wire.FreeText


class Born(msgspec.Struct, frozen=True):
    """Somebody's date of birth, and whether it makes them an adult by now."""

    id: str
    born_on: date | None
    adult: bool
    version: int


async def change_me(hub: Hub, who: Principal, request: web.Request) -> Me:
    """`PATCH /v1/me`: corrected, and seen so at once by those who are there."""
    query(request, ())
    asked = await body(request, ChangeMe)
    own = await own_profile(hub, who)
    if own.version != asked.version:
        raise stale()
    wanted = corrected(own, asked, now_ms=hub.now_ms())
    if wanted == own:
        return await told(hub, own)
    renamed = wanted.name != own.name
    version = await _write(hub, wanted, renamed=renamed)
    if renamed:
        hub.spawn("profile.tell", lambda: _tell(hub, wanted, version))
    return await told(hub, replace(wanted, version=version))


def corrected(own: Person, asked: ChangeMe, *, now_ms: int) -> Person:
    """The profile as it shall be. Raises Refused."""
    changed = replace(
        own,
        name=own.name if asked.name is UNSET else fit("name", profile.name, asked.name),
        country=_or(own.country, "country", profile.country, asked.country),
        phone=_or(own.phone, "phone", profile.phone, asked.phone),
        language=own.language if asked.language is UNSET else asked.language,
        born_on=own.born_on if asked.born_on is UNSET else _birth(own, asked.born_on, now_ms=now_ms),
        adult=own.adult if asked.adult is UNSET else asked.adult,
    )
    grown = changed.born_on is None or age.is_adult(attested=False, born_on=changed.born_on, now_ms=now_ms)
    if asked.adult is True and not grown:
        raise bad_request("adult", "the date of birth says otherwise")
    return changed


def _birth(own: Person, given: date, *, now_ms: int) -> date:
    if own.born_on is not None and given != own.born_on:
        raise Refused(
            Code.FORBIDDEN,
            "Your date of birth is on record; only an admin corrects it.",
            fields={"born_on": "is on record"},
        )
    return _possible(given, now_ms=now_ms)


def _possible(given: date, *, now_ms: int) -> date:
    if not age.could_be_born_on(given, now_ms=now_ms):
        raise bad_request("born_on", "expected a day between 1900 and today")
    return given


T = TypeVar("T")


def fit(field: str, rule: Callable[[str], T], given: str) -> T:
    """What a rule makes of a field. Raises Refused(bad_request)."""
    try:
        return rule(given)
    except UnfitProfile as error:
        raise bad_request(field, str(error)) from None


def _or(
    known: str | None, field: str, rule: Callable[[str], str], given: str | UnsetType | None
) -> str | None:
    if given is UNSET or given is None:
        return known if given is UNSET else None
    return fit(field, rule, given)


async def _write(hub: Hub, wanted: Person, *, renamed: bool) -> int:
    """Commit the correction together with the wish that others hear of it."""
    now_ms = hub.now_ms()
    async with hub.pool.acquire() as connection, connection.transaction():
        version = await profiles.correct(
            connection,
            wanted.id,
            seen=wanted.version,
            name=wanted.name,
            country=wanted.country,
            phone=wanted.phone,
            language=wanted.language,
            born_on=wanted.born_on,
            adult=wanted.adult,
        )
        if version is None:
            raise stale()
        if renamed:
            await profiles.want_telling(
                connection, wanted.id, version, now_ms=now_ms, next_at_ms=now_ms + WORKER_AFTER_MS
            )
    return version


async def _tell(hub: Hub, wanted: Person, version: int) -> None:
    peers = Peers(hub.pool, hub.live, hub.people, hub.directory)
    await peers.rename(wanted.id, wanted.name)
    await peers.tell_directory(wanted.id)
    await profiles.note_told(hub.pool, wanted.id, version)


def stale() -> Refused:
    """Somebody, or another window of the same person, was faster."""
    return Refused(
        Code.CONFLICT, "This was changed meanwhile; read it again.", fields={"version": "is not the latest"}
    )


async def correct_birth(hub: Hub, who: Principal, request: web.Request) -> Born:
    """`POST /v1/admin/people/{id}/birth`: another date of birth, with the reason on record."""
    query(request, ())
    person_id = UserId(path_id(request, "id"))
    asked = await body(request, CorrectBirth)
    if person_id == who.user_id:
        raise Refused(Code.FORBIDDEN, "Not your own; ask another admin.")
    now_ms = hub.now_ms()
    if asked.born_on is not None:
        _possible(asked.born_on, now_ms=now_ms)
    async with hub.pool.acquire() as connection, connection.transaction():
        version = await profiles.correct_birth(connection, person_id, asked.born_on)
        if version is None:
            raise not_found()
        # The date itself is the person's, and goes when they go; what an admin did stays.
        await admin.note_action(
            connection,
            who.user_id,
            "birth_corrected",
            subject=person_id,
            session_id=None,
            reason=asked.reason,
            detail={"version": version},
            now_ms=now_ms,
            keyring=hub.keyring,
            about=person_id,
        )
    person = await people.person(hub.pool, person_id)
    if person is None:
        raise not_found()
    adult = age.is_adult(attested=person.adult, born_on=person.born_on, now_ms=now_ms)
    return Born(person.id, person.born_on, adult, person.version)


ROUTES = [
    Route("PATCH", "/v1/me", Me, change_me, ChangeMe),
    Route("POST", "/v1/admin/people/{id}/birth", Born, correct_birth, CorrectBirth),
]
