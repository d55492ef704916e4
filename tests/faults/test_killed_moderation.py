"""A hub is killed just after a moderator's decision is on record: the others carry it out, and bill by it."""

import asyncio
import signal

import asyncpg
import pytest

from sandbox.visitor import LineLost
from tests.acceptance.scene import FAST_MINOR_PER_MINUTE, Scene, until
from tests.stack import Stack


@pytest.fixture
async def scene(stack: Stack) -> Scene:
    return Scene(stack)


async def test_a_decision_outlives_its_hub(stack: Stack, scene: Scene) -> None:
    guest = await scene.guest(1)
    host = await scene.host(1, rate_minor=FAST_MINOR_PER_MINUTE)
    session_id = await scene.live(guest, host)
    moderator = await scene.enter(await scene.person("moderator"), 0)
    doomed = stack.webs[stack.hub_urls[0]]
    decided = asyncio.Event()
    listener = await asyncpg.connect(stack.database.owner_dsn)
    await listener.execute(
        "create or replace function tell_effect() returns trigger language plpgsql as"
        " $$ begin perform pg_notify('effect', new.action_id::text); return null; end $$;"
        "create trigger tell_effect after insert on moderation_effects"
        " for each row execute function tell_effect()"
    )

    def kill(*_: object) -> None:
        doomed.kill(signal.SIGKILL)
        decided.set()

    await listener.add_listener("effect", kill)
    body = {"session_id": session_id, "action": "suspend", "user_id": host.id, "note": "because"}
    asking = asyncio.create_task(moderator.answer("moderation:act", body))
    async with asyncio.timeout(20):
        await decided.wait()
    await asyncio.gather(asking, return_exceptions=True)
    assert asking.done()
    assert asking.exception() is None or isinstance(asking.exception(), LineLost)
    assert (await guest.state(session_id, "ended"))["end_reason"] == "practitioner_conduct"
    async with asyncio.timeout(30):
        await host.ended.wait()

    async def finished() -> bool:
        return await scene.sql("select from moderation_effects") == []

    await until(finished, "what was decided was never carried out")
    await guest.state(session_id, "settled")
    assert (await guest.get(f"/v1/sessions/{session_id}/receipt"))["total_minor"] == 0
    assert len(await scene.sql("select from strikes where user_id = $1", host.id)) == 1
    await listener.execute("drop trigger tell_effect on moderation_effects")
    await listener.close()
    stack.start_web()
    await scene.close()
