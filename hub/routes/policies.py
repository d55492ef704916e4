"""The privacy policy: what it says, how it changed, and that one accepts it."""

import difflib
from typing import Annotated, Final, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from hub import wire
from hub.edge.auth import Principal
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.policy import deployed
from hub.routes.answer import Route, bad_request, body, not_found, query
from hub.routes.people import own_profile
from hub.words import LANGUAGES, Language
from store.postgres import admin, policies
from store.postgres.policies import Basis, Texts
from store.redis import keys

TEXT_MAX: Final = 25_000
LINES_MAX: Final = 1_000
"""Two versions are compared line by line."""
PAST_MS: Final = 60_000
"""How far back a version may be dated, for clocks that differ. No version holds for what was before it."""

Text = Annotated[str, Meta(min_length=1, max_length=TEXT_MAX)]
Number = Annotated[int, Meta(ge=1, le=1_000_000)]


class Accept(wire.Body, frozen=True):
    """Which version one accepts."""

    version: Number


class Publish(wire.Body, frozen=True):
    """A new version: the texts that came with this release, or these. Without a date it holds at once."""

    reason: wire.FreeText
    effective_at_ms: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    text_en: Text | None = None
    text_fr: Text | None = None


class Accepted(msgspec.Struct, frozen=True):
    """That one accepted a version."""

    version: int
    basis: Basis
    at_ms: int


class Version(msgspec.Struct, frozen=True):
    """A version, and whether one accepted it."""

    version: int
    effective_at_ms: int
    published_at_ms: int
    accepted: Accepted | None


class Line(msgspec.Struct, frozen=True):
    """A line of a comparison."""

    change: Literal["same", "added", "removed"]
    text: str


class Policy(msgspec.Struct, frozen=True):
    """The versions, the newest first; the text of one; and, if two were named, what differs.

    `current` is the version that is in effect now. `pending`: nothing was accepted yet.
    """

    current: int
    pending: bool
    language: Language
    version: int
    text: str
    items: list[Version]
    diff: list[Line] | None
    cursor: str | None = None


class Published(msgspec.Struct, frozen=True):
    """A version that was published."""

    version: int
    effective_at_ms: int
    published_at_ms: int


async def show_policy(hub: Hub, who: Principal, request: web.Request) -> Policy:
    """`GET /v1/policy`: `lang` en or fr, `version` for one, `from` and `to` for what differs between two."""
    given = query(request, ("lang", "version", "from", "to"))
    language = given.get("lang", "en")
    if language not in LANGUAGES:
        raise bad_request("lang", f"expected one of {', '.join(LANGUAGES)}")
    own = await own_profile(hub, who)
    known = await policies.versions(hub.pool)
    current = current_of(known, hub.now_ms())
    version = _number(given, "version") or current
    accepted = {one.version: one for one in await policies.acceptances(hub.pool, who.user_id)}
    items = [
        Version(
            one.version,
            one.effective_at_ms,
            one.published_at_ms,
            _accepted(accepted.get(one.version)),
        )
        for one in known
    ]
    return Policy(
        current,
        own.policy_accepted_ms is None,
        language,
        version,
        await _text(hub, version, language),
        items,
        await _diff(hub, given, language),
    )


def current_of(known: list[policies.Version], now_ms: int) -> int:
    """The latest version that is in effect; the first one always was."""
    return next((one.version for one in known if one.effective_at_ms <= now_ms), 1)


async def accept(hub: Hub, who: Principal, request: web.Request) -> Accepted:
    """`POST /v1/policy/acceptances`: the version in effect, or one that will be. Harmless the second time."""
    query(request, ())
    asked = await body(request, Accept)
    await own_profile(hub, who)
    known = await policies.versions(hub.pool)
    if asked.version not in {one.version for one in known}:
        raise bad_request("version", "there is no such version")
    if asked.version < current_of(known, hub.now_ms()):
        raise Refused(Code.CONFLICT, "There is a newer version; read and accept that one.")
    await policies.accept(hub.pool, who.user_id, asked.version, now_ms=hub.now_ms())
    for one in await policies.acceptances(hub.pool, who.user_id):
        if one.version == asked.version:
            return Accepted(one.version, one.basis, one.at_ms)
    raise not_found()


