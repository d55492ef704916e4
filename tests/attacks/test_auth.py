"""Tokens that must not open a connection, and connections that must not outlive or outgrow their token."""

import contextlib
import hashlib
import hmac
import json
import time
import uuid
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from websockets.exceptions import ConnectionClosed

from tests.integration.edge.peer import (
    ISSUER,
    KID,
    PRIVATE,
    Edge,
    claims,
    connected,
    knock,
    refusal,
    running,
    token,
    unconnected,
    unsigned,
)

NOW_S = int(time.time())
PEM = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)


def hmac_signed(key: bytes) -> str:
    """HS256 over the public key, made by hand as the library refuses to."""
    text = unsigned({"alg": "HS256", "typ": "JWT", "kid": KID}, claims())
    signing = text.rpartition(".")[0]
    signature = hmac.new(key, signing.encode(), hashlib.sha256).digest()
    return signing + "." + jwt.utils.base64url_encode(signature).decode()


BAD: dict[str, Any] = {
    "no auth": None,
    "no token": {},
    "token is null": {"token": None},
    "token is a number": {"token": 7},
    "token is a list": {"token": ["x"]},
    "auth is a list": [{"token": "x"}],
    "empty": {"token": ""},
    "garbage": {"token": "a.b.c"},
    "not ascii": {"token": "é.é.é"},
    "none algorithm": {"token": unsigned({"alg": "none", "kid": KID}, claims())},
    "None algorithm": {"token": unsigned({"alg": "None", "kid": KID}, claims())},
    "no algorithm": {"token": unsigned({"kid": KID}, claims())},
    "symmetric with the public key": {"token": hmac_signed(PEM)},
    "symmetric with nothing": {"token": hmac_signed(b"")},
    "another key": {"token": token(key=OTHER_KEY)},
    "another algorithm": {"token": token(key=RSA_KEY, algorithm="RS256")},
    "another curve": {"token": token(key=ec.generate_private_key(ec.SECP384R1()), algorithm="ES384")},
    "wrong kid": {"token": token(kid="key-2")},
    "no kid": {"token": token(kid=None)},
    "path as kid": {"token": token(kid="../../etc/passwd")},
    "long kid": {"token": token(kid="k" * 1000)},
    "critical header": {
        "token": jwt.encode(claims(), PRIVATE, "ES256", headers={"kid": KID, "crit": ["b64"], "b64": True})
    },
    "anon audience": {"token": token(aud="anon")},
    "two audiences": {"token": token(aud=["authenticated", "anon"])},
    "no audience": {"token": token(aud=...)},
    "service role": {"token": token(role="service_role", aud="authenticated")},
    "anon role": {"token": token(role="anon")},
    "no role": {"token": token(role=...)},
    "anonymous person": {"token": token(is_anonymous=True)},
    "anonymous, said oddly": {"token": token(is_anonymous=1)},
    "issuer with a slash": {"token": token(iss=ISSUER + "/")},
    "issuer in capitals": {"token": token(iss=ISSUER.upper())},
    "no issuer": {"token": token(iss=...)},
    "expired": {"token": token(exp=NOW_S - 60)},
    "not issued yet": {"token": token(iat=NOW_S + 6 * 3600)},
    "not valid yet": {"token": token(nbf=NOW_S + 6 * 3600)},
    "no exp": {"token": token(exp=...)},
    "no iat": {"token": token(iat=...)},
    "huge exp": {"token": token(exp=10**15)},
    "far exp": {"token": token(exp=NOW_S + 40 * 24 * 3600)},
    "negative exp": {"token": token(exp=-1)},
    "true as exp": {"token": token(exp=True)},
    "float exp": {"token": token(exp=NOW_S + 600.5)},
    "empty sub": {"token": token(sub="")},
    "no sub": {"token": token(sub=...)},
    "sub is no UUID": {"token": token(sub="admin")},
    "sub with a line end": {"token": token(sub=str(uuid.uuid4()) + "\n")},
    "no session": {"token": token(session_id=...)},
    "session is no UUID": {"token": token(session_id="1")},
}


@pytest.mark.parametrize("auth", list(BAD.values()), ids=list(BAD))
async def test_refused(edge: Edge, auth: object) -> None:
    before = (await edge.state())["opened"]
    data = await refusal(edge, auth)
    assert data == {"code": "unauthenticated", "retryable": False}
    assert (await edge.state())["opened"] == before


@pytest.mark.parametrize("exp", ["text", None, [1], {}, 1e400], ids=str)
async def test_exp_of_another_type_is_refused(edge: Edge, exp: object) -> None:
    given = str(NOW_S + 600) if exp == "text" else exp
    raw = jwt.api_jws.encode(json.dumps(claims(exp=given)).encode(), PRIVATE, "ES256", headers={"kid": KID})
    assert (await refusal(edge, {"token": raw}))["code"] == "unauthenticated"


