"""The key set over real HTTP, with a clock of the test's own."""

import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp
import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hub.edge.auth import Tokens
from hub.edge.jwks import Jwks, KeysUnavailableError
from hub.errors import Code, Refused
from tests.integration.edge.peer import ISSUER, KID, claims, public_jwk, token


class Provider:
    """A key set that changes, fails and counts."""

    def __init__(self) -> None:
        self.keys = [public_jwk()]
        self.failing = False
        self.asked = 0
        self.now_s = float(int(time.time()))
        self.hold: asyncio.Event | None = None

    async def answer(self, _request: web.Request) -> web.StreamResponse:
        self.asked += 1
        if self.hold is not None:
            await self.hold.wait()
        if self.failing:
            raise web.HTTPInternalServerError
        return web.json_response({"keys": self.keys})

    def clock(self) -> float:
        return self.now_s


@pytest.fixture
async def provider() -> Provider:
    return Provider()


@pytest.fixture
async def jwks(provider: Provider) -> AsyncIterator[Jwks]:
    app = web.Application()
    app.router.add_get("/jwks", provider.answer)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        yield Jwks(str(server.make_url("/jwks")), http=http, now_s=provider.clock)


async def test_many_ask_at_once_and_the_provider_is_asked_once(jwks: Jwks, provider: Provider) -> None:
    provider.hold = asyncio.Event()
    waiting = [asyncio.create_task(jwks.key(KID)) for _ in range(50)]
    await asyncio.sleep(0.05)
    # One of those who wait gives up; the others still get their key.
    waiting[0].cancel()
    provider.hold.set()
    found = await asyncio.gather(*waiting[1:])
    assert all(key is not None and key.algorithm == "ES256" for key in found)
    assert provider.asked == 1


async def test_keys_are_fresh_for_ten_minutes(jwks: Jwks, provider: Provider) -> None:
    await jwks.key(KID)
    provider.now_s += 599
    await jwks.key(KID)
    assert provider.asked == 1
    provider.now_s += 2
    await jwks.key(KID)
    assert provider.asked == 2


async def test_an_unknown_key_is_looked_for_once_in_half_a_minute(jwks: Jwks, provider: Provider) -> None:
    await jwks.key(KID)
    for number in range(20):
        assert await jwks.key(f"unknown{number}") is None
    assert provider.asked == 1
    provider.now_s += 31
    assert [await jwks.key(f"unknown{number}") for number in range(20)] == [None] * 20
    assert provider.asked == 2


async def test_a_new_key_is_found_after_the_cool_down_and_an_old_one_is_gone(
    jwks: Jwks, provider: Provider
) -> None:
    await jwks.key(KID)
    provider.keys = [public_jwk() | {"kid": "key-2"}]
    provider.now_s += 31
    assert await jwks.key("key-2") is not None
    assert await jwks.key(KID) is None


async def test_a_failure_is_not_repeated_at_once_and_old_keys_serve_for_an_hour(
    jwks: Jwks, provider: Provider
) -> None:
    await jwks.key(KID)
    provider.failing = True
    provider.now_s += 601
    assert await jwks.key(KID) is not None
    assert await jwks.key(KID) is not None
    assert provider.asked == 2
    provider.now_s += 3_590
    assert await jwks.key(KID) is not None
    provider.now_s += 10
    with pytest.raises(KeysUnavailableError):
        await jwks.key(KID)
    provider.failing = False
    provider.now_s += 31
    assert await jwks.key(KID) is not None


@pytest.mark.parametrize(
    "change",
    [
        {"alg": "ES384"}, {"alg": "HS256"}, {"use": "enc"}, {"kty": "oct", "k": "c2VjcmV0"}, {"crv": "P-384"},
        {"x": "AAAA"}, {"kty": "OKP"}, {"kty": None}, {"kid": 7}, {"kid": ""},
    ],
    ids=str,
)  # fmt: skip
async def test_a_key_that_we_do_not_use_is_no_key(
    jwks: Jwks, provider: Provider, change: dict[str, object]
) -> None:
    provider.keys = [public_jwk() | {"kid": "good"}, public_jwk() | change]
    assert await jwks.key("good") is not None
    assert await jwks.key(KID) is None


@pytest.fixture
async def symmetric(provider: Provider) -> AsyncIterator[Tokens]:
    async with aiohttp.ClientSession() as http:
        yield tokens(http, provider, b"k" * 32)


def tokens(http: aiohttp.ClientSession, provider: Provider, secret: bytes) -> Tokens:
    return Tokens(
        issuer=ISSUER,
        jwks_url="http://127.0.0.1:9/",
        http=http,
        now_s=provider.clock,
        require_aal2=False,
        secret=secret,
    )


async def test_a_configured_secret_takes_hs256_and_nothing_else(symmetric: Tokens) -> None:
    good = jwt.encode(claims(), b"k" * 32, "HS256")
    assert (await symmetric.verify(good)).name == "Someone"
    for bad in (token(), jwt.encode(claims(), b"k" * 64, "HS512"), jwt.encode(claims(), b"x" * 32, "HS256")):
        with pytest.raises(Refused) as refused:
            await symmetric.verify(bad)
        assert refused.value.code is Code.UNAUTHENTICATED


@pytest.mark.parametrize(
    "secret", [b"", b"short", b"super-secret-jwt-token-with-at-least-32-characters-long"]
)
async def test_a_secret_that_anybody_may_know_is_refused(provider: Provider, secret: bytes) -> None:
    async with aiohttp.ClientSession() as http:
        with pytest.raises(ValueError, match="secret"):
            tokens(http, provider, secret)


async def test_the_leeway_is_ten_seconds_and_ends(symmetric: Tokens, provider: Provider) -> None:
    def signed(**changes: object) -> str:
        return jwt.encode(claims(iat=now_s - 100, **changes), b"k" * 32, "HS256")

    now_s = int(provider.now_s)
    late = await symmetric.verify(signed(exp=now_s - 9))
    assert late.expires_at_ms == (now_s - 9 + 10) * 1000
    assert (await symmetric.verify(signed(exp=now_s + 9))).expires_at_ms == (now_s + 9) * 1000
    await symmetric.verify(signed(exp=now_s + 100, nbf=now_s + 10))
    for bad in ({"exp": now_s - 10}, {"exp": now_s + 100, "nbf": now_s + 11}):
        with pytest.raises(Refused):
            await symmetric.verify(signed(**bad))