async def publish(hub: Hub, who: Principal, request: web.Request) -> Published:
    """`POST /v1/admin/policies`: a new version, never changed again. Whoever is there is told at once."""
    query(request, ())
    asked = await body(request, Publish)
    now_ms = hub.now_ms()
    effective_at_ms = now_ms if asked.effective_at_ms is None else asked.effective_at_ms
    if effective_at_ms < now_ms - PAST_MS:
        raise bad_request("effective_at_ms", "is in the past")
    if (asked.text_en is None) != (asked.text_fr is None):
        missing = "text_fr" if asked.text_fr is None else "text_en"
        raise bad_request(missing, "give both languages or none")
    texts = deployed()
    for name, text in (("text_en", asked.text_en), ("text_fr", asked.text_fr)):
        if text is not None and text.count("\n") >= LINES_MAX:
            raise bad_request(name, f"expected at most {LINES_MAX} lines")
    if asked.text_en is not None and asked.text_fr is not None:
        texts = Texts(asked.text_en, asked.text_fr)
    version = await _commit(hub, who, texts, effective_at_ms, asked.reason)
    await hub.announce(keys.POLICY)
    return Published(version, effective_at_ms, now_ms)


async def _commit(hub: Hub, who: Principal, texts: Texts, effective_at_ms: int, reason: str) -> int:
    async with hub.pool.acquire() as connection, connection.transaction():
        await policies.lock_policies(connection)
        latest = (await policies.versions(connection))[0]
        if effective_at_ms < latest.effective_at_ms:
            raise bad_request("effective_at_ms", "is before the version before it")
        if await policies.text(connection, latest.version) == texts:
            raise Refused(Code.CONFLICT, "This is what the latest version says already.")
        version = await policies.publish(
            connection, texts, effective_at_ms=effective_at_ms, admin_id=who.user_id, now_ms=hub.now_ms()
        )
        await admin.note_action(
            connection,
            who.user_id,
            "policy_published",
            subject=str(version),
            session_id=None,
            reason=reason,
            detail={"effective_at_ms": effective_at_ms},
            now_ms=hub.now_ms(),
            keyring=hub.keyring,
        )
    return version


async def _text(hub: Hub, version: int, language: Language) -> str:
    found = await policies.text(hub.pool, version)
    if found is None:
        raise not_found()
    return found.text_en if language == "en" else found.text_fr


async def _diff(hub: Hub, given: dict[str, str], language: Language) -> list[Line] | None:
    older, newer = _number(given, "from"), _number(given, "to")
    if older is None and newer is None:
        return None
    if older is None or newer is None:
        raise bad_request("from" if older is None else "to", "name both versions")
    return compared(await _text(hub, older, language), await _text(hub, newer, language))


def compared(older: str, newer: str) -> list[Line]:
    """Line by line, what stayed, what came and what went."""
    before, after = older.splitlines(), newer.splitlines()
    lines: list[Line] = []
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            lines += [Line("same", text) for text in before[i1:i2]]
            continue
        lines += [Line("removed", text) for text in before[i1:i2]]
        lines += [Line("added", text) for text in after[j1:j2]]
    return lines


def _number(given: dict[str, str], name: str) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 7):
        raise bad_request(name, "expected the number of a version")
    return int(value)


def _accepted(one: policies.Acceptance | None) -> Accepted | None:
    return None if one is None else Accepted(one.version, one.basis, one.at_ms)


ROUTES = [
    Route("GET", "/v1/policy", Policy, show_policy),
    Route("POST", "/v1/policy/acceptances", Accepted, accept, Accept),
    Route("POST", "/v1/admin/policies", Published, publish, Publish),
]
