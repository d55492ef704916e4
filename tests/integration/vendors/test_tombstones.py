"""A backup is restored: whoever was erased since is erased again, because the other store remembers."""

import asyncpg

from hub.workers.tombstones import Tombstones
from sandbox.postgres import PostgresAddress
from store.postgres import tombstones as rows
from store.postgres.pool import connect
from store.privacy import tombstones
from store.redis import keys
from tests.integration.vendors.counter import Counter
from tests.integration.vendors.life import lived


def duty(counter: Counter) -> Tombstones:
    return Tombstones(counter.pool, counter.redis, counter.keyring(), now_ms=counter.now_ms)


async def restored(counter: Counter, cluster: PostgresAddress, backup: str) -> None:
    """The counter goes on with the database as the backup has it."""
    await counter.pool.close()
    name = f"{backup}_restored"
    cluster.server.query(f"create database {name} template {backup}")
    counter.database = cluster.database(name)
    counter.pool = await connect(counter.database.hub_dsn, size=8)
    counter.ring = await counter.another_keyring()


async def test_whoever_was_erased_since_the_backup_is_erased_again(
    counter: Counter, postgres_cluster: PostgresAddress
) -> None:
    life = await lived(counter)
    bystander = await counter.person("guest")
    # The backup: a copy of the database as it is now. Nobody may be connected while it is made.
    at, backup = counter.database.owner_dsn, f"backup_{life.id.replace('-', '')}"
    await counter.pool.close()
    name = at.partition("?")[0].rpartition("/")[2]
    postgres_cluster.server.query(
        f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"
    )
    postgres_cluster.server.query(f"create database {backup} template {name}")
    counter.pool = await connect(counter.database.hub_dsn, size=8)
    counter.ring = await counter.another_keyring()

    await life.order()
    await life.go_on()
    assert await life.done()
    assert await tombstones.returned(counter.pool, counter.redis, counter.keyring()) == []

    await restored(counter, postgres_cluster, backup)
    assert not await life.done()
    assert await tombstones.returned(counter.pool, counter.redis, counter.keyring()) == [life.id]
    # Without the other store nobody could know.
    assert await tombstones.returned(counter.pool, None, counter.keyring()) == []
    again = duty(counter)
    assert await again.run_once() == 1
    assert await again.run_once() == 0
    assert await tombstones.returned(counter.pool, counter.redis, counter.keyring()) == []
    await life.go_on()
    assert await life.done()
    assert await life.left() == []
    assert await counter.pool.fetchval("select name from people where id = $1", bystander["id"])


async def test_each_store_has_what_the_other_lost(counter: Counter) -> None:
    life = await lived(counter)
    await tombstones.bury(
        counter.pool, counter.redis, counter.keyring(), life.id, reason="self", now_ms=counter.now_ms()
    )
    mark = tombstones.mark(counter.keyring(), life.id)
    assert life.id.encode() not in mark
    await counter.redis.delete(keys.TOMBSTONES)
    assert await tombstones.compare(counter.pool, counter.redis, counter.keyring()) == 0
    assert await counter.redis.hget(keys.TOMBSTONES, mark.hex()) == f"{counter.now_ms()}:self".encode()
    owner = await asyncpg.connect(counter.database.owner_dsn)
    await owner.execute("delete from tombstones where mark = $1", mark)
    await owner.close()
    assert await tombstones.compare(counter.pool, counter.redis, counter.keyring()) == 1
    assert await rows.known(counter.pool, [mark]) == {mark}


async def test_an_id_from_before_there_were_marks_becomes_one(counter: Counter) -> None:
    life = await lived(counter)
    owner = await asyncpg.connect(counter.database.owner_dsn)
    await owner.execute(
        "insert into tombstones (user_id, reason, erased_at_ms) values ($1, 'minor', 1)", life.id
    )
    await duty(counter).run_once()
    assert await owner.fetchval("select count(*) from tombstones where user_id is not null") == 0
    await owner.close()
    await life.go_on()
    assert await life.done()
