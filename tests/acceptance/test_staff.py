"""What admins and moderators may do with people and with the audit, on two hubs, over sockets and HTTP."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg

from sandbox.visitor import Json
from store.postgres import audit
from tests.acceptance.scene import Scene, until


async def staff(scene: Scene, role: str) -> Json:
    """Somebody whom the hub has seen."""
    person = await scene.person(role)
    status, _ = await ask(scene, person, "GET", "/v1/me")
    assert status == 200
    return person


async def ask(
    scene: Scene, person: Json, method: str, path: str, body: object = None, hub: int = 0
) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {person['access_token']}"}
    url = f"{scene.stack.hub_urls[hub]}{path}"
    async with scene.http.request(method, url, json=body, headers=headers) as response:
        return response.status, await response.json()


async def give(scene: Scene, who: Json, whom: Json, role: str, hub: int = 0) -> tuple[int, Any]:
    body = {"role": role, "reason": "As we agreed."}
    return await ask(scene, who, "PUT", f"/v1/admin/people/{whom['id']}/role", body, hub)


async def test_a_lowered_role_works_at_once_on_every_hub(scene: Scene) -> None:
    ann, moderator = await staff(scene, "admin"), await staff(scene, "moderator")
    lines = [await scene.enter(moderator, hub) for hub in (0, 1)]
    assert (await give(scene, ann, moderator, "guest"))[1]["state"] == "done"
    for line in lines:
        await asyncio.wait_for(line.ended.wait(), 20)
    for hub in (0, 1):
        status, _ = await ask(scene, moderator, "GET", "/v1/moderation/audit", hub=hub)
        assert status == 401

    async def comes_back_as_a_guest() -> bool:
        """Tokens of the second in which the role was lowered are taken no more either."""
        again = await scene.control("token", id=moderator["id"])
        status, _ = await ask(scene, {**moderator, **again}, "GET", "/v1/moderation/audit")
        assert status in (401, 403)
        return status == 403

    await until(comes_back_as_a_guest, "a new sign-in was never taken")
    rows = await scene.sql("select role from people where id = $1", moderator["id"])
    assert rows[0]["role"] == "guest"
    (entry,) = await scene.sql(
        "select action, actor_id from audit_entries where subject_id = $1 and action = 'role_changed'",
        moderator["id"],
    )
    assert entry["actor_id"] == ann["id"]
    status, done = await ask(scene, ann, "GET", "/v1/admin/actions")
    assert status == 200
    assert [one["reason"] for one in done["items"] if one["subject"] == moderator["id"]] == ["As we agreed."]


async def test_who_may_not_give_roles(scene: Scene) -> None:
    ann, guest = await staff(scene, "admin"), await staff(scene, "guest")
    assert (await give(scene, ann, ann, "guest"))[0] == 403
    assert (await give(scene, ann, {"id": str(uuid4())}, "guest"))[0] == 404
    for role in ("guest", "practitioner", "moderator"):
        person = await staff(scene, role)
        assert (await give(scene, person, guest, "admin"))[0] == 403
    for body in ({"role": "owner", "reason": "x"}, {"role": "guest"}, {"role": "guest", "reason": " "}, {}):
        status, _ = await ask(scene, ann, "PUT", f"/v1/admin/people/{guest['id']}/role", body)
        assert status == 400, body


async def test_two_admins_who_lower_each_other_leave_one(scene: Scene) -> None:
    ann, ben = await staff(scene, "admin"), await staff(scene, "admin")
    answers = await asyncio.gather(give(scene, ann, ben, "guest", 0), give(scene, ben, ann, "guest", 1))
    assert sorted(status for status, _ in answers) in ([200, 401], [200, 403])
    rows = await scene.sql(
        "select id from people where role = 'admin' and id = any ($1)", [ann["id"], ben["id"]]
    )
    assert len(rows) == 1


async def test_people_are_found_exactly_or_not_at_all(scene: Scene) -> None:
    ann, guest = await staff(scene, "admin"), await staff(scene, "guest")
    for wanted in (guest["id"], guest["email"], guest["email"].upper()):
        status, found = await ask(scene, ann, "GET", f"/v1/admin/people?query={wanted}")
        assert (status, [one["id"] for one in found["items"]]) == (200, [guest["id"]])
    status, found = await ask(scene, ann, "GET", f"/v1/admin/people?query={guest['email'][:-1]}")
    assert (status, found["items"]) == (200, [])
    assert (await ask(scene, guest, "GET", "/v1/admin/people?query=abc"))[0] == 403
    rows = await scene.sql("select detail from audit_entries where action = 'people_searched'")
    assert rows
    assert not any(guest["email"].encode() in row["detail"] for row in rows)


async def test_moderators_read_what_they_did_and_admins_everything_with_a_reason(scene: Scene) -> None:
    ann, mia = await staff(scene, "admin"), await staff(scene, "moderator")
    await ask(scene, mia, "GET", "/v1/moderation/audit")
    status, page = await ask(scene, mia, "GET", "/v1/moderation/audit")
    assert status == 200
    assert {(one["actor_id"], one["action"]) for one in page["items"]} == {(mia["id"], "audit_read")}
    assert (await ask(scene, mia, "GET", "/v1/moderation/audit?reason=curious"))[0] == 400
    status, page = await ask(scene, ann, "GET", "/v1/moderation/audit?reason=A%20complaint&limit=100", hub=1)
    assert mia["id"] in {one["actor_id"] for one in page["items"]}
    status, page = await ask(scene, ann, "GET", "/v1/moderation/audit?limit=1")
    (own,) = page["items"]
    assert (own["action"], own["detail"]["all"]) == ("audit_read", 1)
    assert own["detail"]["reason"] == "A complaint"
    assert page["cursor"] == str(own["n"])
    guest = await staff(scene, "guest")
    assert (await ask(scene, guest, "GET", "/v1/moderation/audit"))[0] == 403


async def test_who_read_my_chats_is_told_by_role_and_to_the_session_s_people_alone(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    stranger = await staff(scene, "guest")
    moderator_id = str(uuid4())
    connection = await asyncpg.connect(scene.stack.database.owner_dsn)
    async with scene.keyring() as keyring:
        for action in ("moderator_observed", "flag_claimed"):
            await audit.append(
                connection, actor_id=moderator_id, actor_role="moderator", action=action, subject_id=None,
                session_id=session_id, detail={"reason": "Somebody reported it."}, now_ms=1, keyring=keyring,
            )  # fmt: skip
    await connection.close()
    # Somebody who is observed must not find out by asking.
    assert (await guest.get("/v1/me/access"))["reads"] == []
    await guest.ask("session:end", session_id=session_id)
    await host.state(session_id, "settled")
    for person in (guest, host):
        told = await person.get("/v1/me/access")
        assert told["user_id"] == person.id
        assert [one["id"] for one in told["sessions"]] == [session_id]
        assert told["reads"] == [
            {"at_ms": 1, "role": "moderator", "action": "moderator_observed", "session_id": session_id}
        ]
        assert moderator_id not in str(told)
    assert (await guest.get("/v1/me/access"))["card"]["last4"] == "4242"
    _, told = await ask(scene, stranger, "GET", "/v1/me/access")
    assert (told["reads"], told["sessions"], told["more"]) == ([], [], [])


async def test_the_head_of_the_chain_is_signed_and_kept_elsewhere(scene: Scene) -> None:
    await staff(scene, "moderator")

    async def signed() -> bool:
        return bool(await scene.sql("select n from audit_heads"))

    ann = await staff(scene, "admin")
    await ask(scene, ann, "GET", "/v1/moderation/audit")
    await until(signed, "no head was signed")