async def test_a_token_of_8_kib_is_read_and_a_larger_one_is_not(edge: Edge) -> None:
    base = len(token(padding=""))
    fits = token(padding="x" * ((8192 - base) * 3 // 4 - 8))
    assert 8_000 < len(fits) <= 8192
    await (await connected(edge, fits)).socket.close()
    assert (await refusal(edge, {"token": token(padding="x" * 7_000)}))["code"] == "unauthenticated"


async def test_a_token_of_2_mb_never_reaches_the_check(edge: Edge) -> None:
    peer = await unconnected(edge)
    # The hub may close before all of it is sent.
    with contextlib.suppress(ConnectionClosed):
        await peer.socket.send('40{"token":"' + "x" * 2_000_000 + '"}')
    assert (await peer.closed())[0] in {1006, 1009}


async def test_a_token_in_the_query_is_no_token(edge: Edge) -> None:
    peer, answer = await knock(edge, {})
    assert answer.startswith("44")
    await peer.closed()
    assert await edge.upgrade(f"EIO=4&transport=websocket&token={token()}") == 101


async def test_metadata_that_people_write_themselves_makes_nobody_a_moderator(edge: Edge) -> None:
    given = token(user_metadata={"role": "admin", "name": "x"}, app_metadata={"role": "emperor"})
    async with await connected(edge, given) as peer:
        assert (await peer.call("staff", {}))["error"]["code"] == "forbidden"
    async with await connected(edge, token(app_metadata={"role": "moderator"})) as peer:
        assert (await peer.call("staff", {}))["ok"]


async def test_staff_need_a_second_factor_where_it_is_required() -> None:
    async with running(require_aal2=True, numbers={"refused_linger_s": 0.1}) as strict:
        for role in ("moderator", "admin"):
            once = token(app_metadata={"role": role}, aal="aal1")
            assert (await refusal(strict, {"token": once}))["code"] == "forbidden"
            twice = token(app_metadata={"role": role}, aal="aal2")
            await (await connected(strict, twice)).socket.close()
        await (await connected(strict, token(aal="aal1"))).socket.close()


async def test_a_flood_of_unknown_keys_costs_one_request(edge: Edge) -> None:
    async with running(numbers={"refused_linger_s": 0.1}) as fresh:
        await (await connected(fresh)).socket.close()
        before = (await fresh.state())["jwks_fetches"]
        for number in range(30):
            assert (await refusal(fresh, {"token": token(kid=f"k{number}")}))["code"] == "unauthenticated"
        assert (await fresh.state())["jwks_fetches"] == before
        await (await connected(fresh)).socket.close()


@pytest.mark.parametrize("trouble", ["down", "slow", "redirect", "empty", "huge", "garbage"])
async def test_keys_that_cannot_be_had_let_nobody_in_and_old_ones_serve_on(trouble: str) -> None:
    async with running(numbers={"refused_linger_s": 0.1}) as edge:
        await edge.control(jwks=trouble)
        assert await refusal(edge, {"token": token()}) == {"code": "unauthenticated", "retryable": True}
        await edge.control(jwks="ok", advance_s=31)
        await (await connected(edge)).socket.close()
        # Eleven minutes later the keys are due again, and can't be had again.
        await edge.control(jwks=trouble, advance_s=660)
        late = token(iat=NOW_S + 660, exp=NOW_S + 9000)
        await (await connected(edge, late)).socket.close()
        # But not for ever.
        await edge.control(advance_s=3 * 3600)
        later = token(iat=NOW_S + 3 * 3600, exp=NOW_S + 6 * 3600)
        assert (await refusal(edge, {"token": later}))["code"] == "unauthenticated"


async def test_a_refresh_with_anothers_token_is_refused(edge: Edge) -> None:
    async with await connected(edge) as peer:
        reply = await peer.call("auth:refresh", {"token": token()})
        assert reply["error"]["code"] == "forbidden"
        assert (await peer.call("auth:refresh", {"token": "x"}))["error"]["code"] == "unauthenticated"


async def test_a_refresh_never_widens_and_a_lowered_role_counts_at_once(edge: Edge) -> None:
    person = str(uuid.uuid4())
    moderator = token(sub=person, app_metadata={"role": "moderator"})
    guest = token(sub=person)
    async with await connected(edge, moderator) as peer:
        assert (await peer.call("staff", {}))["ok"]
        assert (await peer.call("auth:refresh", {"token": guest}))["ok"]
        assert (await peer.call("staff", {}))["error"]["code"] == "forbidden"
        assert (await peer.call("auth:refresh", {"token": moderator}))["error"]["code"] == "forbidden"
        assert (await peer.call("staff", {}))["error"]["code"] == "forbidden"


async def test_a_token_that_expires_is_announced_and_then_ends_the_connection() -> None:
    # Now, not when the file was read: a long suite may have run in between.
    now_s = int(time.time())
    async with running() as edge:
        person = str(uuid.uuid4())
        stays = await connected(edge, token(sub=person, exp=now_s + 600))
        goes = await connected(edge, token(exp=now_s + 600))
        await edge.control(advance_s=545)
        assert await goes.event() == ["auth:expiring", {"expires_at_ms": (now_s + 600) * 1000}]
        assert (await stays.event())[0] == "auth:expiring"
        newer = token(sub=person, iat=now_s + 545, exp=now_s + 4000)
        assert await stays.call("auth:refresh", {"token": newer}) == {
            "ok": True,
            "expires_at_ms": (now_s + 4000) * 1000,
        }
        await edge.control(advance_s=60)
        assert (await goes.closed())[1] == "token expired"
        assert (await stays.call("echo", {"text": "x"}))["ok"]


async def test_http_takes_the_same_tokens_by_the_same_rules(edge: Edge) -> None:
    async def status(*headers: tuple[str, str]) -> int:
        async with edge.http.get(f"{edge.url}/whoami", headers=headers) as answer:
            return answer.status

    good = token()
    assert await status(("Authorization", f"Bearer {good}")) == 200
    assert await status() == 401
    assert await status(("Authorization", good)) == 401
    assert await status(("Authorization", f"Basic {good}")) == 401
    assert await status(("Authorization", f"Bearer {good}"), ("Authorization", f"Bearer {good}")) == 401
    assert await status(("Authorization", f"Bearer {token(aud='anon')}")) == 401
