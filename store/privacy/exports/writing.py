"""From files to the pieces of a blob: what is packed leaves memory as soon as it fills a piece."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable

from store.privacy.blobs import Pieces
from store.privacy.exports.packing import Packing

Keep = Callable[[int, bytes], Awaitable[None]]
"""Keeps one piece by its number."""


class Writing:
    """The archive, as those see it who put files into it.

    `total` is how much there is to do in all, in units of `advance`. `keep` takes each piece but the last;
    `alive` is awaited between two pages, with the progress in permille.
    """

    def __init__(
        self,
        *,
        made_at_ms: int,
        total: int,
        keep: Keep,
        alive: Callable[[int], Awaitable[None]],
    ) -> None:
        self.packing = Packing(made_at_ms=made_at_ms)
        self.made_at_ms = made_at_ms
        self._total, self._done = max(1, total), 0
        self._keep, self._alive = keep, alive
        self._pieces = Pieces()
        self._sha256 = hashlib.sha256()

    @property
    def progress_permille(self) -> int:
        """How far it is; never all of it before it can be had."""
        return min(999, self._done * 1000 // self._total)

    def advance(self, units: int) -> None:
        """So much more is done."""
        self._done += units

    async def file(self, path: str, content: AsyncIterator[bytes], *, large: bool = False) -> None:
        """One file, a page at a time."""
        self.packing.begin(path, large=large)
        async for page in content:
            # Compressing a page takes milliseconds that belong to everything else this process does.
            await asyncio.to_thread(self.packing.add, page)
            await self._carry()
        self.packing.end()
        await self._carry()

    async def close(self) -> tuple[int, bytes, int, bytes]:
        """The last piece with its number, the size in bytes of the whole archive, and its SHA-256."""
        self.packing.close()
        await self._carry()
        no, piece = self._pieces.last()
        return no, piece, self._pieces.size_bytes, self._sha256.digest()

    async def _carry(self) -> None:
        written = self.packing.taken()
        self._sha256.update(written)
        for no, piece in self._pieces.add(written):
            await self._keep(no, piece)
        await self._alive(self.progress_permille)


async def whole(content: bytes) -> AsyncIterator[bytes]:
    """A file that is there in one."""
    yield content
