"""The page's sign-in library, npm's `@supabase/auth-js`, as it is, against the sandbox and the hub."""

import asyncio
import json
from typing import Any

import pytest

from tests.acceptance.scene import Scene
from tests.acceptance.test_node_client import HERE, NODE

pytestmark = pytest.mark.skipif(
    not (HERE / "node_modules").exists(), reason="`make test` installs the Node packages first"
)


async def steps(scene: Scene, email: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        NODE, HERE / "sign_in.mjs", scene.stack.sandbox_url, email, cwd=HERE, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        told, _ = await process.communicate()
    assert process.returncode == 0
    return {step["step"]: step for step in map(json.loads, told.splitlines())}


async def test_it_signs_up_and_in_and_the_hub_takes_its_token(scene: Scene) -> None:
    email = f"noor-{id(scene)}@example.com"
    told = await steps(scene, email)
    for name in ("sign up", "sign out", "sign in", "user", "refresh"):
        assert told[name]["error"] is None, told[name]
    assert told["user"]["data"]["user"]["email"] == email
    assert told["wrong password"]["error"] == {"status": 400, "code": "invalid_credentials"}
    # A refresh token is good once.
    assert told["old refresh token"]["error"]["status"] == 400
    token = told["refresh"]["data"]["session"]["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    async with scene.http.get(f"{scene.stack.hub_urls[0]}/v1/me", headers=headers) as response:
        assert response.status == 200
        me = await response.json()
    assert (me["role"], me["name"], me["email"]) == ("guest", "Noor", email)
