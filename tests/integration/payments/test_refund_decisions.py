"""Who may refund, and how much: admins, two of them above the limit, never more than was charged."""

import asyncio

import pytest

from tests.integration.payments.desk import Desk
from tests.integration.payments.office import HOUR_MS, Office


async def test_two_refunds_at_once_cannot_exceed_what_was_charged(desk: Desk, office: Office) -> None:
    room = await office.charged()
    answers = await asyncio.gather(*(office.refund(room, 700) for _ in range(4)))
    assert sorted(status for status, _ in answers) == [200, 409, 409, 409]
    await office.run()
    assert sum(one["amount"] for one in await desk.at_stripe("refunds", room)) == 700
    assert await office.broken() == []


async def test_above_the_limit_a_second_admin_approves(desk: Desk, office: Office) -> None:
    room = await office.charged()
    _, asked = await office.refund(room, 1100)
    assert asked["state"] == "pending_approval"
    await office.run(2 * HOUR_MS)
    assert await desk.at_stripe("refunds", room) == []
    assert await desk.at_stripe("transfers", room) == [], "a transfer waits for the decision"
    path = f"/v1/admin/refunds/{asked['id']}/approve"
    status, answer = await office.ask("POST", path)
    assert (status, answer["error"]["code"]) == (403, "forbidden")
    # What is asked for takes up what is left.
    assert (await office.refund(room, 200))[0] == 409
    both = await asyncio.gather(*(office.ask("POST", path, who=office.ben) for _ in range(3)))
    assert {(status, answer["state"]) for status, answer in both} == {(200, "approved")}
    await office.run()
    [sent] = await desk.at_stripe("refunds", room)
    assert sent["amount"] == 1100
    _, done = await office.ask("GET", "/v1/admin/actions")
    about = [(one["action"], one["admin_id"]) for one in done["items"] if one["subject"] == asked["id"]]
    assert about == [("refund_approved", office.ben), ("refund_requested", office.ann)]
    assert await office.broken() == []


async def test_many_small_ones_are_no_way_around_the_second_admin(office: Office) -> None:
    room = await office.charged()
    states = [(await office.refund(room, 400))[1]["state"] for _ in range(3)]
    assert states == ["approved", "approved", "pending_approval"]


async def test_a_rejected_refund_frees_the_transfer(desk: Desk, office: Office) -> None:
    room = await office.charged()
    _, asked = await office.refund(room, 1200)
    path = f"/v1/admin/refunds/{asked['id']}"
    status, answer = await office.ask(
        "POST", f"{path}/reject", {"reason": "It was not cold."}, who=office.ben
    )
    assert (status, answer["state"]) == (200, "rejected")
    assert (await office.ask("POST", f"{path}/approve", who=office.ben))[0] == 409
    await office.run(2 * HOUR_MS)
    [transfer] = await desk.at_stripe("transfers", room)
    assert transfer["amount"] == 960
    assert await office.broken() == []


async def test_the_same_request_refunds_once(desk: Desk, office: Office) -> None:
    room = await office.charged()
    first = await office.refund(room, 300, request_id="once")
    assert await office.refund(room, 300, request_id="once") == first
    assert (await office.refund(room, 301, request_id="once"))[0] == 409
    await office.run()
    assert len(await desk.at_stripe("refunds", room)) == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"amount_minor": 0}, "bad_request"),
        ({"amount_minor": -5}, "bad_request"),
        ({"amount_minor": 2**60}, "bad_request"),
        ({"amount_minor": "5"}, "bad_request"),
        ({"amount_minor": 1.5}, "bad_request"),
        ({"amount_minor": 1201}, "conflict"),
        ({"reason": ""}, "bad_request"),
        ({"reason": "  "}, "bad_request"),
        ({"reason": None}, "bad_request"),
        ({"session_id": "0192f0c1-2345-7000-8000-00000000beef"}, "not_found"),
        ({"session_id": "me"}, "bad_request"),
        ({"user_id": "0192f0c1-2345-7000-8000-00000000beef"}, "not_found"),
        ({"currency": "jpy"}, "bad_request"),
    ],
)
async def test_bad_input_changes_nothing(
    desk: Desk, office: Office, change: dict[str, object], code: str
) -> None:
    room = await office.charged()
    body = {"session_id": room.id, "amount_minor": 5, "reason": "Cold.", **change}
    _, answer = await office.ask("POST", "/v1/admin/refunds", body)
    assert answer["error"]["code"] == code
    assert await desk.owner.fetchval("select count(*) from refunds where session_id = $1", room.id) == 0


async def test_only_admins_with_a_second_factor(office: Office) -> None:
    room = await office.charged()
    body = {"session_id": room.id, "amount_minor": 5, "reason": "Cold."}
    for role in ("guest", "practitioner", "moderator"):
        for method, path in (
            ("POST", "/v1/admin/refunds"),
            ("GET", "/v1/admin/refunds"),
            ("GET", "/v1/admin/disputes"),
            ("GET", "/v1/admin/cases"),
            ("GET", "/v1/admin/actions"),
        ):
            status, answer = await office.ask(method, path, body if method == "POST" else None, role=role)
            assert (status, answer["error"]["code"]) == (403, "forbidden")


async def test_a_session_that_was_not_charged_has_nothing_to_refund(desk: Desk, office: Office) -> None:
    room = await desk.funded()
    assert (await office.refund(room, 5))[0] == 409
