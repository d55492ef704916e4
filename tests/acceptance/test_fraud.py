"""Fraud by real processes: where people come from is noted as hashes, a worker looks, an admin decides."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.postgres import PostgresAddress
from sandbox.up import ROOT
from sandbox.visitor import Json, Visitor
from tests.acceptance.conftest import UNLIMITED, running_stack
from tests.acceptance.scene import FAST_MINOR_PER_MINUTE, Scene, until
from tests.stack import Stack

SOFA = "93.184.215.14"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"


@pytest.fixture(scope="module")
def stack(
    postgres_cluster: PostgresAddress,
    migrated_template: PostgresAddress,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """Hubs that believe this machine about where people come from, as behind a load balancer."""
    settings = UNLIMITED | {"TRUSTED_PROXIES": "127.0.0.1"}
    with running_stack(postgres_cluster, tmp_path_factory, settings) as running:
        yield running


async def come(scene: Scene, person: Json, address: str, hub: int = 0, agent: str = AGENT) -> Visitor:
    visitor = Visitor(scene.stack.hub_urls[hub], person)
    visitor._http.headers.update({"X-Forwarded-For": address, "User-Agent": agent, "Accept-Language": "en"})
    scene.visitors.append(visitor)
    return await visitor.connect()


async def pay(scene: Scene, guest: Visitor, host: Visitor) -> None:
    """A session that is long enough to be charged, settled."""
    await host.ask("practitioner:online")
    session_id = await scene.live(guest, host, 200_000)

    async def worth_charging() -> bool:
        now = await guest.ask("room:join", session_id=session_id)
        return bool(now["meter"]["amount_minor"] > 200)

    await until(worth_charging, "time stands still")
    await guest.ask("session:end", session_id=session_id)
    await guest.state(session_id, "settled")


async def seen(scene: Scene, person: Json, kinds: set[str]) -> None:
    async def noted() -> bool:
        rows = await scene.sql("select kind from fraud_sightings where person_id = $1", person["id"])
        return {row["kind"] for row in rows} == kinds

    await until(noted, f"{person['name']} was not noted as {kinds}")


def backtest(stack: Stack, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    environ = {"PATH": os.environ["PATH"], **stack.env, **settings}
    command = [sys.executable, "-m", "hub", "fraud", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


async def test_somebody_who_pays_themselves_is_put_before_an_admin(scene: Scene) -> None:
    mine, hers = await scene.person("guest"), await scene.person("practitioner")
    await scene.sql(
        "update practices set rate_minor_per_minute = $2 where practitioner_id = $1",
        hers["id"],
        FAST_MINOR_PER_MINUTE,
    )
    guest, host = await come(scene, mine, SOFA), await come(scene, hers, SOFA, hub=1)
    for person in (mine, hers):
        await seen(scene, person, {"browser", "network", "device"})
    for _ in range(2):
        await pay(scene, guest, host)
    printed = backtest(scene.stack, "backtest", "--days", "1")
    assert printed.returncode == 0, printed.stderr
    [line] = [line for line in printed.stdout.splitlines() if line.startswith("shared_device")]
    assert hers["id"] in line
    assert await scene.sql("select * from fraud_findings") == []

    # A worker looks when it starts, and then every minute.
    scene.stack.start_worker()
    admin = await scene.enter(await scene.person("admin"))

    async def opened() -> bool:
        return bool((await admin.get("/v1/admin/fraud", state="open"))["items"])

    await until(opened, "no review was opened")
    [review] = (await admin.get("/v1/admin/fraud", state="open"))["items"]
    assert (review["subject"], review["findings"][0]["rule"]) == (hers["id"], "shared_device")
    assert (await host.get("/v1/me/earnings"))["held_for_review"] is False
    decision = {"decision": "hold_payouts", "reason": "Both from one browser."}
    held = await admin.post(f"/v1/admin/fraud/{review['id']}/decide", decision)
    assert held["state"] == "held"
    assert (await host.get("/v1/me/earnings"))["held_for_review"] is True

    dump = await scene.sql("select s.*::text as row from fraud_sightings s")
    assert not [row for row in dump if SOFA in row["row"] or "Firefox" in row["row"]]


async def test_an_address_of_this_machine_and_staff_are_not_noted(scene: Scene) -> None:
    person, admin = await scene.person("guest"), await scene.person("admin")
    await come(scene, person, "127.0.0.1")
    await come(scene, admin, SOFA)
    await seen(scene, person, {"browser"})
    assert await scene.sql("select * from fraud_sightings where person_id = $1", admin["id"]) == []


async def test_a_request_over_http_is_noted_too(scene: Scene) -> None:
    person = await scene.person("guest")
    guest = await come(scene, person, "127.0.0.1")
    await seen(scene, person, {"browser"})
    guest._http.headers["X-Forwarded-For"] = SOFA
    await guest.get("/v1/me/sessions")
    await seen(scene, person, {"browser", "network", "device"})


def test_thresholds_to_try_and_bad_ones(stack: Stack, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    text = (ROOT / "config" / "fraud.toml").read_text()
    rules.write_text(text.replace("version = 1", "version = 7"))
    tried = backtest(stack, "backtest", "--rules", str(rules))
    assert (tried.returncode, "rules version 7" in tried.stdout) == (0, True), tried.stderr
    rules.write_text(text.replace("hours = 24", "hours = 0"))
    for answer in (
        backtest(stack, "backtest", "--rules", str(rules)),
        backtest(stack, "backtest", FRAUD_RULES=str(rules)),
    ):
        assert answer.returncode != 0
        assert "declines_person.hours: must be a whole number from 1" in answer.stderr
        assert "Traceback" not in answer.stderr
    assert backtest(stack, "backtest", "--days", "0").returncode == 2
    assert backtest(stack, "forecast").returncode == 2
