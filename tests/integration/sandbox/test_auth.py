"""Sign-up to deletion with the unmodified Supabase client, and what the hub relies on in a token."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from supabase_auth import AsyncGoTrueAdminAPI, AsyncGoTrueClient
from supabase_auth.errors import AuthApiError, AuthWeakPasswordError

from sandbox.settings import SERVICE_KEY, SandboxConfig
from tests.integration.sandbox.outside import Sandbox, running

CREDENTIALS: Any = {"email": "amara@example.com", "password": "secret1"}


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[AsyncGoTrueClient]:
    async with AsyncGoTrueClient(url=sandbox.config.issuer, auto_refresh_token=False) as client:
        yield client


@pytest.fixture
async def admin(sandbox: Sandbox) -> AsyncIterator[AsyncGoTrueAdminAPI]:
    headers = {"Authorization": f"Bearer {SERVICE_KEY}"}
    async with AsyncGoTrueAdminAPI(url=sandbox.config.issuer, headers=headers) as api:
        yield api


async def test_a_life_with_the_official_client(client: AsyncGoTrueClient, admin: AsyncGoTrueAdminAPI) -> None:
    signed_up = await client.sign_up(CREDENTIALS | {"options": {"data": {"name": "Amara"}}})
    assert signed_up.session is not None
    user = signed_up.user
    assert user is not None
    assert user.user_metadata == {"name": "Amara"}
    signed_in = await client.sign_in_with_password(CREDENTIALS)
    assert signed_in.session is not None
    got = await client.get_user()
    assert got is not None
    assert got.user.id == user.id
    claims = await client.get_claims()
    assert claims is not None
    assert claims["claims"]["sub"] == user.id
    refreshed = await client.refresh_session()
    assert refreshed.session is not None
    assert refreshed.session.refresh_token != signed_in.session.refresh_token
    await admin.update_user_by_id(user.id, {"app_metadata": {"role": "practitioner"}})
    again = await client.refresh_session()
    assert again.user is not None
    assert again.user.app_metadata == {"provider": "email", "providers": ["email"], "role": "practitioner"}
    await client.update_user({"data": {"name": "Amara A."}})
    await client.sign_out()
    assert user.id in {listed.id for listed in await admin.list_users(per_page=1000)}
    await admin.delete_user(user.id)
    with pytest.raises(AuthApiError) as refused:
        await client.sign_in_with_password(CREDENTIALS)
    assert refused.value.code == "invalid_credentials"


async def test_a_spent_refresh_token_ends_the_session(client: AsyncGoTrueClient) -> None:
    first = (await client.sign_up(CREDENTIALS)).session
    assert first is not None
    second = (await client.refresh_session(first.refresh_token)).session
    assert second is not None
    with pytest.raises(AuthApiError) as refused:
        await client.refresh_session(first.refresh_token)
    assert (refused.value.status, refused.value.code) == (400, "refresh_token_already_used")
    with pytest.raises(AuthApiError) as refused:
        await client.refresh_session(second.refresh_token)
    assert str(refused.value.code) == "refresh_token_not_found"


async def test_tokens_of_ended_sessions_open_nothing(client: AsyncGoTrueClient) -> None:
    first = (await client.sign_up(CREDENTIALS)).session
    assert first is not None
    await client.sign_out()
    with pytest.raises(AuthApiError) as refused:
        await client.get_user(first.access_token)
    assert refused.value.code == "session_not_found"


async def test_refusals(client: AsyncGoTrueClient, sandbox: Sandbox) -> None:
    with pytest.raises(AuthWeakPasswordError):
        await client.sign_up({"email": "a@example.com", "password": "short"})
    await client.sign_up(CREDENTIALS)
    with pytest.raises(AuthApiError) as refused:
        await client.sign_up(CREDENTIALS)
    assert refused.value.code == "user_already_exists"
    async with AsyncGoTrueAdminAPI(
        url=sandbox.config.issuer, headers={"Authorization": "Bearer x"}
    ) as stranger:
        with pytest.raises(AuthApiError):
            await stranger.list_users()


async def test_claims_are_supabases(sandbox: Sandbox) -> None:
    [person] = await sandbox.post("/control/people", {"role": "moderator", "count": 1})
    jwks = await sandbox.get("/auth/v1/.well-known/jwks.json")
    header = jwt.get_unverified_header(person["access_token"])
    [key] = [key for key in jwks["keys"] if key["kid"] == header["kid"]]
    assert (key["use"], header["alg"]) == ("sig", "ES256")
    claims = jwt.decode(
        person["access_token"],
        jwt.PyJWK(key),
        audience="authenticated",
        issuer=f"{sandbox.url}/auth/v1",
        algorithms=["ES256"],
    )
    assert claims["sub"] == person["id"]
    assert str(uuid.UUID(claims["session_id"])) == claims["session_id"]
    assert type(claims["exp"]) is type(claims["iat"]) is int
    assert claims["exp"] - claims["iat"] == 3_600
    assert (claims["role"], claims["aal"], claims["is_anonymous"]) == ("authenticated", "aal1", False)
    assert claims["app_metadata"]["role"] == "moderator"
    assert claims["user_metadata"]["name"] == person["name"]
    short = await sandbox.post("/control/token", {"id": person["id"], "ttl_s": 5, "aal": "aal2"})
    claims = jwt.decode(short["access_token"], options={"verify_signature": False})
    assert (claims["exp"] - claims["iat"], claims["aal"]) == (5, "aal2")


async def test_people_and_key_survive_a_restart(config: SandboxConfig) -> None:
    async with running(config) as sandbox:
        [person] = await sandbox.post("/control/people", {"role": "guest", "count": 1})
        before = await sandbox.get("/auth/v1/.well-known/jwks.json")
    async with running(config) as sandbox:
        assert await sandbox.get("/auth/v1/.well-known/jwks.json") == before
        headers = {"Authorization": f"Bearer {person['access_token']}"}
        async with sandbox.http.get(f"{config.issuer}/user", headers=headers) as response:
            assert (await response.json())["id"] == person["id"]


@pytest.mark.parametrize(
    ("origin", "allowed"), [("http://127.0.0.1:5173", True), ("https://evil.example", False)]
)
async def test_only_local_pages_may_call(sandbox: Sandbox, origin: str, allowed: bool) -> None:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "apikey,content-type",
    }
    async with sandbox.http.options(f"{sandbox.url}/auth/v1/token", headers=headers) as preflight:
        assert (preflight.headers.get("Access-Control-Allow-Origin") == origin) is allowed
        assert ("apikey" in preflight.headers.get("Access-Control-Allow-Headers", "")) is allowed
