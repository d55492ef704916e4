"""Whom a moderator puts out of a session is out of its media channel too: a token lets nobody stay."""

import pytest

from sandbox.visitor import Json
from tests.acceptance.scene import Scene, until
from tests.stack import Stack


@pytest.fixture
def stack(hasty: Stack) -> Stack:
    return hasty


async def test_after_a_moderator_ends_a_session_agora_lets_neither_back_in(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    media = [(await who.ask("media:refresh", session_id=session_id))["media"] for who in (guest, host)]
    moderator = await scene.enter(await scene.person("moderator"))
    await moderator.ask("moderation:act", session_id=session_id, action="end", note="It was enough.")
    await guest.state(session_id, "ended")

    async def kicked() -> bool:
        rules = await kicking_rules(scene)
        found = {(rule["cname"], rule["uid"]) for rule in rules}
        return {(one["channel"], one["uid"]) for one in media} <= found

    await until(kicked, "Agora was never told")
    states = await scene.sql("select state from media_kicks where session_id = $1", session_id)
    assert {row["state"] for row in states} <= {"pending", "done"}


async def kicking_rules(scene: Scene) -> list[Json]:
    url = f"{scene.stack.sandbox_url}/agora/dev/v1/kicking-rule"
    app = {"appid": scene.stack.env["AGORA_APP_ID"]}
    async with scene.http.get(url, params=app, headers={"Authorization": "Basic eA=="}) as response:
        rules: list[Json] = (await response.json())["rules"]
        return rules
