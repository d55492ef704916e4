"""`/v1/privacy/data-map`: what is kept about people, why, how long, and what becomes of it."""

import hashlib
from functools import cache
from typing import Final

import msgspec
from aiohttp import web

from config.retention import Period
from hub.data_map import DataMap, made
from hub.edge.auth import Principal
from hub.edge.language import spoken
from hub.hub import Hub
from hub.routes.answer import Route, bad_request, query
from hub.words import LANGUAGES, Language
from store.privacy.registry import load

KEPT: Final = "private, no-cache"
"""A browser may keep it, and asks each time whether it is still that one."""


@cache
def _encoded(language: Language, kept_for: tuple[tuple[str, Period], ...]) -> tuple[bytes, str]:
    """The map's bytes, and the tag that names them."""
    body = msgspec.json.encode(made(language, load(), dict(kept_for)))
    return body, hashlib.sha256(body).hexdigest()[:32]


async def show_data_map(hub: Hub, _who: Principal, request: web.Request) -> web.Response:
    """`GET /v1/privacy/data-map`: in `language` en or fr, else as the browser asks. 304 for its ETag."""
    given = query(request, ("language",))
    language = given.get("language", spoken(None, request.headers.get("Accept-Language", "")).language)
    if language not in LANGUAGES:
        raise bad_request("language", f"expected one of {', '.join(LANGUAGES)}")
    body, tag = _encoded(language, tuple(hub.periods.items()))
    known = request.if_none_match or ()
    same = any(one.value in (tag, "*") for one in known)
    answer = web.Response(status=304) if same else web.Response(body=body, content_type="application/json")
    answer.headers["Cache-Control"] = KEPT
    answer.headers["Vary"] = "Accept-Language"
    answer.etag = tag
    return answer


ROUTES = [Route("GET", "/v1/privacy/data-map", DataMap, show_data_map)]
