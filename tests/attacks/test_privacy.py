"""What is somebody's own, looked for where it must not be: in logs, in connections, in errors at the start.

Every event and every route is asked with what could be recognised: a name, an address, a number, a card, a
token, a text. None of it may stand in a line that a process writes, and no process may speak to anybody new.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from functools import partial
from itertools import product
from pathlib import Path

import msgspec
import psutil
import pytest
from msgspec.inspect import StructType, type_info

from config.settings import load
from hub.access import EVENTS, ROLES
from hub.events import HANDLERS
from hub.routes.topics import ROUTES
from sandbox.environment import HOST, Addresses
from sandbox.postgres import PostgresAddress
from sandbox.visitor import Json, Refused, Visitor
from tests.acceptance.conftest import UNLIMITED, running_stack
from tests.acceptance.scene import FAST_MINOR_PER_MINUTE, Scene, until
from tests.acceptance.test_logs import written
from tests.acceptance.test_main_job import a_second_passes, end_and_settle
from tests.acceptance.test_people import change, send
from tests.stack import Stack, hub_env

TEXT = "nobodyelsereadsthis"
MARKS = {
    "name": "Zebulonia Quartermaine",
    "email": "zebulonia.quartermaine@recognised.example",
    "phone": "+33 6 12 34 56 78",
    "card": "4000 0566 5566 5556",
    "iban": "FR76 3000 6000 0112 3456 7890 189",
    "address": "198.51.100.77",
    "text": TEXT,
    "token": "eyJhbGciOiJFUzI1NiJ9.eyJyZWNvZ25pc2VkIjoxfQ.c2lnbmF0dXJl",
}
EVERYTHING = " / ".join(MARKS.values())
AGORA = {
    "AGORA_APP_ID": "0123456789abcdef0123456789abcdef",
    "AGORA_APP_CERTIFICATE": "fedcba9876543210fedcba9876543210",
    "AGORA_CUSTOMER_ID": "customer",
    "AGORA_CUSTOMER_SECRET": "customer-secret",
}
PROXY = {"TRUSTED_PROXIES": "127.0.0.0/8"}


@pytest.fixture(scope="module")
def stack(
    postgres_cluster: PostgresAddress,
    migrated_template: PostgresAddress,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """Two hubs and a worker behind a proxy whose word they take, with Agora."""
    with running_stack(postgres_cluster, tmp_path_factory, UNLIMITED | AGORA | PROXY) as running:
        yield running


@pytest.fixture
async def scene(stack: Stack) -> AsyncIterator[Scene]:
    playing = Scene(stack)
    yield playing
    await playing.close()


# Logs.


def squeezed(text: str) -> str:
    """As it would be found in spite of spaces, capitals and quoting."""
    return re.sub(r"[\s\\]+", "", text).lower()


def found(log: str, marks: dict[str, str]) -> list[str]:
    """Which of these a log holds. A line of the log that holds one is shown by the failure."""
    seen = squeezed(log)
    return [what for what, mark in marks.items() if squeezed(mark) in seen]


async def everywhere(scene: Scene) -> tuple[dict[str, Visitor], dict[str, str], str]:
    """Somebody of each role whose own things can all be recognised, in a session; these things; its id."""
    guest, host, session_id = await scene.couple()
    people = {"guest": guest, "practitioner": host}
    for role in ("moderator", "admin"):
        people[role] = await scene.enter(await scene.person(role))
    private = dict(MARKS)
    for role, who in people.items():
        private |= {f"{role}'s token": who.token, f"{role}'s id": who.id}
        name = f"{MARKS['name']} {role}"
        await change(who, name=name)
        profile = await who.get("/v1/me")
        private |= {f"{role}'s name": name, f"{role}'s email": profile["email"]}
    await change(guest, phone="+33612345678", born_on="1979-11-23")
    private |= {"guest's phone": "+33612345678", "guest's birthday": "1979-11-23"}
    return people, private, session_id


def filled(body: type[msgspec.Struct], session_id: str, person_id: str) -> Json:
    """A body whose texts are all recognisable, as right in form as that can be."""
    told = type_info(body)
    assert isinstance(told, StructType)
    given: Json = {}
    for one in told.fields:
        name = one.encode_name
        if name == "session_id":
            given[name] = session_id
        elif name.endswith("user_id") or name in ("to", "practitioner_id"):
            given[name] = person_id
        elif (
            "_ms" in name or "amount" in name or name in ("seq", "limit", "version", "minutes", "duration_s")
        ):
            given[name] = 1
        else:
            given[name] = EVERYTHING[:200] if name in ("name", "request_id") else EVERYTHING
    return given


async def test_no_line_of_any_process_holds_anything_of_anybody(scene: Scene) -> None:
    people, private, session_id = await everywhere(scene)
    other = people["practitioner"].id
    for name in EVENTS:
        for role in ROLES:
            whole = filled(HANDLERS[name].body, session_id, other)
            texts = {key: value for key, value in whole.items() if isinstance(value, str)}
            for body in (whole, {**whole, EVERYTHING: EVERYTHING}, texts, EVERYTHING, [EVERYTHING]):
                if name != "auth:refresh" or body is not whole:
                    await people[role].answer(name, body)
        await people["guest"].answer(f"{name}:{TEXT}", {})
    await ask_every_route(scene, people, session_id, other)
    await from_strangers(scene)
    # What is done meanwhile by the workers, and told to the vendors, is written down by then as well.
    await people["practitioner"].answer("session:end", {"session_id": session_id})
    await until(lambda: settled(scene, session_id), "the session was never settled")
    log = written(scene.stack)
    assert session_id in log
    lines = [line for line in log.splitlines() if found(line, private)]
    assert found(log, private) == [], "\n".join(lines[:20])


async def settled(scene: Scene, session_id: str) -> bool:
    [row] = await scene.sql("select state from sessions where id = $1", session_id)
    return bool(row["state"] == "settled")


async def ask_every_route(scene: Scene, people: dict[str, Visitor], session_id: str, person_id: str) -> None:
    """Each with a right path and a recognisable one, in body, query and headers."""
    headers = {
        "User-Agent": EVERYTHING, "X-Forwarded-For": MARKS["address"], "Cookie": f"a={TEXT}",
        "Referer": f"https://{TEXT}.example/", "Accept-Language": TEXT, "Idempotency-Key": EVERYTHING,
    }  # fmt: skip
    for route in ROUTES:
        asked = None if route.body is None else filled(route.body, session_id, person_id)
        for here in (session_id, person_id, TEXT):
            path = re.sub(r"\{[a-z_]+\}", here, route.path)
            query = {"reason": EVERYTHING[:200], "query": MARKS["email"], "cursor": EVERYTHING}
            ways: tuple[dict[str, str], ...] = ({}, {"reason": EVERYTHING[:200]}, query)
            for role, params in product(("guest", "admin"), ways):
                if (route.method, route.path) in NOT_HERE:
                    continue
                token = {"Authorization": f"Bearer {people[role].token}"}
                async with scene.http.request(
                    route.method, f"{scene.stack.hub_urls[0]}{path}", params=params, json=asked,
                    headers={**headers, **token},
                ) as response:  # fmt: skip
                    await response.read()


NOT_HERE = {("POST", "/v1/me/sign-out"), ("DELETE", "/v1/me")}
"""They would end what the others need."""


async def from_strangers(scene: Scene) -> None:
    """Without a token, with a wrong one, in a webhook, on a path that is not there, on a broken line."""
    hub = scene.stack.hub_urls[1]
    bad = {"Authorization": f"Bearer {MARKS['token']}", "X-Forwarded-For": MARKS["address"]}
    for path in ("/v1/me", f"/v1/{TEXT}", f"/{MARKS['email']}", f"/v1/sessions/{TEXT}?x={MARKS['email']}"):
        async with scene.http.get(f"{hub}{path}", headers=bad) as response:
            await response.read()
    for path in ("/webhooks/stripe", "/webhooks/stripe-connect", "/v1/webhooks/stripe", "/socket.io/"):
        signed = {"Stripe-Signature": f"t=1,v1={TEXT}"}
        async with scene.http.post(f"{hub}{path}", data=json.dumps(MARKS), headers=signed) as response:
            await response.read()
    url = f"{hub.replace('http', 'ws', 1)}/socket.io/?EIO=4&transport=websocket&token={MARKS['token']}"
    for frame in (f"40{json.dumps({'token': MARKS['token'], TEXT: TEXT})}", f"42{TEXT}", EVERYTHING):
        async with scene.http.ws_connect(url, headers=bad) as socket:
            await socket.receive_str()
            await socket.send_str(frame)
            async for _ in socket:
                pass


def test_the_search_finds_what_is_there() -> None:
    for what, mark in MARKS.items():
        assert found(json.dumps({"event": "x", "said": mark.upper()}), MARKS) == [what]
    assert found("hello", MARKS) == []


# Connections.


def peers(stack: Stack) -> set[tuple[str, int]]:
    """Where the processes of hubs and workers are connected to by TCP, from their side."""
    told = set()
    for running in (*stack.webs.values(), *stack.workers):
        for one in psutil.Process(running.pid).net_connections("inet"):
            if one.status in (psutil.CONN_ESTABLISHED, psutil.CONN_SYN_SENT, psutil.CONN_CLOSE_WAIT):
                told.add((one.laddr.port, one.raddr.ip, one.raddr.port))
    served = {int(url.rpartition(":")[2]) for url in stack.webs}
    return {(ip, port) for local, ip, port in told if local not in served}


async def test_no_process_speaks_to_anybody_new(scene: Scene) -> None:
    """Through the whole main job: requests, holds, media, charges, transfers, a correction sent on."""
    seen: set[tuple[str, int]] = set()
    over = asyncio.Event()

    async def watch() -> None:
        while not over.is_set():
            seen.update(peers(scene.stack))
            await asyncio.sleep(0.005)

    watching = asyncio.create_task(watch())
    guest, host, session_id = await scene.couple(rate_minor=FAST_MINOR_PER_MINUTE)
    await guest.ask("media:refresh", session_id=session_id)
    await change(guest, name="Ada Byron")
    await a_second_passes(guest, host, session_id)
    await end_and_settle(guest, host, session_id)
    over.set()
    await watching
    # Postgres and Valkey are reached by sockets that have no address.
    assert seen == {(HOST, scene.stack.addresses.sandbox_port)}


async def test_what_went_to_whom_is_in_ones_own_report(scene: Scene) -> None:
    guest, host, session_id = await scene.couple(rate_minor=FAST_MINOR_PER_MINUTE)
    await change(guest, name="Ada Byron")
    await a_second_passes(guest, host, session_id)
    await end_and_settle(guest, host, session_id)

    async def told(who: Visitor) -> dict[tuple[str, str], Json]:
        listed = (await who.get("/v1/me/access"))["tables"]["disclosures"]
        return {(row["vendor"], row["purpose"]): row for row in listed}

    async def all_there() -> bool:
        mine, theirs = await told(guest), await told(host)
        return mine.keys() >= {("stripe", "payment"), ("stripe", "correction"), ("agora", "media")} and (
            ("agora", "media") in theirs
        )

    await until(all_there, "something went out and is not in the report")
    mine, theirs = await told(guest), await told(host)
    assert mine["stripe", "correction"]["fields"] == ["people.name"]
    assert mine["stripe", "payment"]["times"] >= 2
    assert ("stripe", "payment") not in theirs


# Consent.


async def test_a_no_on_one_hub_holds_at_once_on_a_line_to_another(scene: Scene) -> None:
    person = await scene.person("guest")
    lines = [await scene.enter(person, hub) for hub in (0, 1, 1)]
    for _ in range(3):
        assert (await say(lines[0], granted=True))["granted"]
        stop, counted = asyncio.Event(), [0]

        async def go_on(line: Visitor, stop: asyncio.Event = stop, counted: list[int] = counted) -> str:
            while not stop.is_set():
                try:
                    await line.ask("analytics:event", name="app_opened", props={})
                except Refused as refused:
                    return refused.code
                counted[0] += 1
            return "never refused"

        busy = [asyncio.create_task(go_on(line)) for line in lines]
        await until(partial(many, counted), "nothing was counted")
        await say(lines[0], granted=False)
        before = await rows(scene)
        assert await asyncio.gather(*busy) == ["forbidden"] * 3
        assert await rows(scene) == before
        stop.set()


async def many(counted: list[int]) -> bool:
    return counted[0] > 10


async def say(who: Visitor, *, granted: bool) -> Json:
    status, answer = await send(who, "PUT", "/v1/me/consents/analytics", {"granted": granted})
    assert status == 200
    return answer


async def rows(scene: Scene) -> int:
    [row] = await scene.sql("select count(*) as n from analytics_events")
    return int(row["n"])


# Secrets.

SECRET = "correct-horse-battery"
BAD_ADDRESSES = {
    "DATABASE_URL": [
        "postgresql://hub:{s}@127.0.0.1:1/x", "postgresql://hub:{s}/a@127.0.0.1:1/x", "postgresql://hub:{s}@/",
        "postgresql://hub@127.0.0.1:{s}/x", "postgres//hub:{s}", "postgresql://hub:{s}@[::1/x", "{s}",
        "postgresql://hub:{s}@far.example/x", "postgresql://hub@127.0.0.1:1/x?password={s}&sslmode={s}",
        "postgresql://hub:{s}@/x?host=/nowhere/{s}", "postgresql://hub:{s}@127.0.0.1:1,127.0.0.1:x/x",
    ],
    "REDIS_URL": [
        "redis://:{s}@127.0.0.1:1/0", "redis://:{s}@127.0.0.1:{s}/0", "redis://:{s}@127.0.0.1:1/{s}",
        "redis://:{s}@127.0.0.1:1/0?socket_timeout={s}", "unix://{s}", "unix:///nowhere/{s}?db={s}", "{s}",
    ],
    "DATA_KEY": ["{s}"], "STRIPE_SECRET_KEY": ["{s}", "sk_test_{s}"], "STRIPE_WEBHOOK_SECRET": ["{s}"],
    "SUPABASE_URL": ["https://u:{s}@abc.supabase.co", "{s}"], "TWILIO_AUTH_TOKEN": ["{s}"],
}  # fmt: skip


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Settings that are in order and reach nothing."""
    nowhere = "postgresql://hub@127.0.0.1:1/x"
    return hub_env(
        Addresses(8_000, 8_001, nowhere, nowhere, "redis://127.0.0.1:1/0"), tmp_path_factory.mktemp("env"), {}
    )


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in BAD_ADDRESSES.items() for value in values]
)
def test_a_start_that_fails_tells_no_secret(environ: dict[str, str], key: str, value: str) -> None:
    given = {**os.environ, **environ, key: value.format(s=SECRET)}
    done = subprocess.run(
        [sys.executable, "-m", "hub", "check"], env=given, capture_output=True, text=True, check=False,
        timeout=60, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode in (1, 2)
    told = done.stdout + done.stderr
    assert told.strip()
    for secret in (
        SECRET,
        environ["DATA_KEY"],
        environ["STRIPE_SECRET_KEY"],
        environ["STRIPE_WEBHOOK_SECRET"],
    ):
        assert secret not in told, told[-2_000:]
    assert "correct" not in told


def test_settings_show_no_secret(environ: dict[str, str]) -> None:
    given = {
        **environ, **AGORA, "DATABASE_URL": f"postgresql://hub:{SECRET}@127.0.0.1/x",
        "DATABASE_OWNER_URL": f"postgresql://o:{SECRET}@127.0.0.1/x", "REDIS_URL": f"redis://:{SECRET}@127.0.0.1/0",
        "DATABASE_DIRECT_URL": f"postgresql://d:{SECRET}@127.0.0.1/x", "SUPABASE_SERVICE_KEY": SECRET,
        "AGORA_WEBHOOK_SECRET": SECRET,
    }  # fmt: skip
    settings = load(given)
    shown = f"{settings!r}{settings}{settings.model_dump()}{settings.model_dump_json()}"
    secret = {
        SECRET, given["DATA_KEY"], given["STRIPE_SECRET_KEY"], given["STRIPE_WEBHOOK_SECRET"],
        given["TWILIO_AUTH_TOKEN"], AGORA["AGORA_APP_CERTIFICATE"], AGORA["AGORA_CUSTOMER_SECRET"],
    }  # fmt: skip
    assert [one for one in secret if one in shown] == []
    assert str(settings.data_key.get_secret_value()) not in shown
