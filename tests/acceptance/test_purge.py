"""Somebody who turned out to be under age is removed for good, from the whole system."""

import asyncio
import os
import sys
from pathlib import Path
from uuid import uuid4

import asyncpg
import redis.asyncio as redis

from hub.moderation import minors
from rooms import chain
from rooms.chain import Link
from rooms.ids import SessionId
from sandbox.visitor import Json, Visitor
from tests.acceptance.scene import Scene, until

ROOT = Path(__file__).parents[2]
SAID = "a-sentence-that-nobody-else-says"
REMOVED_WITHIN_S = 120.0
"""Their money goes back first, and each duty looks again only after a while."""
FOUND_HIDDEN = "select count(*) from {} t where t::text like $1 or t::text like $2"


async def confirm(scene: Scene, guest: Visitor, session_id: str) -> None:
    connection = await asyncpg.connect(scene.stack.database.owner_dsn)
    async with connection.transaction():
        await minors.confirm(
            connection,
            user_id=guest.id,
            ordered_by=str(uuid4()),
            session_id=session_id,
            appeal_ms=0,
            now_ms=1,
        )
    await connection.close()


async def residue(scene: Scene, private: list[str]) -> list[str]:
    """Where any of it still stands, in any table and any key, plainly or in bytes."""
    found = []
    for row in await scene.sql("select tablename from pg_tables where schemaname = 'public'"):
        for text in private:
            query = FOUND_HIDDEN.format(row["tablename"])
            (counted,) = await scene.sql(query, f"%{text}%", f"%{text.encode().hex()}%")
            if counted["count"]:
                found.append(f"{row['tablename']}: {text}")
    client = redis.Redis.from_url(scene.stack.valkey.url)
    async for key in client.scan_iter("*"):
        raw = await client.dump(key) or b""
        found += [f"{key!r}: {text}" for text in private if text.encode() in raw]
    await client.aclose()
    return found


async def test_nothing_of_them_is_left_and_all_of_it_verifies(scene: Scene) -> None:
    person = await scene.person("guest")
    guest, host = await scene.enter(person, 0), await scene.host(1, rate_minor=30_000)
    session_id = await scene.live(guest, host)
    await guest.ask("chat:send", session_id=session_id, client_id="1", text=SAID)
    await host.ask("chat:send", session_id=session_id, client_id="2", text="And I am still here.")
    # Both hubs have their key in memory.
    assert (await said_in(host, session_id))[0]["text"] == SAID
    await host.ask("session:end", session_id=session_id)
    await host.state(session_id, "settled")
    await confirm(scene, guest, session_id)

    async def gone() -> bool:
        return not await scene.sql("select from people where id = $1", guest.id)

    await until(gone, "the person was never removed", within_s=REMOVED_WITHIN_S)
    assert await residue(scene, [SAID, person["name"], person["email"]]) == []

    async def forgotten() -> bool:
        return (await said_in(host, session_id))[0]["text"] is None

    await until(forgotten, "a hub still reads what they wrote")
    told = await host.get(f"/v1/sessions/{session_id}/transcript")
    assert [said["text"] for said in told["messages"]] == [None, "And I am still here."]
    assert verifies(session_id, told)
    assert (await host.get(f"/v1/sessions/{session_id}/receipt"))["guest"]["name"] == "Removed person"
    headers = {"Authorization": f"Bearer {guest.token}"}
    for hub in scene.stack.hub_urls:
        async with scene.http.get(f"{hub}/v1/me", headers=headers) as response:
            assert response.status == 401
    assert await check(scene) == 0


async def check(scene: Scene) -> int:
    """The exit code of `python -m hub check`: ledger, settlements and the audit chain stay as they were."""
    env = {**scene.stack.env, "PATH": os.environ["PATH"]}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hub", "check", env=env, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    code = process.returncode
    if code:
        # What pytest shows of a test that failed.
        print(said.decode())
    assert code is not None
    return code


async def said_in(visitor: Visitor, session_id: str) -> list[Json]:
    told: list[Json] = (await visitor.get(f"/v1/sessions/{session_id}/transcript"))["messages"]
    return told


def verifies(session_id: str, told: Json) -> bool:
    links = [
        Link(one["seq"], one["id"], one["at_ms"], one["participant_no"], bytes.fromhex(one["body_sha256"]))
        for one in told["messages"]
    ]
    return chain.verify(SessionId(session_id), links, bytes.fromhex(told["head"]))
