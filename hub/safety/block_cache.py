"""The blocks that a hub keeps at hand: of people with a socket here. Their channels say when they change."""

import itertools
from typing import Final

import asyncpg

from hub.watchers import Watchers
from rooms.ids import UserId
from store.postgres import blocks as rows
from store.redis.directory import Directory

BLOCKS: Final = "blocks"
"""What a person's channel says when somebody was blocked or is no more, with the other's id."""


class Blocks:
    """The blocks of people who have a socket on this hub, and what the directory's watchers see of it."""

    def __init__(self, pool: asyncpg.Pool, watchers: Watchers, directory: Directory) -> None:
        self._pool = pool
        self._watchers = watchers
        self._directory = directory
        self._turns = itertools.count(1)
        self._heard: dict[UserId, int] = {}
        """Whose channel is heard, and since which turn what was read of them is true."""
        self._kept: dict[UserId, frozenset[UserId]] = {}

    async def of(self, user_id: UserId) -> frozenset[UserId]:
        """Everyone with whom this person has nothing to do. Raises the record's errors."""
        kept = self._kept.get(user_id)
        if kept is not None:
            return kept
        while True:
            turn = self._heard.get(user_id)
            found = await rows.blocked_with(self._pool, user_id)
            if self._heard.get(user_id) == turn:
                break
            # It changed while it was read.
        if turn is not None:
            self._kept[user_id] = found
        return found

    async def refresh(self, user_id: UserId) -> frozenset[UserId]:
        """Read them unless they are known, and let the person's directory follow."""
        found = await self.of(user_id)
        vanished, returned = self._watchers.hide(user_id, found)
        if vanished or returned:
            # Who was not seen as online or busy does not disappear: a word about them would tell too much.
            statuses = await self._directory.statuses([*vanished, *returned])
            for other, status in statuses.items():
                if status != "offline":
                    self._watchers.show(user_id, other, "offline" if other in vanished else status)
        return found

    def listen(self, user_id: UserId) -> None:
        """The person's channel is heard from now on."""
        self._heard[user_id] = next(self._turns)
        self._kept.pop(user_id, None)

    def hear(self, user_id: UserId, about: UserId) -> None:
        """Their channel says that they blocked `about` or the other way round, or do no more."""
        self._watchers.doubt(user_id, about)
        self.listen(user_id)

    def let_go(self, user_id: UserId) -> None:
        """The person's channel is heard no more."""
        self._heard.pop(user_id, None)
        self._kept.pop(user_id, None)

    async def read_again(self) -> None:
        """The bus was away: what is known of anybody may be old."""
        for user_id in list(self._heard):
            self.listen(user_id)
        for user_id in list(self._heard):
            if self._watchers.watches(user_id):
                await self.refresh(user_id)
