"""What of a person went to whom: written where it leaves, and shown in that person's report."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from rooms.ids import UserId
from store.postgres.pool import Db
from store.postgres.statements import statements
from store.privacy.vendors import VendorId, fields

SQL = statements("disclosures")
DAY_MS: Final = 86_400_000


class Disclosure(Struct, frozen=True):
    """One vendor told for one purpose, so many `times` on the day of `at_ms`."""

    person_id: UserId
    vendor: VendorId
    purpose: str
    at_ms: int
    times: int = 1


async def disclosed(db: Db, person_id: UserId, vendor: VendorId, purpose: str, *, now_ms: int) -> None:
    """Note that something of a person goes to a vendor now; the fields are those of the table of vendors.

    Before it goes: what is noted and did not arrive is better than what went and is not noted. `db` may be a
    connection whose transaction holds the intent. Raises KeyError for a purpose that nobody registered.
    """
    await insert_disclosures(db, [Disclosure(person_id, vendor, purpose, now_ms)])


async def insert_disclosures(db: Db, told: Sequence[Disclosure]) -> None:
    """Note several. Whoever has no profile, or no longer, is left out."""
    summed: dict[tuple[str, str, str, int], Disclosure] = {}
    for one in told:
        key = (one.person_id, one.vendor, one.purpose, one.at_ms // DAY_MS)
        before = summed.get(key)
        if before is not None:
            at_ms, times = min(before.at_ms, one.at_ms), before.times + one.times
            one = Disclosure(one.person_id, one.vendor, one.purpose, at_ms, times)
        summed[key] = one
    rows = list(summed.values())
    await db.execute(
        SQL["insert_disclosures"],
        [row.person_id for row in rows],
        [row.vendor for row in rows],
        [row.purpose for row in rows],
        [",".join(fields(row.vendor, row.purpose)) for row in rows],
        [row.at_ms for row in rows],
        [row.times for row in rows],
    )
