"""The audit chain: appended in the transaction of what it tells of, read in pages, signed from outside."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from rooms import audit
from rooms.audit import Entry, Head
from rooms.safety.free_text import masked
from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements
from store.privacy import texts as sealing
from store.privacy.bindings import audit_text_aad
from store.privacy.keys import Keyring

SQL = statements("audit")

SALT_BYTES = 16


class Listed(Struct, frozen=True):
    """An entry as staff read it."""

    n: int
    at_ms: int
    actor_id: str
    actor_role: str
    action: str
    subject_id: str | None
    session_id: str | None
    detail: bytes

    def words(self, texts: Mapping[str, str | None] | None = None) -> dict[str, Any]:
        """The detail as values, with these texts in place of their digests; None where one was erased."""
        told: dict[str, Any] = msgspec.json.decode(self.detail)
        return {**told, **(texts or {})}


class Text(Struct, frozen=True):
    """What a person wrote, beside the entry that covers it: sealed under the key of `sealed_for`.

    None once it was erased. It cannot be opened either once that key was destroyed.
    """

    n: int
    name: str
    salt: bytes
    text: bytes | None
    sealed_for: str | None


async def append(
    db: Db,
    *,
    actor_id: str,
    actor_role: str,
    action: str,
    subject_id: str | None,
    session_id: str | None,
    detail: Mapping[str, str | int | None],
    now_ms: int,
    keyring: Keyring | None = None,
) -> int:
    """Add an entry, inside the caller's transaction; its number.

    `subject_id` is whom or what it was done to. Of `detail`, codes, ids and numbers stay for ever; `reason`,
    `note` and whatever looks like text are kept beside it, without the numbers of cards, sealed under the key
    of the subject, who is a person then, or of the actor where there is none. Raises ValueError for a text
    without a `keyring`: nothing is kept in the clear.

    The chain has one end: until the caller's transaction is over, nobody else appends. So this comes last in
    it, after every row that it may have to wait for, and nothing slow comes after it.
    """
    codes, written = audit.parted(detail)
    if written and keyring is None:
        raise ValueError("A text needs a keyring.")
    texts = {name: masked(text) for name, text in written.items()}
    salts = {name: os.urandom(SALT_BYTES) for name in texts}
    digests = {name: {"sha256": audit.text_digest(salts[name], text)} for name, text in texts.items()}
    canonical = msgspec.json.encode({**codes, **digests}, order="deterministic")
    n: int = await db.fetchval(
        SQL["append"], now_ms, actor_id, actor_role, action, subject_id, session_id, canonical
    )
    if texts and keyring is not None:
        whose = subject_id or actor_id
        sealed = {
            name: await sealing.sealed_for(keyring, db, whose, audit_text_aad(n, name), text)
            for name, text in texts.items()
        }
        await keep_texts(db, n, whose, sealed, salts, now_ms=now_ms)
    return n


async def keep_texts(
    db: Db, n: int, whose: str, sealed: Mapping[str, bytes | None], salts: Mapping[str, bytes], *, now_ms: int
) -> None:
    """Keep what a person wrote beside the entry that covers it, sealed; None where the key is destroyed."""
    names = sorted(sealed)
    salted, texts = [salts[name] for name in names], [sealed[name] for name in names]
    await db.execute(SQL["keep_texts"], n, whose, now_ms, names, salted, texts)


async def erase_texts(db: Db, user_id: str, *, now_ms: int) -> None:
    """Forget what was written about somebody, or about sessions that they were in. The chain stays."""
    await db.execute(SQL["erase_texts"], user_id, now_ms)


async def last(db: Db) -> Entry | None:
    """The newest entry."""
    return one(await db.fetchrow(SQL["last"]), Entry)


async def page(db: Db, *, after: int, limit: int) -> list[Entry]:
    """The next entries, in order."""
    return many(await db.fetch(SQL["page"], after, limit), Entry)


async def texts(db: Db, *, first: int, last: int) -> list[Text]:
    """The texts of the entries from `first` to `last`."""
    return many(await db.fetch(SQL["texts"], first, last), Text)


async def texts_of(db: Db, numbers: Sequence[int]) -> list[Text]:
    """The texts beside some entries, sealed."""
    return many(await db.fetch(SQL["texts_of"], list(numbers)), Text)


async def opened(keyring: Keyring, text: Text) -> str | None:
    """A text beside an entry; None once nobody can read it any more."""
    return await sealing.opened(keyring, text.sealed_for, audit_text_aad(text.n, text.name), text.text)


async def listed(db: Db, *, actor_id: str | None, before: int | None, limit: int) -> list[Listed]:
    """Entries of one actor or all, the newest first."""
    return many(await db.fetch(SQL["listed"], actor_id, before, limit), Listed)


async def last_head(db: Db) -> Head | None:
    """The newest signed head."""
    return one(await db.fetchrow(SQL["last_head"]), Head)


async def heads(db: Db, *, first: int, last: int) -> list[Head]:
    """The signed heads at the entries from `first` to `last`."""
    return many(await db.fetch(SQL["heads"], first, last), Head)


async def keep_head(db: Db, head: Head) -> bool:
    """Keep a signed head; False when another process signed the same entry first."""
    kept = await db.fetchval(
        SQL["keep_head"], head.n, head.digest, head.signed_at_ms, head.key_id, head.signature
    )
    return kept is not None
