"""A practice: how a guest asks to have one, and how its practitioner changes what they offer."""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
import uuid_utils
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import replace

from billing import money
from hub import eligible, wire
from hub.correcting import Peers
from hub.edge.auth import Principal
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.routes.answer import Route, bad_request, body, not_found, query
from hub.routes.people import own_profile
from hub.routes.profile import WORKER_AFTER_MS, Version, fit, stale
from rooms import profile
from rooms.ids import UserId
from rooms.profile import UnfitProfile
from store.postgres import people, practices, profiles
from store.postgres.practices import Offered, OwnPractice
from store.privacy import applying

HEADLINE_MAX: Final = 120
TOPIC_MAX: Final = 40
TOPICS_MAX: Final = 20
RATE_MAX_MINOR: Final = 10_000_000
"""Of any currency; `rate_of` knows each one's."""

Headline = Annotated[str, Meta(min_length=1, max_length=300)]
About = Annotated[str, Meta(min_length=1, max_length=2_000)]
Topics = Annotated[list[Annotated[str, Meta(min_length=1, max_length=200)]], Meta(max_length=TOPICS_MAX)]
Rate = Annotated[int, Meta(ge=0, le=RATE_MAX_MINOR)]
Currency = Annotated[str, Meta(min_length=3, max_length=3)]
FreeSeconds = Annotated[int, Meta(ge=0, le=900)]


class Apply(wire.Body, frozen=True):
    """What a guest wants to offer. `about` is for whoever decides, and nobody else."""

    headline: Headline
    topics: Topics
    rate_minor_per_minute: Rate
    currency: Currency
    about: About | None = None


class ChangePractice(wire.Body, frozen=True):
    """A change of what is offered. `version` is that of the practice it was made on."""

    version: Version
    headline: Headline | UnsetType = UNSET
    topics: Topics | UnsetType = UNSET
    rate_minor_per_minute: Rate | UnsetType = UNSET
    currency: Currency | UnsetType = UNSET
    free_s: FreeSeconds | UnsetType = UNSET
    accepts_instant: bool | UnsetType = UNSET


class OwnApplication(msgspec.Struct, frozen=True):
    """Where one's application stands; `reason` is what was said with the decision."""

    id: str
    state: practices.State
    headline: str
    topics: list[str]
    rate_minor_per_minute: int
    currency: str
    created_at_ms: int
    reason: str | None


class Practice(msgspec.Struct, frozen=True):
    """A practice as its practitioner sees it. Only what is verified is in the directory."""

    headline: str
    topics: list[str]
    rate_minor_per_minute: int
    currency: str
    free_s: int
    accepts_instant: bool
    transfers_active: bool
    verified: bool
    version: int


async def apply(hub: Hub, who: Principal, request: web.Request) -> OwnApplication:
    """`POST /v1/me/practitioner`: asks to become a practitioner; an admin decides."""
    query(request, ())
    asked = await body(request, Apply)
    wanted = Offered(
        fit("headline", lambda given: profile.line(given, HEADLINE_MAX), asked.headline),
        topics_of(asked.topics),
        rate_of(asked.rate_minor_per_minute, currency_of(asked.currency)),
        asked.currency,
    )
    await own_profile(hub, who)
    await eligible.to_pay(hub, who.user_id)
    application_id = str(uuid_utils.uuid7())
    sealed = applying.sealed(await hub.keyring.load(who.user_id), application_id, wanted, asked.about)
    made = await practices.apply(hub.pool, application_id, who.user_id, sealed, now_ms=hub.now_ms())
    if not made:
        raise Refused(Code.CONFLICT, "You have applied already; it is being looked at.")
    return await own_application(hub, who, request)


async def own_application(hub: Hub, who: Principal, request: web.Request) -> OwnApplication:
    """`GET /v1/me/practitioner`: where one's last application stands."""
    query(request, ())
    found = await practices.latest_application(hub.pool, who.user_id)
    if found is None:
        raise not_found()
    told = await applying.opened(hub.keyring, found)
    if told.offered is None:
        raise not_found()
    return OwnApplication(
        id=found.id,
        state=found.state,
        headline=told.offered.headline,
        topics=told.offered.topics,
        rate_minor_per_minute=found.rate_minor_per_minute,
        currency=found.currency,
        created_at_ms=found.created_at_ms,
        reason=told.reason,
    )


