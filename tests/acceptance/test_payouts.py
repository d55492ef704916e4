"""Money after the session, by real processes: refunds, disputes, earnings, accounts that may not be paid."""

import asyncio
import os
import subprocess
import sys

from sandbox.up import ROOT
from sandbox.visitor import Json, Refused, Visitor
from tests.acceptance.scene import FAST_MINOR_PER_MINUTE, Scene, until


async def settled(scene: Scene) -> tuple[Visitor, Visitor, str, Json]:
    """A short session that is charged: guest, practitioner, its id and the guest's receipt."""
    guest, host = await scene.guest(0), await scene.host(1, rate_minor=FAST_MINOR_PER_MINUTE)
    session_id = await scene.live(guest, host, 200_000)

    async def worth_charging() -> bool:
        now = await guest.ask("room:join", session_id=session_id)
        return bool(now["meter"]["amount_minor"] > 200)

    await until(worth_charging, "time stands still")
    await guest.ask("session:end", session_id=session_id)
    await guest.state(session_id, "settled")
    return guest, host, session_id, await guest.get(f"/v1/sessions/{session_id}/receipt")


async def admin(scene: Scene) -> Visitor:
    return await scene.enter(await scene.person("admin"))


async def refused(asked: object) -> str:
    try:
        await asked  # type: ignore[misc]
    except Refused as error:
        return error.code
    raise AssertionError("it was accepted")


async def test_a_refund_reaches_the_guest_the_receipt_and_the_earnings(scene: Scene) -> None:
    guest, host, session_id, receipt = await settled(scene)
    before = await host.get("/v1/me/earnings")
    [total] = before["totals"]
    assert total["earned_minor"] == total["pending_minor"] == before["sessions"][0]["earned_minor"] > 0
    [delay] = await scene.sql(
        "select next_at_ms - ended_at_ms as ms from payment_ops join sessions on sessions.id = session_id"
        " where session_id = $1 and payment_ops.kind = 'transfer'",
        session_id,
    )
    assert delay["ms"] >= 259_200_000, "the safety delay is the setting's"
    ann, ben = await admin(scene), await admin(scene)
    body = {"session_id": session_id, "amount_minor": receipt["total_minor"], "reason": "The line was bad."}
    assert await refused(guest.post("/v1/admin/refunds", body)) == "forbidden"
    refund = await ann.post("/v1/admin/refunds", body)
    assert refund["state"] == ("approved" if receipt["total_minor"] <= 10_000 else "pending_approval")
    if refund["state"] == "pending_approval":
        assert await refused(ann.post(f"/v1/admin/refunds/{refund['id']}/approve")) == "forbidden"
        await ben.post(f"/v1/admin/refunds/{refund['id']}/approve")
    assert await refused(ben.post("/v1/admin/refunds", {**body, "amount_minor": 1})) == "conflict"

    async def given_back() -> bool:
        now = await guest.get(f"/v1/sessions/{session_id}/receipt")
        return bool(now["refunded_minor"] == receipt["total_minor"])

    await until(given_back, "the refund never came")
    assert sum(one["amount"] for one in await scene.stripe("refunds", session_id)) == receipt["total_minor"]
    after = await host.get("/v1/me/earnings")
    assert (after["totals"][0]["earned_minor"], after["totals"][0]["pending_minor"]) == (0, 0)
    done = await ben.get("/v1/admin/actions")
    assert refund["id"] in [action["subject"] for action in done["items"]]


async def test_a_dispute_is_answered_with_the_metered_time(scene: Scene) -> None:
    _, _, session_id, receipt = await settled(scene)
    dispute = await scene.control("dispute", session_id=session_id)
    ann = await admin(scene)

    async def shown() -> bool:
        listed = await ann.get("/v1/admin/disputes", open="true")
        mine = [one for one in listed["items"] if one["id"] == dispute["id"]]
        return bool(mine and mine[0]["evidence_state"] == "succeeded" and mine[0]["status"] == "under_review")

    await until(shown, "the evidence was never sent")
    asked = {"session_id": session_id, "amount_minor": receipt["total_minor"], "reason": "Asked."}
    assert await refused(ann.post("/v1/admin/refunds", asked)) == "conflict"


async def test_who_may_not_be_paid_is_offline_at_once_on_every_hub(scene: Scene) -> None:
    watcher = await scene.guest(0)
    await watcher.ask("directory:watch")
    host = await scene.host(1)
    [row] = await scene.sql("select stripe_account from practices where practitioner_id = $1", host.id)
    since = watcher.mark
    await scene.control("capability", account=row["stripe_account"], transfers="inactive")
    await watcher.hear(
        "directory:changed", lambda body: body == {"id": host.id, "status": "offline"}, since=since
    )
    assert await host.refusal("practitioner:online") == "forbidden"
    await scene.control("capability", account=row["stripe_account"], transfers="active")

    async def may_again() -> bool:
        try:
            return bool((await host.ask("practitioner:online"))["status"] == "online")
        except Refused:
            return False

    await until(may_again, "the practitioner stayed offline")


async def test_a_new_practitioner_is_led_to_stripe_and_can_go_online(scene: Scene) -> None:
    host = await scene.enter(await scene.person("practitioner"))
    await scene.sql(
        "update practices set stripe_account = null, transfers_active = false where practitioner_id = $1",
        host.id,
    )
    assert await host.refusal("practitioner:online") == "forbidden"
    link = await host.post("/v1/me/payouts/onboarding")
    async with scene.http.post(link["url"], allow_redirects=False) as response:
        assert response.status == 303

    async def ready() -> bool:
        return bool((await host.get("/v1/me/earnings"))["transfers_active"])

    await until(ready, "the account was never noted")
    assert (await host.ask("practitioner:online"))["status"] == "online"


async def test_the_check_finds_everything_in_order(scene: Scene) -> None:
    await settled(scene)
    checked = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "hub", "check"],
        env={**scene.stack.env, "PATH": os.environ["PATH"]},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = checked.stdout.splitlines()
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert len(lines) >= 15
    assert all(line.startswith("holds ") for line in lines)
