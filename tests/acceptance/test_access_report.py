"""What people are told of what is kept about them: the report with everything of theirs, and the data map."""

import asyncio
import json
import os
import sys
from pathlib import Path

import asyncpg

from hub.words import LANGUAGES
from sandbox.visitor import Json, Visitor
from store.privacy.registry import load
from tests.acceptance.moderated import act, moderator, notice
from tests.acceptance.scene import FAST_MINOR_PER_MINUTE, Scene, until
from tests.acceptance.test_guest_money import ended
from tests.acceptance.test_reports import change

ROOT = Path(__file__).parents[2]
DATA_MAP = "/v1/privacy/data-map"
MINE, THEIRS = "A word of mine: heliotrope.", "A word of theirs: marjoram."


async def told_of(who: Visitor) -> Json:
    report: Json = await who.get("/v1/me/access")
    assert report["more"] == []
    return report


def said(report: Json) -> list[str]:
    return [one["body"] for one in report["tables"]["messages"]]


async def test_the_report_has_everything_of_theirs_and_nothing_of_the_other(scene: Scene) -> None:
    guest, host = await scene.guest(), await scene.host(rate_minor=FAST_MINOR_PER_MINUTE)
    session_id = await scene.live(guest, host)
    await guest.ask("chat:send", session_id=session_id, client_id="1", text=MINE)
    await host.ask("chat:send", session_id=session_id, client_id="2", text=THEIRS)
    await change(guest, "PUT", "/v1/me/consents/sms", {"granted": True})
    await guest.ask("safety:report", session_id=session_id, reason="other", user_id=host.id)
    mod = await moderator(scene)
    await act(mod, session_id, "warn", user_id=guest.id)

    async def owed() -> bool:
        now = await guest.ask("room:join", session_id=session_id)
        return bool(now["meter"]["billed_ms"] > 500)

    await until(owed, "time stands still")
    await guest.ask("session:end", session_id=session_id)
    await guest.state(session_id, "settled")
    await guest.ask("safety:block", user_id=host.id)
    action_id = (await guest.get("/v1/me/actions"))["items"][0]["id"]
    await guest.post("/v1/me/appeals", {"action_id": action_id, "text": "It was not like that."})

    report = await told_of(guest)
    tables = report["tables"]
    assert tables.keys() == {name for name, table in load().tables.items() if table.shown}
    assert said(report) == [MINE]
    (profile,), (card,) = tables["people"], tables["cards"]
    assert (profile["id"], profile["name"]) == (guest.id, guest.name)
    assert (profile["email"], card["last4"]) == (report["profile"]["email"], report["card"]["last4"])
    assert [one["purpose"] for one in tables["consents"]] == ["sms"]
    assert [one["user_id"] for one in tables["reports"]] == [host.id]
    assert [one["blocked_id"] for one in tables["blocks"]] == [host.id]
    assert [one["action"] for one in tables["moderation_actions"]] == ["warn"]
    assert [one["text"] for one in tables["appeals"]] == ["It was not like that."]
    assert [one["role"] for one in tables["participants"]] == ["guest"]
    (bill,) = tables["settlements"]
    assert bill["total_minor"] > 0
    assert {one["kind"] for one in tables["payment_ops"]} >= {"hold", "capture"}
    assert {one["kind"] for one in tables["ledger_transactions"]}
    # Nothing of others: neither what they wrote, nor who they are beyond the id that both of them know.
    plain = json.dumps(report)
    for hidden in (THEIRS, host.name, mod.id, mod.name, "acct_"):
        assert hidden not in plain

    other = await told_of(host)
    assert said(other) == [THEIRS]
    assert [one["total_minor"] for one in other["tables"]["settlements"]] == [bill["total_minor"]]
    assert other["tables"]["practices"][0]["stripe_account"].startswith("acct_")
    for hers in ("reports", "appeals", "blocks", "moderation_actions", "cards", "consents"):
        assert other["tables"][hers] == []
    assert {one["kind"] for one in other["tables"]["payment_ops"]} <= {"transfer", "reversal"}
    for hidden in (MINE, guest.name, profile["email"], mod.id, card["stripe_payment_method"]):
        assert hidden not in json.dumps(other)


async def test_who_was_in_no_session_is_shown_none(scene: Scene) -> None:
    guest, host = await scene.guest(), await scene.host()
    await ended(scene, guest, host)
    stranger = await scene.guest()
    report = await told_of(stranger)
    held = {name for name, rows in report["tables"].items() if rows}
    assert held <= {"people", "cards", "customers", "fraud_cards", "fraud_sightings", "disclosures",
                    "policy_notices", "policy_acceptances"}  # fmt: skip


async def test_the_data_map_is_told_in_both_languages(scene: Scene) -> None:
    guest = await scene.guest()
    told = {language: await guest.get(DATA_MAP, language=language) for language in LANGUAGES}
    for language, one in told.items():
        assert one["language"] == language
        names = {kept["name"] for part in one["categories"] for kept in part["kept"]}
        assert names == load().tables.keys()
        (card,) = [kept for part in one["categories"] for kept in part["kept"] if kept["name"] == "cards"]
        assert "last4" in card["shown"]
        assert {shared["vendor"] for shared in card["shared_with"]} == {"Stripe"}
    assert told["en"]["hosted"] != told["fr"]["hosted"]


async def test_the_data_map_is_sent_once_and_then_only_confirmed(scene: Scene) -> None:
    guest = await scene.guest()
    url = f"{scene.stack.hub_urls[0]}{DATA_MAP}"
    headers = {"Authorization": f"Bearer {guest.token}", "Accept-Language": "fr-CA, en;q=0.5"}
    async with scene.http.get(url, headers=headers) as first:
        assert first.status == 200
        assert (await first.json())["language"] == "fr"
        tag = first.headers["ETag"]
    async with scene.http.get(url, headers={**headers, "If-None-Match": tag}) as again:
        assert (again.status, await again.read()) == (304, b"")
    headers["Accept-Language"] = "en"
    async with scene.http.get(url, headers={**headers, "If-None-Match": tag}) as other:
        assert other.status == 200
    async with scene.http.get(url, params={"language": "de"}, headers=headers) as unknown:
        assert unknown.status == 400
    async with scene.http.get(url, params={"colour": "red"}, headers=headers) as unknown:
        assert unknown.status == 400
    async with scene.http.get(url) as nobody:
        assert nobody.status == 401


async def test_who_is_suspended_still_learns_what_is_kept_about_them(scene: Scene) -> None:
    guest, _host, session_id = await scene.couple()
    mod = await moderator(scene)
    await act(mod, session_id, "suspend", user_id=guest.id, duration_s=3600)
    await notice(guest, "suspended")
    report = await told_of(guest)
    assert [one["reason"] for one in report["tables"]["suspensions"]] == ["conduct"]
    assert (await guest.get(DATA_MAP))["categories"]


async def checked(scene: Scene) -> tuple[int | None, str]:
    """What `python -m hub check` says, and its exit code."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hub", "check", env={**scene.stack.env, "PATH": os.environ["PATH"]}, cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_the_check_of_an_installation_finds_a_column_that_nobody_registered(scene: Scene) -> None:
    assert "holds   privacy_registry\n" in (await checked(scene))[1]
    owner = await asyncpg.connect(scene.stack.database.owner_dsn)
    await owner.execute("alter table epochs add column diary text")
    code, told = await checked(scene)
    await owner.execute("alter table epochs drop column diary")
    await owner.close()
    assert code == 1
    assert "broken  privacy_registry: 1" in told
    assert "epochs.diary: the column is not in the registry" in told