async def show_practice(hub: Hub, who: Principal, request: web.Request) -> Practice:
    """`GET /v1/me/practice`."""
    query(request, ())
    return _told(await _own(hub, who.user_id))


async def change_practice(hub: Hub, who: Principal, request: web.Request) -> Practice:
    """`PATCH /v1/me/practice`: what is offered from now on. A session that was asked for keeps its terms."""
    query(request, ())
    asked = await body(request, ChangePractice)
    own = await _own(hub, who.user_id)
    if own.version != asked.version:
        raise stale()
    wanted = changed(own, asked)
    if wanted == own:
        return _told(own)
    version = await _write(hub, wanted)
    peers = Peers(hub.pool, hub.live, hub.people, hub.directory)
    hub.spawn("practice.tell", lambda: peers.tell_directory(who.user_id))
    return _told(replace(wanted, version=version))


def changed(own: OwnPractice, asked: ChangePractice) -> OwnPractice:
    """The practice as it shall be. Raises Refused(bad_request)."""
    given = {
        name: value
        for name, value in msgspec.structs.asdict(asked).items()
        if value is not UNSET and name != "version"
    }
    if asked.headline is not UNSET:
        given["headline"] = fit("headline", lambda text: profile.line(text, HEADLINE_MAX), asked.headline)
    if asked.topics is not UNSET:
        given["topics"] = topics_of(asked.topics)
    if asked.currency is not UNSET:
        given["currency"] = currency_of(asked.currency)
    wanted = replace(own, **given)
    if {"currency", "rate_minor_per_minute"} & given.keys():
        rate_of(wanted.rate_minor_per_minute, wanted.currency)
    return wanted


def topics_of(given: Sequence[str]) -> list[str]:
    """Topics, each once, in the order they were given. Raises Refused(bad_request)."""
    try:
        return list(dict.fromkeys(profile.line(topic, TOPIC_MAX) for topic in given))
    except UnfitProfile as error:
        raise bad_request("topics", str(error)) from None


def currency_of(given: str) -> str:
    """A currency that prices may be in. Raises Refused(bad_request)."""
    if given not in money.CURRENCIES:
        raise bad_request("currency", "no payments in this currency")
    return given


def rate_of(given: int, currency: str) -> int:
    """A price of a minute that is within this currency's bound. Raises Refused(bad_request)."""
    most_minor = money.rate_max_minor(currency)
    if given > most_minor:
        raise bad_request("rate_minor_per_minute", f"at most {most_minor} in this currency")
    return given


async def _own(hub: Hub, practitioner_id: UserId) -> OwnPractice:
    own = await practices.own_practice(hub.pool, practitioner_id)
    if own is None:
        raise not_found()
    return own


async def _write(hub: Hub, wanted: OwnPractice) -> int:
    """Commit the change together with the wish that the directory hears of it."""
    now_ms = hub.now_ms()
    async with hub.pool.acquire() as connection, connection.transaction():
        version = await practices.change_practice(connection, wanted)
        if version is None:
            raise stale()
        person = await people.person(connection, wanted.practitioner_id)
        if person is not None:
            await profiles.want_telling(
                connection, person.id, person.version, now_ms=now_ms, next_at_ms=now_ms + WORKER_AFTER_MS
            )
    return version


def _told(own: OwnPractice) -> Practice:
    return Practice(
        own.headline,
        own.topics,
        own.rate_minor_per_minute,
        own.currency,
        own.free_s,
        own.accepts_instant,
        own.transfers_active,
        own.verified_at_ms is not None,
        own.version,
    )


ROUTES = [
    Route("POST", "/v1/me/practitioner", OwnApplication, apply, Apply),
    Route("GET", "/v1/me/practitioner", OwnApplication, own_application),
    Route("GET", "/v1/me/practice", Practice, show_practice),
    Route("PATCH", "/v1/me/practice", Practice, change_practice, ChangePractice),
]
