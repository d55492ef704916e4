"""Who is online is shown everywhere at once, and is never shown for longer than it is true."""

import asyncio

from sandbox.visitor import Visitor
from tests.acceptance.scene import Scene


async def statuses(watcher: Visitor, host: Visitor, *expected: str) -> None:
    """The watcher has heard exactly these statuses of a practitioner, in this order."""
    mine = [status for who, status in shown(watcher) if who == host.id]
    async with asyncio.timeout(20):
        while len(mine) < len(expected):
            await asyncio.sleep(0.02)
            mine = [status for who, status in shown(watcher) if who == host.id]
    assert mine == list(expected)


def shown(watcher: Visitor) -> list[tuple[str, str]]:
    return [(body["id"], body["status"]) for name, body in watcher.heard if name == "directory:changed"]


async def test_every_change_is_told_on_every_hub(scene: Scene) -> None:
    guest = await scene.guest(0)
    watchers = [guest, await scene.guest(1)]
    host = await scene.enter(await scene.person("practitioner"), 1)
    for watcher in watchers:
        watched = await watcher.ask("directory:watch")
        entry = next(p for p in watched["practitioners"] if p["id"] == host.id)
        assert (entry["status"], entry["rate_minor_per_minute"], entry["currency"]) == ("offline", 300, "usd")
        assert entry["name"] == host.name
        assert entry["headline"]
    for _ in range(2):
        assert (await host.ask("practitioner:online"))["status"] == "online"
    session_id = await scene.ringing(guest, host)
    await guest.ask("session:cancel", session_id=session_id)
    await watchers[1].hear("directory:changed", lambda b: b == {"id": host.id, "status": "busy"})
    await scene.shown(guest, host.id, "online")
    for _ in range(2):
        assert (await host.ask("practitioner:offline"))["status"] == "offline"
    for watcher in watchers:
        await statuses(watcher, host, "online", "busy", "online", "offline")


async def test_a_practitioner_is_online_while_any_line_is(scene: Scene) -> None:
    watcher, host = await scene.guest(0), await scene.host(1)
    second = await scene.enter(host, hub=0)
    await second.ask("practitioner:online")
    third = await scene.enter(host, hub=0)
    await watcher.ask("directory:watch")
    await host.drop()
    await third.leave()
    probe = await scene.host(0)
    await watcher.hear("directory:changed", lambda body: body == {"id": probe.id, "status": "online"})
    await scene.shown(watcher, host.id, "online")
    await second.drop()
    await watcher.hear("directory:changed", lambda body: body == {"id": host.id, "status": "offline"})


async def test_a_practitioner_in_a_session_is_busy_even_without_a_line(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    await host.drop()
    await guest.state(session_id, "paused")
    assert (await guest.get(f"/v1/practitioners/{host.id}"))["status"] == "busy"
    await guest.ask("session:end", session_id=session_id)
    await scene.shown(guest, host.id, "offline")


async def test_offline_during_a_session_keeps_the_session(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    assert (await host.ask("practitioner:offline"))["status"] == "busy"
    await guest.ask("chat:send", session_id=session_id, client_id="1", text="still here?")
    await host.hear("chat:message")
    await guest.ask("session:end", session_id=session_id)
    await scene.shown(guest, host.id, "offline")


async def test_who_unwatches_hears_no_more(scene: Scene) -> None:
    watcher, other = await scene.guest(0), await scene.guest(0)
    for who in (watcher, other):
        await who.ask("directory:watch")
    await watcher.ask("directory:unwatch")
    since = watcher.mark
    host = await scene.host(1)
    await other.hear("directory:changed", lambda body: body["id"] == host.id)
    assert watcher.count("directory:changed", since) == 0


async def test_only_who_is_free_is_listed_as_online(scene: Scene) -> None:
    guest, free = await scene.guest(), await scene.host()
    busy = await scene.host()
    await scene.ringing(guest, busy)
    for online, expected in (("true", [True, False]), ("false", [True, True])):
        listed: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = await guest.get("/v1/practitioners", online=online, limit="100", **cursor)
            listed += [entry["id"] for entry in page["items"]]
            if page["cursor"] is None:
                break
            cursor = {"cursor": page["cursor"]}
        assert len(set(listed)) == len(listed)
        assert [host.id in listed for host in (free, busy)] == expected
