"""A legal hold: what there is about a person, or of a session, copied at one moment under a key of its own.

The originals go at their time, by their age or with their person; the copy stays until the hold is over, and
then its key is destroyed. What comes later is in no hold. Words are opened before they are copied, as the
key that sealed them may be destroyed.

What staff did is not copied, as it stays on record anyway; nor are pictures and archives.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from rooms.ids import UserId
from store.postgres import keys as key_rows
from store.postgres import legal_holds as rows
from store.postgres.legal_holds import Hold, Piece
from store.postgres.pool import Db, Transacting
from store.privacy.bindings import legal_hold_aad, legal_hold_piece_aad, legal_hold_undisclosed_aad
from store.privacy.keys import DataKey, Keyring, SealBrokenError, ShreddedError
from store.privacy.owned import bound_to
from store.privacy.registry import Registry, Table, load

DAY_MS: Final = 86_400_000
REVIEW_MS: Final = 365 * DAY_MS
"""After so long somebody has to say that it is still needed."""
LONGEST_DAYS: Final = 3_650
ROWS: Final = 500
"""Of one piece."""
PIECES_MAX: Final = 20_000
LEFT_OUT: Final = frozenset(
    {
        "subject_keys",
        "blob_chunks",
        "exports",
        "corrections",
        "tombstones",
        "legal_holds",
        "legal_hold_pieces",
    }
)
"""Keys, files, and what only says how far something is."""
FOR_GOOD: Final = "audit"


class HoldTooLarge(Exception):
    """There is more of it than one hold takes."""


class Held(NamedTuple):
    """Which rows of a table; $1 is the person, or the session."""

    table: Table
    where: str

    @property
    def sql(self) -> str:
        """The statement that reads them."""
        order = ", ".join(f'"{name}"' for name in self.table.key)
        return f'select * from "{self.table.name}" where {self.where} order by {order}'  # noqa: S608


async def place(db: Transacting, keyring: Keyring, hold: Hold, reason: str, undisclosed: str | None) -> bool:
    """Copy all there is at this moment, in the caller's transaction. False when it was placed before.

    The transaction is of level `repeatable_read`, so that every table is as it was at one moment. Raises
    HoldTooLarge.
    """
    if await rows.hold(db, hold.id) is not None:
        return False
    key = await keyring.fresh(hold.id, db)
    sealed = msgspec.structs.replace(
        hold,
        reason=key.seal(legal_hold_aad(hold.id), reason.encode()),
        undisclosed_reason=None
        if undisclosed is None
        else key.seal(legal_hold_undisclosed_aad(hold.id), undisclosed.encode()),
    )
    if not await rows.insert_hold(db, sealed):
        return False
    no = count = 0
    async for table, copied in _copied(db, keyring, hold):
        if no == PIECES_MAX:
            raise HoldTooLarge
        content = key.seal(legal_hold_piece_aad(hold.id, no), msgspec.json.encode(copied))
        await rows.insert_piece(db, Piece(hold.id, no, table.name, len(copied), content))
        no, count = no + 1, count + len(copied)
    await rows.complete(db, hold.id, pieces=no, rows=count)
    return True


async def release(db: Db, hold: Hold, *, released_by: UserId | None, now_ms: int) -> bool:
    """End it, in the caller's transaction: no copy of it can be read from then on. False when it is over."""
    if not await rows.release(db, hold.id, released_by=released_by, now_ms=now_ms):
        return False
    await rows.drop_pieces(db, hold.id)
    await key_rows.shred(db, hold.id, now_ms=now_ms)
    return True


async def words(keyring: Keyring, hold: Hold) -> tuple[str | None, str | None]:
    """Why it was placed, and why nobody may know; None once it is over."""
    key = await _key(keyring, hold.id)
    if key is None:
        return None, None
    return (
        _text(key, legal_hold_aad(hold.id), hold.reason),
        _text(key, legal_hold_undisclosed_aad(hold.id), hold.undisclosed_reason),
    )


