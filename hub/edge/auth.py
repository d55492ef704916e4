"""From an access token to a `Principal`, or a refusal. Every rule is here; the token's word is never enough.

The signature is checked with the one algorithm that belongs to the key, then each claim by its exact type:
the library used for signatures takes an `exp` that is a string or a bool, a `sub` that is empty, and tokens
of megabytes.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeGuard

import aiohttp
import jwt
from aiohttp import web

from hub.access import ROLES, SECOND_FACTOR
from hub.edge.jwks import Jwks, KeysUnavailableError
from hub.errors import Code, Refused
from rooms.ids import Role, UserId
from rooms.names import displayed

TOKEN_MAX_BYTES: Final = 8 * 1024
LEEWAY_S: Final = 10
"""How far the provider's clock and ours may disagree."""
LIFETIME_MAX_S: Final = 7 * 24 * 3600
"""The longest that the identity provider can be set to; a token valid for longer is not one of its own."""
SECRET_BYTES_MIN: Final = 32
NAMED: Final[dict[str, Role]] = {role: role for role in ROLES}
# The secret that every self-hosted Supabase starts with; anybody can sign with it.
PUBLIC_SECRETS: Final = frozenset({b"super-secret-jwt-token-with-at-least-32-characters-long"})

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# What the library would check by itself, by looser rules and its own clock.
_CLAIMS = ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")
ONLY_SIGNATURE: Final = {f"verify_{name}": False for name in _CLAIMS}


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom a token speaks for. `name` and `email` may be empty; they decide nothing."""

    user_id: UserId
    role: Role
    session_id: str
    expires_at_ms: int
    aal: str
    name: str
    email: str
    issued_at_s: int = 0
    signed_in_at_s: int = 0
    """When they last showed what only they have; tokens that are only renewed do not count."""


class Tokens:
    """Checks access tokens of one issuer. `secret`, where configured, replaces the key set by HS256."""

    def __init__(
        self,
        *,
        issuer: str,
        jwks_url: str,
        http: aiohttp.ClientSession,
        now_s: Callable[[], float],
        require_aal2: bool,
        secret: bytes | None = None,
        jwks_timeout_s: float = 3,
    ) -> None:
        if secret is not None and (len(secret) < SECRET_BYTES_MIN or secret in PUBLIC_SECRETS):
            raise ValueError("the token secret needs 32 bytes or more, and must not be a public default")
        self._issuer = issuer
        self._secret = secret
        self._now_s = now_s
        self._require_aal2 = require_aal2
        self._jwks = Jwks(jwks_url, http=http, now_s=now_s, timeout_s=jwks_timeout_s)

    async def verify(self, token: object) -> Principal:
        """Whom `token` speaks for.

        Raises `Refused`: `unauthenticated`, `forbidden` (the role needs a second factor) or `unavailable`
        (the provider's keys can't be read, and none are remembered).
        """
        if not isinstance(token, str) or not token:
            _refuse("A token is needed.")
        if len(token) > TOKEN_MAX_BYTES or not token.isascii():
            _refuse("The token is not one of ours.")
        claims = await self._signed(token)
        self._check_times(claims)
        self._check_audience(claims)
        return self._principal(claims)

    async def bearer(self, request: web.Request) -> Principal:
        """The principal of an HTTP request's `Authorization: Bearer` header. Raises as `verify` does."""
        given = request.headers.getall("Authorization", [])
        if len(given) != 1:
            _refuse("A token is needed.")
        scheme, _, token = given[0].partition(" ")
        if scheme.lower() != "bearer":
            _refuse("A token is needed.")
        return await self.verify(token.strip())

    async def _signed(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            _refuse("The token is not one of ours.")
        if "crit" in header or "b64" in header:
            _refuse("The token is not one of ours.")
        key, algorithm = await self._key(header)
        try:
            claims: dict[str, Any] = jwt.decode(token, key, algorithms=[algorithm], options=ONLY_SIGNATURE)  # type: ignore[arg-type]
        except jwt.PyJWTError:
            _refuse("The token is not one of ours.")
        return claims

    async def _key(self, header: dict[str, Any]) -> tuple[Any, str]:
        """The key to check with and the algorithm that belongs to it; the header only names the key."""
        if self._secret is not None:
            return self._secret, "HS256"
        kid = header.get("kid")
        if not isinstance(kid, str) or not 0 < len(kid) <= 256:
            _refuse("The token is not one of ours.")
        try:
            found = await self._jwks.key(kid)
        except KeysUnavailableError:
            raise Refused(Code.UNAVAILABLE, "Sign-in can't be checked just now; please try again.") from None
        if found is None:
            _refuse("The token is not one of ours.")
        return found.public, found.algorithm

    def _check_times(self, claims: dict[str, Any]) -> None:
        now_s = self._now_s()
        # `type(…) is int`, as True is an int to isinstance.
        if not all(type(claims.get(name)) is int for name in ("exp", "iat")):
            _refuse("The token is not one of ours.")
        if claims["exp"] <= now_s - LEEWAY_S:
            _refuse("The token has expired.")
        if claims["iat"] > now_s + LEEWAY_S or claims["exp"] > now_s + LIFETIME_MAX_S + LEEWAY_S:
            _refuse("The token is not one of ours.")
        not_before = claims.get("nbf", 0)
        if type(not_before) is not int or not_before > now_s + LEEWAY_S:
            _refuse("The token is not valid yet.")

    def _check_audience(self, claims: dict[str, Any]) -> None:
        if claims.get("iss") != self._issuer:
            _refuse("The token is not one of ours.")
        if claims.get("aud") != "authenticated" or claims.get("role") != "authenticated":
            _refuse("The token is not for signed-in people.")
        if claims.get("is_anonymous", False) is not False:
            _refuse("The token is not for signed-in people.")

    def _principal(self, claims: dict[str, Any]) -> Principal:
        user_id, session_id = claims.get("sub"), claims.get("session_id")
        if not _is_uuid(user_id) or not _is_uuid(session_id):
            _refuse("The token is not one of ours.")
        aal = claims.get("aal")
        role = _role(claims.get("app_metadata"))
        if self._require_aal2 and role in SECOND_FACTOR and aal != "aal2":
            raise Refused(Code.FORBIDDEN, "This role needs a second factor.")
        expires_at_ms = claims["exp"] * 1000
        if expires_at_ms <= self._now_s() * 1000:
            # Accepted only because of the leeway, so its end is the leeway's end.
            expires_at_ms += LEEWAY_S * 1000
        return Principal(
            user_id=UserId(str(user_id)),
            role=role,
            session_id=str(session_id),
            expires_at_ms=expires_at_ms,
            aal=aal if isinstance(aal, str) else "",
            name=_display_name(claims.get("user_metadata")),
            email=_short(claims.get("email"), 320),
            issued_at_s=claims["iat"],
            signed_in_at_s=_signed_in_at_s(claims),
        )


def _refuse(message: str) -> NoReturn:
    raise Refused(Code.UNAUTHENTICATED, message)


def _signed_in_at_s(claims: dict[str, Any]) -> int:
    """The latest of the ways in which they signed in, by `amr`; without it, when the token was made."""
    ways = claims.get("amr")
    told = [way.get("timestamp") for way in ways if isinstance(way, dict)] if isinstance(ways, list) else []
    times = [at_s for at_s in told if type(at_s) is int and at_s <= claims["iat"] + LEEWAY_S]
    return max(times, default=claims["iat"])


def _is_uuid(value: object) -> bool:
    return isinstance(value, str) and UUID.fullmatch(value) is not None


def _role(app_metadata: object) -> Role:
    """Only `app_metadata`: a person can write the other metadata themselves. What is unknown is a guest."""
    named = app_metadata.get("role") if isinstance(app_metadata, dict) else None
    return NAMED.get(named, "guest") if isinstance(named, str) else "guest"


def _display_name(user_metadata: object) -> str:
    if not isinstance(user_metadata, dict):
        return ""
    named = (user_metadata.get(field) for field in ("name", "full_name"))
    return next((told for told in map(displayed, filter(_is_text, named)) if told), "")


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str)


def _short(value: object, length: int) -> str:
    return value[:length].strip() if isinstance(value, str) else ""
