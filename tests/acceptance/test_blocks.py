"""Who blocks somebody has nothing to do with them any more, and neither has the other."""

import asyncio

import pytest

from sandbox.visitor import Json, Refused, Visitor
from tests.acceptance.scene import Scene
from tests.acceptance.wrong import NOBODY


async def listed(visitor: Visitor, host: Visitor) -> bool:
    """Whether a practitioner is anywhere in what this person can see of the directory."""
    watched = await visitor.ask("directory:watch")
    seen = {entry["id"] for entry in watched["practitioners"]}
    cursor: dict[str, str] = {}
    while True:
        page = await visitor.get("/v1/practitioners", limit="100", **cursor)
        seen |= {entry["id"] for entry in page["items"]}
        if page["cursor"] is None:
            break
        cursor = {"cursor": page["cursor"]}
    status, _, _ = await visitor.get_text(f"/v1/practitioners/{host.id}")
    assert status == (200 if host.id in seen else 404)
    return status == 200


def of(visitor: Visitor, host: Visitor, since: int) -> list[str]:
    """The statuses of a practitioner that somebody heard."""
    told = [body for name, body in visitor.heard[since:] if name == "directory:changed"]
    return [body["status"] for body in told if body["id"] == host.id]


async def send(visitor: Visitor, method: str, path: str) -> Json:
    headers = {"Authorization": f"Bearer {visitor.token}"}
    async with visitor._http.request(method, f"{visitor.hub}{path}", headers=headers) as response:
        body: Json = await response.json()
        return {"status": response.status, **body}


async def test_a_blocked_guest_finds_the_practitioner_absent(scene: Scene) -> None:
    guest, host = await scene.guest(0), await scene.host(1)
    session_id = await scene.live(guest, host)
    await guest.ask("session:end", session_id=session_id)
    await guest.state(session_id, "settled")
    await scene.shown(guest, host.id, "online")
    other = await scene.guest(0)
    lines = [guest, await scene.enter(guest, 1)]
    for line in (*lines, other):
        await line.ask("directory:watch")
    since = [line.mark for line in lines]
    assert await host.ask("safety:block", user_id=guest.id) == {"ok": True}
    assert await host.ask("safety:block", user_id=guest.id) == {"ok": True}
    for line, mark in zip(lines, since, strict=True):
        # What was seen as online goes, and looks like anybody who goes.
        await line.hear("directory:changed", lambda b: b == {"id": host.id, "status": "offline"}, since=mark)
        assert not await listed(line, host)
        with pytest.raises(Refused) as refused:
            await line.get(f"/v1/practitioners/{host.id}/deal")
        assert refused.value.code == "not_found"
    assert await listed(other, host)
    # What happens to the practitioner is told to others, and not to the guest.
    marks = [line.mark for line in (*lines, other)]
    await host.ask("practitioner:offline")
    await host.ask("practitioner:online")
    await other.hear("directory:changed", lambda b: b == {"id": host.id, "status": "online"}, since=marks[2])
    assert [of(line, host, at) for line, at in zip(lines, marks, strict=False)] == [[], []]
    # And back.
    marks = [line.mark for line in lines]
    assert (await send(host, "DELETE", f"/v1/me/blocks/{guest.id}"))["status"] == 200
    for line, at in zip(lines, marks, strict=True):
        await line.hear("directory:changed", lambda b: b == {"id": host.id, "status": "online"}, since=at)
        assert await listed(line, host)


async def test_a_practitioner_whom_a_guest_blocks_learns_nothing_of_it(scene: Scene) -> None:
    guest, host = await scene.guest(0), await scene.host(1)
    await host.ask("directory:watch")
    since = host.mark
    await guest.ask("safety:block", user_id=host.id)
    probe = await scene.host(0)
    await host.hear("directory:changed", lambda body: body["id"] == probe.id, since=since)
    assert [body["id"] for name, body in host.heard[since:] if name == "directory:changed"] == [probe.id]
    assert (await host.get("/v1/me/blocks"))["items"] == []
    assert not await listed(guest, host)