async def opened(keyring: Keyring, piece: Piece) -> list[dict[str, Any]] | None:
    """The rows of a piece; None once its hold is over."""
    key = await _key(keyring, piece.hold_id)
    if key is None:
        return None
    return msgspec.json.decode(
        key.open(legal_hold_piece_aad(piece.hold_id, piece.no), piece.sealed), type=list[dict[str, Any]]
    )


async def _key(keyring: Keyring, hold_id: str) -> DataKey | None:
    try:
        return await keyring.find(hold_id)
    except ShreddedError:
        return None
    finally:
        # Kept in no memory: destroyed, it opens nothing, in any process.
        keyring.forget(hold_id)


def _text(key: DataKey, aad: bytes, sealed: bytes | None) -> str | None:
    return None if sealed is None else key.open(aad, sealed).decode()


def held(registry: Registry, *, of_session: bool) -> list[Held]:
    """What is copied, table by table."""
    found = []
    for name, table in sorted(registry.tables.items()):
        if name in LEFT_OUT or table.retention == FOR_GOOD:
            continue
        where = _of_session(registry, table) if of_session else _of_person(registry, table)
        if where is not None:
            found.append(Held(table, where))
    return found


def _of_person(registry: Registry, table: Table) -> str | None:
    if table.whose:
        return "(" + " or ".join(f'"{name}" = $1' for name in table.whose) + ")"
    way = table.parent
    above = None if way is None else _of_person(registry, registry.tables[way.parent])
    return None if way is None or above is None else way.where(above)


def _of_session(registry: Registry, table: Table) -> str | None:
    if table.name == "sessions":
        return '"id" = $1'
    if "session_id" in table.columns:
        return '"session_id" = $1'
    way = table.parent
    above = None if way is None else _of_session(registry, registry.tables[way.parent])
    return None if way is None or above is None else way.where(above)


async def _copied(
    db: Transacting, keyring: Keyring, hold: Hold
) -> AsyncIterator[tuple[Table, list[dict[str, Any]]]]:
    """The rows, a bounded number at a time."""
    people = [] if hold.session_id is None else await rows.seats(db, hold.session_id)
    keys = Keys(db, keyring, [*people, *([] if hold.subject_id is None else [hold.subject_id])])
    for one in held(load(), of_session=hold.session_id is not None):
        cursor = await db.cursor(one.sql, hold.subject_id or hold.session_id)
        while found := await cursor.fetch(ROWS):
            yield one.table, [await _plain(keys, one.table, dict(row)) for row in found]


async def _plain(keys: "Keys", table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as JSON has it, its words opened; None for what nobody can open any more."""
    plain: dict[str, Any] = {}
    for name, value in row.items():
        if not isinstance(value, bytes):
            plain[name] = msgspec.to_builtins(value)
        elif table.columns[name].sealed is None:
            plain[name] = value.hex()
        else:
            plain[name] = await keys.opened(table, name, row, value)
    return plain


class Keys:
    """The keys that may have sealed what is copied: of the people, of the row itself, of whom it names."""

    def __init__(self, db: Db, keyring: Keyring, people: list[UserId]) -> None:
        self._db = db
        self._keyring = keyring
        self._people = people
        self._known: dict[str, DataKey | None] = {}

    async def opened(self, table: Table, column: str, row: Mapping[str, Any], sealed: bytes) -> str | None:
        """A sealed value in plain words; None when none of them opens it."""
        for whose in self._whose(table, row):
            key = self._known[whose] if whose in self._known else await self._load(whose)
            try:
                if key is not None:
                    return key.open(bound_to(table, column, row), sealed).decode("utf-8", "replace")
            except SealBrokenError:
                continue
        return None

    def _whose(self, table: Table, row: Mapping[str, Any]) -> Iterator[str]:
        if table.own_key:
            yield str(row["id"])
        if row.get("sealed_for"):
            yield str(row["sealed_for"])
        yield from self._people

    async def _load(self, whose: str) -> DataKey | None:
        try:
            key = await self._keyring.within(whose, self._db)
        except ShreddedError:
            key = None
        if whose in self._people:
            self._known[whose] = key
        return key
