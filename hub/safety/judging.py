"""The rules of chat as this hub applies them: each message in the light of what its sender said before.

A window lives for as long as this hub follows the room. It takes in what the room was told, whichever hub it
came from, so that two lines of one person see the same; and it starts with what the transcript has.
"""

import copy
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final
from weakref import WeakKeyDictionary

import msgspec
import structlog

from hub import words
from hub.delivery import Follow
from hub.errors import Code, Refused
from rooms.ids import UserId
from rooms.room import Participant
from rooms.safety.rules import Rules
from rooms.safety.verdict import Verdict
from rooms.safety.window import Window
from store.postgres import questions
from store.postgres.pool import Db
from store.redis.chat import Appended, Delivered
from store.redis.raised import Flagged, RaisedQueue

log = structlog.get_logger()

SEED_MESSAGES: Final = 64
"""Messages of the room that are looked through for the sender's own when a window is begun."""
OWN_KEPT: Final = 64
"""Ids of a sender's own messages that are remembered, so that none counts twice when it is heard."""
FLAGS_KEPT: Final = 256
LOST_AT_MOST_MS: Final = 60_000
"""More than a store that writes its log every second forgets when it dies."""


class _Text(msgspec.Struct):
    text: str


_text = msgspec.json.Decoder(_Text).decode


class Saying(msgspec.Struct):
    """A message on its way into the transcript; `place` once it is there, or withheld."""

    message_id: str
    text: str
    place: Appended | None = None


class Said:
    """What one sender has said in one room, as this hub knows it."""

    __slots__ = ("_own", "_sender", "_under_way", "_window", "heard_seq")

    def __init__(self, sender: UserId) -> None:
        self._sender = sender
        self._window = Window()
        self._own: deque[str] = deque(maxlen=OWN_KEPT)
        self._under_way: list[Saying] = []
        self.heard_seq = 0

    def seed(self, earlier: Sequence[tuple[str, int]], head_seq: int) -> None:
        """Begin with the sender's messages of the transcript, (text, at_ms), up to `head_seq`."""
        for text, at_ms in earlier:
            self._window.add(text, at_ms)
        self.heard_seq = head_seq

    def hear(self, tail: Sequence[tuple[Delivered, bytes]]) -> None:
        """Take in what the room was told since the last time."""
        news: list[tuple[Delivered, bytes]] = []
        for delivered, fragment in reversed(tail):
            if delivered.seq <= self.heard_seq:
                break
            if delivered.sender == self._sender and delivered.id not in self._own:
                news.append((delivered, fragment))
        for delivered, fragment in reversed(news):
            self._window.add(_text(b"{%b}" % fragment).text, delivered.at_ms)
        if tail:
            self.heard_seq = max(self.heard_seq, tail[-1][0].seq)

    def window(self, now_ms: int) -> Window:
        """What to look at, with messages that are under way from another line of the same person."""
        if not self._under_way:
            return self._window
        window = copy.deepcopy(self._window)
        for saying in self._under_way:
            window.add(saying.text, now_ms)
        return window

    @contextmanager
    def saying(self, message_id: str, text: str) -> Iterator[Saying]:
        """Around the trip to the store. What it refused was never said; a repeat was said before."""
        saying = Saying(message_id, text)
        self._under_way.append(saying)
        try:
            yield saying
            if saying.place is not None and saying.place.id == message_id:
                self._own.append(message_id)
                self._window.add(text, saying.place.at_ms)
        finally:
            self._under_way.remove(saying)


class Safety:
    """The rules and the windows of this hub. `held_ms` is how long a held message waits for somebody."""

    def __init__(self, rules: Rules, *, held_ms: int) -> None:
        self.rules = rules
        self.held_ms = held_ms
        self.lately: deque[Flagged] = deque(maxlen=FLAGS_KEPT)
        """Flags that were raised from here, to raise again should the store lose its last moments."""
        self._said: WeakKeyDictionary[Follow, dict[UserId, Said]] = WeakKeyDictionary()

    def check(self, followed: Follow, sender: UserId, text: str, *, now_ms: int) -> Verdict:
        """What becomes of a message. Waits for nothing."""
        said = self.said(followed, sender)
        said.hear(followed.tail)
        verdict = self.rules.check(text, said.window(now_ms), now_ms=now_ms)
        for finding in verdict.shadow:
            log.info("safety.shadow", rule=finding.rule, version=finding.version, action=finding.action)
        return verdict

    def remember(self, flagged: Flagged) -> None:
        """A flag was raised from here; the same message's counts once."""
        known = any(
            (one.session_id, one.at_ms, one.seq) == (flagged.session_id, flagged.at_ms, flagged.seq)
            for one in self.lately
        )
        if not known:
            self.lately.append(flagged)

    async def raise_again(self, queue: RaisedQueue, *, now_ms: int) -> int:
        """The store was away: raise anew what it may have forgotten. Gives how many flags that were."""
        lately = [flagged for flagged in self.lately if flagged.at_ms >= now_ms - LOST_AT_MOST_MS]
        for flagged in lately:
            await queue.add_again(flagged)
        return len(lately)

    def said(self, followed: Follow, sender: UserId) -> Said:
        """The sender's part of a room; empty where it was never seeded."""
        of_room = self._said.setdefault(followed, {})
        if sender not in of_room:
            of_room[sender] = Said(sender)
        return of_room[sender]

    def knows(self, followed: Follow, sender: UserId) -> bool:
        """Whether there is a window for this sender."""
        return sender in self._said.get(followed, {})

    def seed(
        self, followed: Follow, sender: Participant, earlier: Sequence[tuple[str, int]], head_seq: int
    ) -> None:
        """Begin a sender's window with what they said before this hub listened. Once begun, it goes on."""
        if not self.knows(followed, sender.user_id):
            self.said(followed, sender.user_id).seed(earlier, head_seq)


async def require_no_open_question(db: Db, user_id: UserId) -> None:
    """Whoever may be a minor begins nothing new until a moderator has looked.

    Raises `Refused(forbidden)`; its `fields` say it in each language, by the language's code.
    """
    if await questions.has_open_question(db, user_id):
        said = words.in_each("question")
        raise Refused(Code.FORBIDDEN, said["en"], fields=said)
