"""A second opinion on every bill, from the raw log of sockets.

It knows no spans and no rooms. Time is a set of milliseconds, so it is exact, slow and plain; the tests
keep their sessions a few hundred milliseconds long.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rooms.ids import ConnectionId, UserId
from rooms.presence import Spans


@dataclass
class Stay:
    """One socket's stay in the room, and until when it is proven (None while it is there)."""

    who: UserId
    connection: ConnectionId
    since_ms: int
    until_ms: int | None = None


@dataclass
class Auditor:
    """Writes down what happened to sockets, in room time, and works out who owes which milliseconds."""

    clock_ms: int
    log: list[Stay] = field(default_factory=list)
    live_at_ms: int | None = None
    ended_at_ms: int | None = None

    def at(self, now_ms: int) -> int:
        """Room time: a clock that runs backwards stands still here."""
        return max(self.clock_ms, now_ms)

    def touched(self, now_ms: int) -> int:
        """Something happened: room time moves on."""
        self.clock_ms = self.at(now_ms)
        return self.clock_ms

    def open(self) -> list[Stay]:
        """The sockets that are in the room."""
        return [stay for stay in self.log if stay.until_ms is None]

    def joined(self, who: UserId, connection: ConnectionId, now_ms: int) -> None:
        """A socket came in. The session is live from the first moment that two people have one."""
        if any(stay.connection == connection for stay in self.open()):
            return
        self.log.append(Stay(who, connection, self.touched(now_ms)))
        if self.live_at_ms is None and len({stay.who for stay in self.open()}) == 2:
            self.live_at_ms = self.clock_ms

    def dropped(self, proofs: Mapping[ConnectionId, int], now_ms: int) -> None:
        """Sockets are gone, each proven until a time: not before it came, not after now."""
        gone = [stay for stay in self.open() if stay.connection in proofs]
        if gone:
            self.touched(now_ms)
        for stay in gone:
            stay.until_ms = sorted((stay.since_ms, proofs[stay.connection], self.clock_ms))[1]

    def closed(self, heard: Mapping[ConnectionId, int], unheard_ms: int, now_ms: int) -> None:
        """The session is over: who was heard of late counts to the end, the others to their last packet."""
        end_ms = self.touched(now_ms)
        self.ended_at_ms = end_ms
        for stay in self.open():
            last_ms = max(stay.since_ms, heard.get(stay.connection, stay.since_ms))
            stay.until_ms = end_ms if end_ms - last_ms <= unheard_ms else last_ms

    def present(self, who: UserId, now_ms: int) -> set[int]:
        """Every millisecond at which this person had a socket in the room."""
        stays = [stay for stay in self.log if stay.who == who]
        return {
            ms
            for stay in stays
            for ms in range(stay.since_ms, now_ms if stay.until_ms is None else stay.until_ms)
        }

    def billed(self, one: UserId, other: UserId, funded_ms: int | None, now_ms: int) -> set[int]:
        """The milliseconds owed: both there, while live, the earliest that the funds reach."""
        if self.live_at_ms is None:
            return set()
        end_ms = now_ms if self.ended_at_ms is None else self.ended_at_ms
        both = self.present(one, now_ms) & self.present(other, now_ms) & set(range(self.live_at_ms, end_ms))
        return both if funded_ms is None else set(sorted(both)[:funded_ms])


def milliseconds(spans: Spans) -> set[int]:
    """The same form for what the rules say."""
    return {ms for span in spans for ms in range(span.from_ms, span.to_ms)}
