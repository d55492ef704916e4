"""Offers practitioners who are free to guests who waited for them: to one at a time, in order, each once.

    clear what is over → take back turns of who is not free any more → tell whom it is → offer who is free

Every worker does. The row says whose turn it is, and only one a practitioner fits into the table; that they
are told once is one step of the live store. So nobody who dies leaves anything that another does not finish.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import asyncpg
import structlog
import uuid_utils

from hub import in_app
from hub.outbound import Notice
from hub.waiting import MOST
from hub.words import WORDS, Language
from rooms.ids import SessionId, UserId
from store.postgres import people as people_records
from store.postgres import waitlist as rows
from store.postgres.waitlist import OfferRecord
from store.redis import keys
from store.redis.directory import Directory
from store.redis.notices import Notices
from store.redis.people import People

LOOK_S: Final = 1.0
"""How often it is looked whether a turn is over."""
BATCH: Final = 500

log = structlog.get_logger()

Reached = Callable[[str], Awaitable[None]]
"""Called after each step, with its name; tests stop there."""


async def _go_on(_step: str) -> None:
    """Nothing waits."""


class Waitlist:
    """The duty. `is_over` says whether a session is; `offer_ms` how long it is somebody's turn; `quiet_ms`
    how long before a booked start no instant session is begun.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        directory: Directory,
        people: People,
        notices: Notices,
        *,
        is_over: Callable[[SessionId], Awaitable[bool]],
        offer_ms: int,
        quiet_ms: int,
        now_ms: Callable[[], int],
        reached: Reached = _go_on,
    ) -> None:
        self._pool = pool
        self._directory = directory
        self._people = people
        self._notices = notices
        self._is_over = is_over
        self._offer_ms = offer_ms
        self._quiet_ms = quiet_ms
        self._now_ms = now_ms
        self._reached = reached
        self._woken = asyncio.Event()

    def wake(self, _message: bytes = b"") -> None:
        """The directory changed."""
        self._woken.set()

    async def when_woken(self) -> None:
        """Look when somebody comes or goes, or at the latest a second after the last look."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self._woken.wait()
        self._woken.clear()
        await self.run_once()

    async def run_once(self) -> int:
        """Gives how many guests were told that it is their turn. Raises what the stores raise."""
        await rows.withdraw_unheard(self._pool, now_ms=self._now_ms())
        await rows.clear_waitlist(self._pool, now_ms=self._now_ms(), limit=BATCH)
        told = 0
        standing = await rows.offers(self._pool, now_ms=self._now_ms(), limit=BATCH)
        statuses = await self._directory.statuses([offer.practitioner_id for offer in standing])
        for offer in standing:
            if statuses[offer.practitioner_id] != "online":
                await rows.withdraw_offer(self._pool, offer.offer_id)
            elif offer.told_at_ms is None:
                told += await self._tell(offer)
        sought = await rows.sought(self._pool, now_ms=self._now_ms(), limit=BATCH)
        statuses = await self._directory.statuses(sought)
        for practitioner_id in sought:
            if statuses[practitioner_id] == "online":
                told += await self._offer(practitioner_id)
        return told

    async def _offer(self, practitioner_id: UserId) -> bool:
        """To the first in line who is there and not with somebody else. Who is away keeps their place."""
        now_ms = self._now_ms()
        # Whoever takes their turn in its last moment finds both free for long enough, too.
        until_ms = now_ms + self._offer_ms + self._quiet_ms
        for guest_id in await rows.next_in_line(
            self._pool, practitioner_id, now_ms=now_ms, until_ms=until_ms, limit=MOST
        ):
            if not await self._is_there(guest_id):
                continue
            now_ms = self._now_ms()
            offer = OfferRecord(
                guest_id, practitioner_id, str(uuid_utils.uuid7()), now_ms + self._offer_ms, None
            )
            if not await rows.make_offer(
                self._pool,
                guest_id,
                practitioner_id,
                offer.offer_id,
                now_ms=now_ms,
                until_ms=offer.offer_until_ms,
            ):
                return False
            await self._reached("offered")
            return await self._tell(offer)
        return False

    async def _is_there(self, guest_id: UserId) -> bool:
        if not await self._notices.is_heard(guest_id):
            return False
        held_by = await self._people.held_by(guest_id)
        return held_by is None or await self._is_over(held_by)

    async def _tell(self, offer: OfferRecord) -> bool:
        practice = await people_records.practice(self._pool, offer.practitioner_id)
        name = "" if practice is None else practice.name

        def said(language: Language) -> Notice:
            return Notice(
                code="practitioner_free",
                message=WORDS[language].in_app["practitioner_free"].format(name=name),
                kind="practitioner_free",
                practitioner_id=offer.practitioner_id,
                expires_at_ms=offer.offer_until_ms,
                offer_id=offer.offer_id,
            )

        heard = await self._notices.tell_once(
            offer.guest_id,
            in_app.IN_APP,
            in_app.packed(said),
            mark=keys.offered(offer.guest_id, offer.offer_id),
            for_s=2 * self._offer_ms // 1000 + 1,
        )
        await self._reached("told")
        if heard == 0:
            # They went in this very moment: the next one's turn, and their place stays.
            await rows.withdraw_offer(self._pool, offer.offer_id)
            return False
        await rows.note_told(self._pool, offer.offer_id, now_ms=self._now_ms())
        log.info("waitlist.offered", practitioner=offer.practitioner_id)
        return heard > 0
