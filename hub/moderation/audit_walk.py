"""Follows the audit chain from one place to its end and says what does not fit. It changes nothing.

Linear, a page at a time: the longest chain is checked in little memory.
"""

import msgspec

from rooms import audit
from rooms.audit import GENESIS, Entry, Head
from store.postgres import admin
from store.postgres import audit as entries
from store.postgres.audit import Text
from store.postgres.pool import Db
from store.privacy.bindings import audit_text_aad
from store.privacy.keys import Keyring, SealBrokenError, ShreddedError
from store.privacy.signing import HeadKey

PAGE = 500
PROBLEMS_MAX = 20


class AuditWalk:
    """One walk. `n` and `digest` are where it begins, and after `run` where it ended.

    `elsewhere` is a head that was kept outside the database. `problems` has a line for each thing that does
    not fit, at most PROBLEMS_MAX. `erased` counts the texts that nobody can read any more.
    """

    def __init__(
        self,
        db: Db,
        key: HeadKey,
        keyring: Keyring,
        *,
        n: int = 0,
        digest: bytes = GENESIS,
        elsewhere: Head | None = None,
    ) -> None:
        self._db = db
        self._key = key
        self._keyring = keyring
        self.n = n
        self.digest = digest
        self._elsewhere = elsewhere
        self.problems: list[str] = []
        self.erased = 0

    async def run(self) -> list[str]:
        """Walk to the end; what does not fit."""
        # Read first: what is signed while we walk may be over entries that were not there yet.
        signed = await entries.last_head(self._db)
        while not self._full and (page := await entries.page(self._db, after=self.n, limit=PAGE)):
            await self._page(page)
        if not self._full:
            await self._beyond(0 if signed is None else signed.n)
        return self.problems

    @property
    def _full(self) -> bool:
        return len(self.problems) >= PROBLEMS_MAX

    def _say(self, problem: str) -> None:
        if not self._full:
            self.problems.append(problem)

    async def _page(self, page: list[Entry]) -> None:
        first, last = self.n + 1, page[-1].n
        digests: dict[int, bytes] = {}
        for entry in page:
            self._follow(entry)
            digests[entry.n] = entry.digest
        for head in await entries.heads(self._db, first=first, last=last):
            self._head(head, digests.get(head.n), "the head")
        if self._elsewhere is not None and first <= self._elsewhere.n <= last:
            self._head(self._elsewhere, digests.get(self._elsewhere.n), "the head kept in the live store")
        await self._texts(page, await entries.texts(self._db, first=first, last=last))
        await self._records(page)

    def _follow(self, entry: Entry) -> None:
        if entry.n != self.n + 1:
            self._say(f"between entry {self.n} and entry {entry.n} something is missing")
        elif entry.prev != self.digest:
            self._say(f"entry {entry.n} does not follow the one before it")
        if audit.digest(entry) != entry.digest:
            self._say(f"entry {entry.n} was changed")
        self.n, self.digest = entry.n, entry.digest

    def _head(self, head: Head, digest: bytes | None, name: str) -> None:
        if not self._key.signed(head):
            self._say(f"{name} at entry {head.n} was not signed by this key")
        elif digest is None:
            self._say(f"{name} at entry {head.n} has no entry")
        elif head.digest != digest:
            self._say(f"{name} at entry {head.n} was signed over another entry")

    async def _texts(self, page: list[Entry], found: list[Text]) -> None:
        there = {(text.n, text.name): text for text in found}
        for entry in page:
            for name, digest in _text_digests(entry):
                text = there.pop((entry.n, name), None)
                if text is None:
                    self._say(f"the {name} beside entry {entry.n} is missing")
                elif not await self._fits(text, digest):
                    self._say(f"the {name} beside entry {entry.n} was changed")
        for n, name in there:
            self._say(f"the {name} beside entry {n} is of no entry")

    async def _fits(self, text: Text, digest: object) -> bool:
        """Whether a text is what its entry covers, or is erased."""
        if text.text is None or text.sealed_for is None:
            self.erased += text.text is None
            return text.text is None
        try:
            key = await self._keyring.find(text.sealed_for)
            written = key.open(audit_text_aad(text.n, text.name), text.text).decode()
        except ShreddedError:
            self.erased += 1
            return True
        except (SealBrokenError, UnicodeDecodeError):
            return False
        return audit.text_digest(text.salt, written) == digest

    async def _records(self, page: list[Entry]) -> None:
        wanted = {number: (entry.n, digest) for entry in page for number, digest in _records(entry)}
        if not wanted:
            return
        found = {one.id: one for one in await admin.actions_of(self._db, list(wanted))}
        for number, (n, digest) in wanted.items():
            if number not in found:
                self._say(f"the admin's action that entry {n} covers is missing")
            elif admin.action_digest(found[number]) != digest:
                self._say(f"the admin's action that entry {n} covers was changed")

    async def _beyond(self, signed: int) -> None:
        """Heads further on than the last entry: what they were signed over is gone."""
        for head in await entries.heads(self._db, first=self.n + 1, last=signed):
            self._say(f"entries after {self.n} are gone: a head was signed at entry {head.n}")
        if self._elsewhere is not None and self._elsewhere.n > self.n:
            self._say(f"entries after {self.n} are gone: the live store has a head at {self._elsewhere.n}")


def _detail(entry: Entry) -> dict[str, object]:
    try:
        return msgspec.json.decode(entry.detail, type=dict[str, object])
    except msgspec.DecodeError:
        return {}


def _text_digests(entry: Entry) -> list[tuple[str, object]]:
    told = _detail(entry).items()
    return [(name, of["sha256"]) for name, of in told if isinstance(of, dict) and "sha256" in of]


def _records(entry: Entry) -> list[tuple[int, object]]:
    detail = _detail(entry)
    number = detail.get("record")
    if not isinstance(number, int) or "record_sha256" not in detail:
        return []
    return [(number, detail["record_sha256"])]
