"""An auditor of one session who keeps a log of their own and adds it up the slow way."""

from dataclasses import dataclass
from itertools import pairwise

from rooms.ids import ConnectionId, HubId, UserId
from rooms.room import Limits

GUEST, HOST = UserId("guest"), UserId("host")
LIMITS = Limits(join_ms=10**8, grace_ms=120_000, session_ms=8 * 3_600_000, unheard_ms=10_000)


@dataclass
class Stay:
    """A socket's time in the room as the auditor saw it; `until_ms` is None while it is there."""

    who: UserId
    hub: HubId
    since_ms: int
    until_ms: int | None = None


class Auditor:
    """Knows who came and went, and when; adds up what that is worth, the slow way."""

    def __init__(self) -> None:
        self.stays: dict[ConnectionId, Stay] = {}
        self.live_ms: int | None = None
        self.end_ms: int | None = None
        self.funded_ms = 0

    def there(self) -> dict[ConnectionId, Stay]:
        """The sockets that are in the room."""
        return {name: stay for name, stay in self.stays.items() if stay.until_ms is None}

    def came(self, name: ConnectionId, who: UserId, hub: HubId, at_ms: int) -> None:
        """A socket entered."""
        self.stays[name] = Stay(who, hub, at_ms)
        if self.live_ms is None and {stay.who for stay in self.there().values()} == {GUEST, HOST}:
            self.live_ms = at_ms

    def went(self, name: ConnectionId, proven_ms: int, now_ms: int) -> None:
        """A socket is gone, proven until a time within its stay."""
        stay = self.stays[name]
        stay.until_ms = max(stay.since_ms, min(proven_ms, now_ms))

    def over(self, heard: dict[ConnectionId, int], now_ms: int) -> None:
        """The session ended in order: who was heard of late stayed to the end."""
        self.end_ms = now_ms
        for name, stay in self.there().items():
            last_ms = heard.get(name, stay.since_ms)
            lately = now_ms - last_ms <= LIMITS.unheard_ms
            stay.until_ms = now_ms if lately else max(stay.since_ms, last_ms)

    def billed_ms(self, now_ms: int) -> int:
        """Between two moments at which anything happened, both were there or not: look at each such piece."""
        if self.live_ms is None:
            return 0
        end_ms = now_ms if self.end_ms is None else self.end_ms
        edges = {self.live_ms, end_ms}
        for stay in self.stays.values():
            edges |= {stay.since_ms, end_ms if stay.until_ms is None else stay.until_ms}
        moments = sorted(edge for edge in edges if self.live_ms <= edge <= end_ms)
        both = sum(
            right - left
            for left, right in pairwise(moments)
            if self._has(GUEST, left, right, end_ms) and self._has(HOST, left, right, end_ms)
        )
        return min(both, self.funded_ms)

    def _has(self, who: UserId, left: int, right: int, end_ms: int) -> bool:
        return any(
            stay.who == who
            and stay.since_ms <= left
            and right <= (end_ms if stay.until_ms is None else stay.until_ms)
            for stay in self.stays.values()
        )