async def test_what_two_have_open_ends_as_the_blocker_ends_it(scene: Scene) -> None:
    for by_guest in (True, False):
        guest, host, session_id = await scene.couple()
        blocker, other = (guest, host) if by_guest else (host, guest)
        await blocker.ask("safety:block", user_id=other.id)
        ended = await other.state(session_id, "ended")
        assert ended["end_reason"] == ("ended_by_guest" if by_guest else "ended_by_practitioner")
        await blocker.state(session_id, "settled")
        assert await other.refusal("room:join", session_id=session_id) == "blocked"
        assert (
            await other.refusal("chat:send", session_id=session_id, client_id="1", text="why") == "not_live"
        )


async def test_a_request_that_rings_is_over_too(scene: Scene) -> None:
    for by_guest, reached in ((True, "cancelled"), (False, "declined")):
        guest, host = await scene.guest(0), await scene.host(1)
        session_id = await scene.ringing(guest, host)
        await (guest if by_guest else host).ask("safety:block", user_id=(host if by_guest else guest).id)
        await guest.state(session_id, reached)


async def test_a_blocked_pair_makes_no_new_session(scene: Scene) -> None:
    for by_guest in (True, False):
        guest, host = await scene.guest(0), await scene.host(1)
        session_id = await scene.ringing(guest, host)
        await guest.ask("session:cancel", session_id=session_id)
        await scene.shown(guest, host.id, "online")
        blocker, other = (guest, host) if by_guest else (host, guest)
        await blocker.ask("safety:block", user_id=other.id)
        code = await guest.refusal("session:request", practitioner_id=host.id, request_id="again")
        assert code == "blocked"


async def test_one_has_a_list_and_takes_back_from_it(scene: Scene) -> None:
    guest, hosts = await scene.guest(0), [await scene.host(1) for _ in range(3)]
    for host in hosts:
        told = await send(guest, "PUT", f"/v1/me/blocks/{host.id}")
        assert (told["status"], told["id"], told["name"]) == (200, host.id, host.name)
        assert await send(guest, "PUT", f"/v1/me/blocks/{host.id}") == told
    page = await guest.get("/v1/me/blocks", limit="2")
    rest = await guest.get("/v1/me/blocks", cursor=page["cursor"])
    assert [item["id"] for item in (*page["items"], *rest["items"])] == sorted(host.id for host in hosts)
    assert (await guest.get(f"/v1/me/blocks/{hosts[0].id}"))["id"] == hosts[0].id
    for _ in range(2):
        assert await send(guest, "DELETE", f"/v1/me/blocks/{hosts[0].id}") == {"status": 200}
    with pytest.raises(Refused) as refused:
        await guest.get(f"/v1/me/blocks/{hosts[0].id}")
    assert refused.value.code == "not_found"


async def test_whom_one_cannot_know_of_one_cannot_block(scene: Scene) -> None:
    guest, host = await scene.guest(0), await scene.host(1)
    moderator = await scene.enter(await scene.person("moderator"))
    stranger = await scene.guest(1)
    for user_id in (NOBODY, guest.id, moderator.id, stranger.id):
        assert await guest.refusal("safety:block", user_id=user_id) == "not_found"
        assert (await send(guest, "PUT", f"/v1/me/blocks/{user_id}"))["status"] == 404
    assert await moderator.refusal("safety:block", user_id=host.id) == "forbidden"
    assert (await send(guest, "PUT", "/v1/me/blocks/1"))["status"] == 404


async def test_both_at_once_and_each_takes_back_their_own(scene: Scene) -> None:
    guest, host, _ = await scene.couple()
    await asyncio.gather(
        guest.ask("safety:block", user_id=host.id), host.ask("safety:block", user_id=guest.id)
    )
    assert not await listed(guest, host)
    await send(guest, "DELETE", f"/v1/me/blocks/{host.id}")
    assert not await listed(guest, host)
    await send(host, "DELETE", f"/v1/me/blocks/{guest.id}")
    assert await listed(guest, host)
    assert await scene.sql("select from blocks where blocker_id = any($1)", [guest.id, host.id]) == []


async def test_nobody_has_more_than_can_be_kept(scene: Scene) -> None:
    guest, host = await scene.guest(0), await scene.host(1)
    await scene.sql(
        "insert into blocks select $1, gen_random_uuid(), 1 from generate_series(1, 1000)", guest.id
    )
    assert await guest.refusal("safety:block", user_id=host.id) == "conflict"
    assert await listed(guest, host)
