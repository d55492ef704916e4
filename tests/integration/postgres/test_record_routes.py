"""The routes about sessions and people over real HTTP, on real stores, with real tokens."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple, cast
from uuid import uuid4

import aiohttp
import asyncpg
import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from msgspec.structs import replace

from billing.settlement import held, settle
from config.retention import periods
from hub.edge.auth import Tokens
from hub.hub import Hub
from hub.identity import Identity
from hub.live import Live
from hub.routes import people as people_routes
from hub.routes import sessions as session_routes
from hub.routes.answer import table
from hub.safety.block_cache import Blocks
from hub.watchers import Watchers
from rooms import chain, room
from rooms.chain import Link
from rooms.ids import HubId, Role, UserId
from rooms.news import Change
from store.postgres import settlements
from store.privacy.bindings import message_aad
from store.privacy.keys import Keyring
from store.records import StoredMessage, lost_message
from store.redis.chat import Chat
from store.redis.connect import connect as connect_redis
from store.redis.directory import Directory
from store.redis.moderation import Moderation
from store.redis.people import People
from store.redis.revocations import Revocations
from store.redis.rooms import Rooms
from tests.integration.postgres.scene import ENVIRONMENT, MINUTE, T0, Scene, ended_scene, practise, someone

NOW_S = T0 // 1000
SECRET = b"a secret for these tests alone, of 40 bytes"
ISSUER = "https://auth.example/auth/v1"
Get = Callable[..., Awaitable[aiohttp.ClientResponse]]


def token(user_id: UserId, role: Role) -> str:
    claims = {
        "iss": ISSUER, "aud": "authenticated", "role": "authenticated", "sub": user_id,
        "session_id": str(uuid4()), "iat": NOW_S, "exp": NOW_S + 3600, "email": "new@example.com",
        "app_metadata": {"role": role}, "user_metadata": {"name": "New"}, "aal": "aal1",
    }  # fmt: skip
    return jwt.encode(claims, SECRET, algorithm="HS256")


@pytest.fixture
async def hub(pool: asyncpg.Pool, valkey: str) -> AsyncIterator[Hub]:
    redis = connect_redis(valkey)
    here = lambda: HubId("hub")  # noqa: E731
    rooms = Rooms(redis, hub=here, tell=lambda _room, _news, _now_ms: [])
    people, directory = People(redis), Directory(redis)

    async def unheard(_: HubId) -> dict[Any, int]:
        return {}

    async with aiohttp.ClientSession() as http:
        tokens = Tokens(
            issuer=ISSUER, jwks_url="http://127.0.0.1:9/none", http=http, now_s=lambda: NOW_S,
            require_aal2=False, secret=SECRET,
        )  # fmt: skip
        live = Live(rooms, people, directory, heard_here=lambda _: {}, heard_elsewhere=unheard, here=here)
        keyring = Keyring(bytes(32), pool, now_ms=lambda: T0)
        await keyring.check()
        parts = {
            "identity": Identity(tokens, Revocations(redis)), "pool": pool, "live": live, "people": people,
            "periods": periods(),
            "directory": directory, "blocks": Blocks(pool, Watchers(), directory),
            "keyring": keyring, "now_ms": lambda: T0,
            "moderation": Moderation(redis), "chat": Chat(redis, interval_ms=0, burst=1_000),
        }  # fmt: skip
        # What these routes have no use for is not there at all.
        absent: dict[str, Any] = dict.fromkeys(set(Hub.__dataclass_fields__) - set(parts))
        yield Hub(**absent, **cast(dict[str, Any], parts))
    await redis.aclose()


@pytest.fixture
async def get(hub: Hub, aiohttp_client: Callable[[web.Application], Awaitable[TestClient[Any, Any]]]) -> Get:
    app = web.Application()
    app.add_routes(table(hub, [*session_routes.ROUTES, *people_routes.ROUTES]))
    client = await aiohttp_client(app)

    async def ask(path: str, who: UserId, role: Role = "guest") -> aiohttp.ClientResponse:
        return await client.get(path, headers={"Authorization": f"Bearer {token(who, role)}"})

    return ask


class Recorded(NamedTuple):
    scene: Scene
    stranger: UserId


@pytest.fixture
async def recorded(pool: asyncpg.Pool, hub: Hub) -> Recorded:
    scene = await ended_scene(pool)
    said = [await sealed(hub, scene, seq) for seq in (1, 2)] + [lost_message(3)]
    async with pool.acquire() as connection:
        holds = await settlements.holds(connection, scene.id, 1)
        bill = settle(scene.room, scene.guest, held=tuple(map(held, holds)), destination="acct_1")
        await settlements.commit(connection, scene.room, bill, said, environment=ENVIRONMENT, now_ms=T0)
    return Recorded(scene, await someone(pool, "guest", "Eve"))


async def sealed(hub: Hub, scene: Scene, seq: int) -> StoredMessage:
    """What the guest (odd) or the practitioner (even) said."""
    number = seq % 2
    key = await hub.keyring.load(scene.guest_id if number else scene.practitioner_id)
    name = str(uuid4())
    return StoredMessage(
        seq, name, number, T0 + seq, f"c{seq}", key.seal(message_aad(name), b"text %d" % seq)
    )


async def problem(response: aiohttp.ClientResponse) -> tuple[int, str]:
    return response.status, (await response.json())["error"]["code"]


PATHS = ("/v1/sessions/{id}", "/v1/sessions/{id}/transcript", "/v1/sessions/{id}/receipt")


@pytest.mark.parametrize("path", PATHS)
async def test_what_is_not_ones_own_is_not_there(get: Get, recorded: Recorded, path: str) -> None:
    own = path.format(id=recorded.scene.id)
    assert (await get(own, recorded.scene.guest_id)).status == 200
    foreign = await get(own, recorded.stranger)
    unknown = await get(path.format(id=uuid4()), recorded.stranger)
    assert await problem(foreign) == await problem(unknown) == (404, "not_found")
    assert await foreign.text() == await unknown.text()
    for nonsense in ("1", "..%2F..", recorded.scene.id.upper(), "'%20or%20''='"):
        assert (await get(path.format(id=nonsense), recorded.scene.guest_id)).status == 404
    # A staff member has no part in it either.
    assert await problem(await get(own, recorded.stranger, "admin")) == (404, "not_found")


@pytest.mark.parametrize("path", [*PATHS, "/v1/me", "/v1/me/sessions", "/v1/practitioners"])
async def test_without_a_token_there_is_nothing(get: Get, recorded: Recorded, path: str) -> None:
    path = path.format(id=recorded.scene.id)
    stale = await get(path, UserId("nobody"))
    assert await problem(stale) == (401, "unauthenticated")
    assert stale.headers["WWW-Authenticate"] == "Bearer"


async def test_the_receipt_has_the_fields_of_the_contract(get: Get, recorded: Recorded) -> None:
    scene = recorded.scene
    told = await (await get(f"/v1/sessions/{scene.id}/receipt", scene.guest_id)).json()
    head = told.pop("transcript_head")
    live_ms = T0 + MINUTE
    assert told == {
        "session_id": scene.id, "currency": "usd", "billed_ms": 10 * MINUTE, "free_ms": 0,
        "rate_minor_per_minute": 300, "subtotal_minor": 3_000, "tip_minor": 0, "total_minor": 3_000,
        "refunded_minor": 0, "cap_minor": 30_000, "waived": None, "waived_reason": None,
        "end_reason": "ended_by_guest", "kind": "time",
        "intervals": [{"from_ms": live_ms, "to_ms": live_ms + 10 * MINUTE}],
        "started_at_ms": live_ms, "ended_at_ms": live_ms + 10 * MINUTE,
        "practitioner": {"id": scene.practitioner_id, "name": "Pia"},
        "guest": {"id": scene.guest_id, "name": "Gus"},
    }  # fmt: skip
    assert len(bytes.fromhex(head)) == 32
    theirs = await get(f"/v1/sessions/{scene.id}/receipt", scene.practitioner_id, "practitioner")
    assert (await theirs.json()) == {
        **told,
        "transcript_head": head,
        "fee_minor": 600,
        "practitioner_minor": 2_400,
        "promotion_minor": 0,
    }


async def test_the_receipt_is_a_page_too(get: Get, recorded: Recorded, pool: asyncpg.Pool) -> None:
    scene = recorded.scene
    await pool.execute("update people set name = '<b>Gus</b>' where id = $1", scene.guest_id)
    response = await get(f"/v1/sessions/{scene.id}/receipt?format=html", scene.guest_id)
    page = await response.text()
    assert response.content_type == "text/html"
    assert "&lt;b&gt;Gus" in page
    assert "<b>Gus" not in page
    nonce = page.split('nonce="')[1].split('"')[0]
    assert f"style-src 'nonce-{nonce}'" in response.headers["Content-Security-Policy"]
    assert await problem(await get(f"/v1/sessions/{scene.id}/receipt?format=pdf", scene.guest_id)) == (
        400,
        "bad_request",
    )


async def test_a_receipt_comes_with_the_settlement(get: Get, pool: asyncpg.Pool) -> None:
    scene = await ended_scene(pool)
    response = await get(f"/v1/sessions/{scene.id}/receipt", scene.guest_id)
    assert await problem(response) == (409, "conflict")


async def test_the_transcript_verifies_against_the_receipt(get: Get, recorded: Recorded) -> None:
    scene = recorded.scene
    told = await (
        await get(f"/v1/sessions/{scene.id}/transcript", scene.practitioner_id, "practitioner")
    ).json()
    first, second, third = told["messages"]
    assert first["from"] == {"id": scene.guest_id, "name": "Gus", "role": "guest"}
    assert [first["text"], second["text"]] == ["text 1", "text 2"]
    assert third == {"seq": 3, "lost": True, "digest": third["digest"]}
    links = [
        Link(3, None, None, None, None)
        if "lost" in message
        else Link(
            message["seq"], message["id"], message["at_ms"], message["participant_no"],
            bytes.fromhex(message["body_sha256"]),
        )
        for message in told["messages"]
    ]  # fmt: skip
    receipt = await (await get(f"/v1/sessions/{scene.id}/receipt", scene.guest_id)).json()
    assert told["head"] == receipt["transcript_head"]
    assert chain.verify(scene.id, links, bytes.fromhex(told["head"]))


async def test_an_erased_persons_words_are_gone_and_the_chain_stands(
    get: Get, recorded: Recorded, hub: Hub
) -> None:
    scene = recorded.scene
    await hub.keyring.shred(scene.guest_id)
    told = await (await get(f"/v1/sessions/{scene.id}/transcript", scene.practitioner_id)).json()
    assert [message.get("text") for message in told["messages"]] == [None, "text 2", None]
    assert all(message["digest"] for message in told["messages"])


async def test_a_long_transcript_comes_whole_and_in_order(get: Get, pool: asyncpg.Pool, hub: Hub) -> None:
    scene = await ended_scene(pool)
    said = [await sealed(hub, scene, seq) for seq in range(1, 1_002)]
    async with pool.acquire() as connection:
        bill = settle(scene.room, scene.guest, held=())
        await settlements.commit(connection, scene.room, bill, said, environment=ENVIRONMENT, now_ms=T0)
    told = await (await get(f"/v1/sessions/{scene.id}/transcript", scene.guest_id)).json()
    assert [message["text"] for message in told["messages"]] == [f"text {seq}" for seq in range(1, 1_002)]


async def test_an_open_session_is_shown_as_it_stands(get: Get, pool: asyncpg.Pool, hub: Hub) -> None:
    scene = await ended_scene(pool)
    running = replace(scene.room, state=room.State.LIVE, ended_at_ms=None, end_reason=None)
    await hub.live.rooms.create(Change(running))
    told = await (await get(f"/v1/sessions/{scene.id}", scene.guest_id)).json()
    assert told["state"] == "live"
    told = await (await get(f"/v1/sessions/{scene.id}/transcript", scene.guest_id)).json()
    assert told == {"session_id": scene.id, "messages": [], "head": chain.genesis(scene.id).hex()}
    assert (
        await get(f"/v1/sessions/{scene.id}/transcript", await someone(pool, "guest", "Eve"))
    ).status == 404


async def test_history_goes_back_page_by_page(get: Get, pool: asyncpg.Pool, recorded: Recorded) -> None:
    scene = recorded.scene
    path = "/v1/me/sessions"
    page = await (await get(f"{path}?limit=1", scene.guest_id)).json()
    assert [item["id"] for item in page["items"]] == [scene.id]
    assert page["items"][0]["price"] == {
        "kind": "per_minute", "amount_minor": 300, "currency": "usd", "free_s": 0, "minimum_minor": 50,
        "cap_minor": 30_000,
    }  # fmt: skip
    rest = await (await get(f"{path}?limit=1&cursor={page['cursor']}", scene.guest_id)).json()
    assert rest == {"items": [], "cursor": None}
    # Somebody else's cursor is a place in time and nothing more.
    later = "f" * 8 + scene.id[8:]
    swapped = await (await get(f"{path}?cursor={later}", recorded.stranger)).json()
    assert swapped["items"] == []


@pytest.mark.parametrize(
    "bad", ["limit=0", "limit=101", "limit=x", "limit=%D9%A3", "cursor=1", "who=me", "limit=1&limit=2"]
)
async def test_a_bad_query_names_the_field(get: Get, recorded: Recorded, bad: str) -> None:
    response = await get(f"/v1/me/sessions?{bad}", recorded.stranger)
    error = (await response.json())["error"]
    assert (response.status, error["code"]) == (400, "bad_request")
    assert list(error["fields"]) == [bad.split("=", maxsplit=1)[0]]


async def test_a_first_look_makes_the_profile(get: Get, pool: asyncpg.Pool) -> None:
    newcomer = UserId(str(uuid4()))
    told = await (await get("/v1/me", newcomer)).json()
    assert told == {
        "id": newcomer, "role": "guest", "name": "New", "email": "new@example.com", "country": None,
        "avatar_url": None, "phone": None, "adult": False, "version": 1, "language": None, "born_on": None,
    }  # fmt: skip
    assert (await (await get("/v1/me", newcomer, "practitioner")).json())["role"] == "practitioner"


async def test_the_directory_lists_the_verified(get: Get, recorded: Recorded, pool: asyncpg.Pool) -> None:
    waiting = await someone(pool, "practitioner", "Wes")
    await practise(pool, waiting, verified=False)
    pia = recorded.scene.practitioner_id
    one = await (await get(f"/v1/practitioners/{pia}", recorded.stranger)).json()
    assert (one["name"], one["status"], one["rate_minor_per_minute"]) == ("Pia", "offline", 300)
    assert await problem(await get(f"/v1/practitioners/{waiting}", recorded.stranger)) == (404, "not_found")
    everyone = await (await get("/v1/practitioners?limit=100", recorded.stranger)).json()
    ids = [item["id"] for item in everyone["items"]]
    assert pia in ids
    assert waiting not in ids
    nobody = await (await get("/v1/practitioners?online=true&topic=sleep", recorded.stranger)).json()
    assert nobody == {"items": [], "cursor": None}
