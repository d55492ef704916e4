"""Where exports are made in tests: people with a past, a clock that is moved, archives that are opened."""

import asyncio
import io
import json
import signal
import sys
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import uuid_utils
from redis.asyncio import Redis

from hub.workers.exports import Exports
from rooms import chain
from rooms.ids import SessionId, UserId
from sandbox.postgres import PostgresAddress
from store.postgres import audit, avatars, exports, jobs, sessions, transcript
from store.postgres import blobs as blob_rows
from store.postgres.exports import Export
from store.privacy import blobs
from store.privacy.bindings import message_aad
from store.privacy.exports.making import QUEUE
from store.privacy.keys import Keyring
from store.records import StoredMessage, lost_message
from store.redis.notices import Notices
from tests.integration.postgres.scene import T0, ended_room, practise, someone

ROOT = Path(__file__).parents[3]
MASTER = bytes(range(32))
LEASE_MS = 30_000
KEEP_MS = 86_400_000
FORMULA = '=HYPERLINK("http://evil.example","Ada")'
OWN, THEIRS = "i-said-this-myself", "nobody-else-takes-this-along"


@dataclass
class Life:
    """Somebody, who they talked to, and the session between the two."""

    id: UserId
    other_id: UserId
    session_id: SessionId
    head: bytes
    said: list[StoredMessage]


async def go_on(_step: str) -> None:
    """Nothing waits between two steps."""


@dataclass
class Workshop:
    database: PostgresAddress
    pool: asyncpg.Pool
    redis: Redis
    redis_url: str
    time_ms: int = T0

    def now_ms(self) -> int:
        return self.time_ms

    def wait(self, ms: int) -> None:
        self.time_ms += ms

    def keyring(self) -> Keyring:
        return Keyring(MASTER, self.pool, now_ms=self.now_ms)

    def duty(self, reached: Callable[[str], Awaitable[None]] | None = None) -> Exports:
        return Exports(
            self.pool, Notices(self.redis), self.keyring(), now_ms=self.now_ms, lease_ms=LEASE_MS,
            keep_ms=KEEP_MS, reached=reached or go_on,
        )  # fmt: skip

    async def ask(self, person_id: UserId) -> str:
        export_id = str(uuid_utils.uuid7())
        async with self.pool.acquire() as connection, connection.transaction():
            await exports.insert_export(connection, export_id, person_id, now_ms=self.time_ms)
            await jobs.enqueue(connection, QUEUE, export_id)
        return export_id

    async def found(self, export_id: str, person_id: UserId) -> Export:
        found = await exports.export(self.pool, export_id, person_id)
        assert found is not None
        return found

    async def made(self, person_id: UserId) -> zipfile.ZipFile:
        """An export from beginning to end."""
        export_id = await self.ask(person_id)
        assert await self.duty().make(export_id)
        return await self.archive(export_id, person_id)

    async def content(self, export_id: str, person_id: UserId) -> bytes:
        found = await self.found(export_id, person_id)
        assert found.blob_id is not None
        blob = await blob_rows.blob(self.pool, found.blob_id)
        assert blob is not None
        key = await self.keyring().load(person_id)
        return b"".join([piece async for piece in blobs.read(self.pool, key, blob)])

    async def archive(self, export_id: str, person_id: UserId) -> zipfile.ZipFile:
        opened = zipfile.ZipFile(io.BytesIO(await self.content(export_id, person_id)))
        assert opened.testzip() is None
        return opened

    async def archives(self, person_id: UserId) -> int:
        """How many there are of a person, whole or not."""
        count: int = await self.pool.fetchval(
            "select count(*) from blobs where subject_id = $1 and kind = 'export'", person_id
        )
        return count

    async def life(self, *, messages: int = 6, padding: int = 0, lost: int = 0) -> Life:
        """Two people, a session on record, and a moderator who read along; `lost` is a message's `seq`."""
        person_id = await someone(self.pool, "guest", FORMULA)
        other_id = await someone(self.pool, "practitioner", "Pia-Whose-Name-Is-Hers")
        await practise(self.pool, other_id)
        room = ended_room(person_id, other_id)
        said = await self.talk((other_id, person_id), messages, padding)
        said = [lost_message(one.seq) if one.seq == lost else one for one in said]
        head = chain.digests(room.id, transcript.links(said))[-1]
        await sessions.save_session(self.pool, room, transcript_head=head, message_count=len(said))
        await transcript.append(self.pool, room.id, said, chain.digests(room.id, transcript.links(said)))
        await audit.append(
            self.pool, actor_id=str(uuid4()), actor_role="moderator", action="moderator_observed",
            subject_id=None, session_id=room.id, detail={}, now_ms=self.time_ms,
        )  # fmt: skip
        return Life(person_id, other_id, room.id, head, said)

    async def talk(self, people: tuple[UserId, UserId], count: int, padding: int) -> list[StoredMessage]:
        """By turns, each under the speaker's own key; what compresses badly, if it is to be long."""
        keys = [await self.keyring().load(person) for person in people]
        said = []
        for seq in range(1, count + 1):
            no, name = seq % 2, str(uuid_utils.uuid7())
            text = f"{OWN if no else THEIRS} {seq} {noise(name, padding)}".strip()
            body = keys[no].seal(message_aad(name), text.encode())
            said.append(StoredMessage(seq, name, no, T0 + seq, f"c{seq}", body))
        return said

    async def picture(self, person_id: UserId) -> bytes:
        key, content = await self.keyring().load(person_id), b"a picture of 512 pixels"
        async with self.pool.acquire() as connection, connection.transaction():
            blob = await blobs.write(
                connection, key, content, kind="avatar", media_type="image/webp", now_ms=self.time_ms
            )
            await avatars.keep_avatar(connection, person_id, {512: blob})
        return content

    @asynccontextmanager
    async def killed(self, export_id: str, point: str) -> AsyncIterator[None]:
        """A worker process that makes this export and is killed at a point, before the block begins."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.integration.exports.runner", self.database.hub_dsn, self.redis_url,
            export_id, point, str(self.time_ms), stdout=asyncio.subprocess.PIPE, cwd=ROOT,
        )  # fmt: skip
        assert process.stdout is not None
        line = b""
        async with asyncio.timeout(30):
            async for line in process.stdout:
                if line == f"{point}\n".encode():
                    break
        process.send_signal(signal.SIGKILL)
        await process.wait()
        assert line == f"{point}\n".encode()
        yield


def noise(seed: str, size: int) -> str:
    return "".join(uuid_utils.uuid5(uuid_utils.NAMESPACE_DNS, f"{seed}{n}").hex for n in range(size // 32))


def loaded(archive: zipfile.ZipFile, path: str) -> Any:
    return json.loads(archive.read(path))
