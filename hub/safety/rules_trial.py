"""A rule book tried on what was said: how often each rule would have fired, and where."""

import asyncio
from collections import Counter, defaultdict
from typing import Final

from hub.chatting import opened
from rooms.ids import SessionId, UserId
from rooms.safety.rules import Rules
from rooms.safety.verdict import Finding, Verdict
from rooms.safety.window import Window
from store.postgres.pool import Db
from store.postgres.said import Said, history
from store.privacy.keys import Keyring

EXAMPLES: Final = 3
"""Places that are named for each rule."""

TOLD: Final = (("block", "blocked:"), ("hold", "held:"), ("flag", "flagged:"))


class Trial:
    """Counts what a book would have done to messages as they come, session by session, in order."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._windows: dict[UserId, Window] = defaultdict(Window)
        self._session: SessionId | None = None
        self.sessions = 0
        self.messages = 0
        self.unreadable = 0
        self.actions: Counter[str] = Counter()
        self.fired: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = defaultdict(list)

    async def run(self, db: Db, keyring: Keyring, *, from_ms: int, stop: asyncio.Event) -> None:
        """Try everything that is on record since `from_ms`, until all is done or `stop` is set."""
        async for said in history(db, from_ms):
            if stop.is_set():
                return
            text = await opened(keyring, said.user_id, said.id, said.body)
            if text is None:
                # Its writer's key was destroyed, and with it what they wrote.
                self.unreadable += 1
            else:
                self.take(said, text)

    def take(self, said: Said, text: str) -> Verdict:
        """Judge one message in the light of what its sender said before in the session."""
        if said.session_id != self._session:
            self._session, self._windows = said.session_id, defaultdict(Window)
            self.sessions += 1
        window = self._windows[said.user_id]
        verdict = self._rules.check(text, window, now_ms=said.at_ms)
        window.add(text, said.at_ms)
        self.messages += 1
        self.actions[verdict.action] += 1
        for finding in (verdict.finding, *verdict.also, *verdict.shadow):
            if finding is not None:
                self._count(finding, said)
        return verdict

    def _count(self, finding: Finding, said: Said) -> None:
        self.fired[finding.rule] += 1
        if len(self.examples[finding.rule]) < EXAMPLES:
            self.examples[finding.rule].append(f"{said.session_id}#{said.seq}")

    def report(self) -> str:
        """A line a rule: its mode, what it asks for, how often it fired, and where. Not a word of text."""
        lines = [
            f"book {self._rules.version}: {self.messages} messages of {self.sessions} sessions, "
            f"{self.unreadable} more cannot be read any longer",
            "would be " + ", ".join(f"{name} {self._counted(self.actions[action])}" for action, name in TOLD),
            f"{'rule':<26}{'mode':<8}{'action':<8}{'fired':>8}{'share':>9}  where",
        ]
        for rule in self._rules.rules:
            fired = self.fired[rule.id]
            where = ", ".join(self.examples.get(rule.id, []))
            counted = f"{fired:>8}{self._share(fired):>9}"
            lines.append(f"{rule.id:<26}{rule.mode:<8}{rule.action:<8}{counted}  {where}".rstrip())
        return "\n".join(lines) + "\n"

    def _counted(self, count: int) -> str:
        return f"{count} ({self._share(count)})"

    def _share(self, count: int) -> str:
        return f"{count / self.messages:.2%}" if self.messages else "-"
