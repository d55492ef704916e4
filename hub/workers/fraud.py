"""Looks for fraud among people with news, writes down what rules find, and opens reviews for admins.

It holds nothing and tells nobody: a rule alone never touches money. What it finds depends on facts and rules
alone, so a repeat, or another worker that took over, finds the same and writes nothing twice.
"""

from collections.abc import Callable
from typing import Final

import asyncpg
import structlog
import uuid_utils

from billing.fraud import Facts, Finding, Rules, evaluate
from billing.fraud_rules import KINDS
from rooms.ids import UserId
from store.postgres import fraud, fraud_facts
from store.postgres.pool import Db

DAY_MS: Final = 86_400_000
LATE_MS: Final = DAY_MS
"""A fact may come on record up to so long after the time it carries: as long as an operation is retried."""
OVERLAP_MS: Final = 600_000
"""News are read again from so long before the last run's end: a transaction may commit late."""
FIRST_MS: Final = 30 * DAY_MS
"""How far back the first run of all looks."""
PEOPLE: Final = 100
"""People that are looked at together."""
NEIGHBOURS: Final = 5_000
LEASE_MS: Final = 600_000
TOGETHER_MS: Final = 30 * DAY_MS
"""Findings of one subject within this weigh together."""

log = structlog.get_logger()


class Fraud:
    """The duty, which looks at so many `people` together. `now_ms` gives Unix milliseconds."""

    def __init__(
        self, pool: asyncpg.Pool, rules: Rules, *, now_ms: Callable[[], int], people: int = PEOPLE
    ) -> None:
        self._pool = pool
        self._people = people
        self._rules = rules
        self._now_ms = now_ms

    async def run_once(self) -> int:
        """Look at everybody with news since the last run; how many reviews were opened."""
        now_ms = self._now_ms()
        until_ms = await fraud.take_progress(self._pool, now_ms=now_ms, lease_ms=LEASE_MS)
        if until_ms is None:
            return 0
        # Another worker's clock may have been ahead of this one's.
        after_ms = max(min(until_ms, now_ms) - OVERLAP_MS, now_ms - FIRST_MS)
        opened, last = 0, None
        while True:
            page = await fraud_facts.news(self._pool, after_ms, now_ms, beyond=last, limit=self._people)
            if page:
                opened += await self._look(page, after_ms - LATE_MS, now_ms)
            if len(page) < self._people:
                break
            last = page[-1]
        await fraud.keep_progress(self._pool, now_ms, lease_until_ms=now_ms + LEASE_MS)
        return opened

    async def _look(self, people: list[UserId], after_ms: int, now_ms: int) -> int:
        """Evaluate these people and those around them, and write down what is not older than `after_ms`."""
        from_ms = after_ms - self._rules.window_ms
        around = await fraud_facts.neighbours(self._pool, people, from_ms, limit=NEIGHBOURS)
        facts = await read(self._pool, from_ms, now_ms, around)
        found = evaluate(facts, self._rules, KINDS, among=_known(people, around, facts))
        return await self._keep([one for one in found if one.at_ms > after_ms], now_ms)

    async def _keep(self, found: list[Finding], now_ms: int) -> int:
        opened, after_ms = 0, now_ms - TOGETHER_MS
        async with self._pool.acquire() as connection, connection.transaction():
            for kind, subject in sorted(await fraud.insert_findings(connection, found, now_ms=now_ms)):
                # To the review that is under way; where there is none, or it was decided in this moment, to a
                # new one.
                await fraud.attach_findings(connection, kind, subject, after_ms=after_ms)
                began = await fraud.open_review(
                    connection,
                    kind,
                    subject,
                    review_id=str(uuid_utils.uuid7()),
                    after_ms=after_ms,
                    review_at=self._rules.review_at,
                    now_ms=now_ms,
                )
                await fraud.attach_findings(connection, kind, subject, after_ms=after_ms)
                opened += began
        if opened:
            log.warning("fraud.review_opened", count=opened)
        return opened


async def read(db: Db, after_ms: int, until_ms: int, people: list[UserId] | None) -> Facts:
    """All facts about these people, and what those came with whom they met; None for everybody."""
    asked = await fraud_facts.asked(db, after_ms, until_ms, people)
    billed = await fraud_facts.billed(db, after_ms, until_ms, people)
    also = people
    if people is not None:
        met = {one.guest_id for one in billed} | {one.practitioner_id for one in billed}
        also = sorted({*people, *met})
    return Facts(
        declined=tuple(await fraud_facts.declined(db, after_ms, until_ms, people)),
        asked=tuple(asked),
        billed=tuple(billed),
        disputed=tuple(await fraud_facts.disputed(db, after_ms, until_ms, people)),
        sightings=tuple(await fraud_facts.sightings(db, after_ms, until_ms, also)),
        saved=tuple(await fraud_facts.saved(db, after_ms, until_ms, also)),
        moved=tuple(await fraud_facts.moved(db, after_ms, until_ms, people)),
    )


def _known(people: list[UserId], around: list[UserId], facts: Facts) -> set[tuple[str, str]]:
    """The subjects of which all facts were read."""
    whole, own = set(around), set(people)
    return {
        *(("person", person) for person in whole),
        *(("practitioner", person) for person in whole),
        *(("card", one.card) for one in facts.saved if one.person_id in own),
        *(("network", one.mark) for one in facts.sightings if one.person_id in own and one.kind == "network"),
    }
