import pytest

from hub.edge.auth import Principal
from hub.edge.connection import Connection, Frame, event_frame, text_frame
from hub.edge.expiry import Expiry
from hub.edge.fanout import deliver, frame
from hub.errors import Code, Refused
from rooms.ids import ConnectionId, Role, UserId


class Tape:
    """A line that remembers; it is no socket, and has none to stand in for: frames are only bytes."""

    heard_s = 0.0

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.ended: list[str] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def end(self, reason: str) -> None:
        self.ended.append(reason)


def principal(role: Role = "guest", user: str = "u", expires_at_ms: int = 100_000) -> Principal:
    return Principal(UserId(user), role, "s", expires_at_ms, "aal1", "", "")


def connection(
    who: Principal | None = None, line: Tape | None = None, name: str = "c", expiry: Expiry | None = None
) -> Connection:
    watch = expiry.watch if expiry is not None else lambda _connection: None
    return Connection(
        ConnectionId(name), who or principal(), address="", line=line or Tape(), refreshed=watch
    )


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_a_frame_has_the_header_of_its_size(size: int) -> None:
    data = text_frame(b"x" * size).data
    header = len(data) - size
    assert header == (2 if size < 126 else 4 if size < 65_536 else 10)
    assert data[0] == 0x81
    assert data[1] & 0x80 == 0


def test_an_event_is_one_frame_for_everybody() -> None:
    lines = [Tape(), Tape()]
    built = frame("said", b'{"text":"\\u00e9"}')
    deliver(built, [connection(line=line) for line in lines])
    payload = b'42["said",{"text":"\\u00e9"}]'
    assert lines[0].written == lines[1].written == [bytes((0x81, len(payload))) + payload]
    assert isinstance(event_frame("a", b"{}"), Frame)


ROLES: list[Role] = ["guest", "practitioner", "moderator", "admin"]


@pytest.mark.parametrize("old", ROLES)
@pytest.mark.parametrize("new", ROLES)
def test_a_refresh_never_widens_a_role(old: Role, new: Role) -> None:
    open_ = connection(principal(old))
    if ROLES.index(new) <= ROLES.index(old):
        open_.refresh(principal(new))
        assert open_.principal.role == new
    else:
        with pytest.raises(Refused) as refused:
            open_.refresh(principal(new))
        assert refused.value.code is Code.FORBIDDEN
        assert open_.principal.role == old


def test_a_refresh_never_changes_the_person() -> None:
    with pytest.raises(Refused) as refused:
        connection().refresh(principal(user="somebody else"))
    assert refused.value.code is Code.FORBIDDEN


class Watch:
    def __init__(self) -> None:
        self.now_ms = 0
        self.warned: list[str] = []
        self.closed: list[str] = []
        self.expiry = Expiry(
            now_ms=lambda: self.now_ms,
            notice_ms=60_000,
            expiring=lambda who: self.warned.append(who.id),
            expired=lambda who: self.closed.append(who.id),
        )

    def at(self, now_ms: int) -> tuple[list[str], list[str]]:
        self.now_ms = now_ms
        self.expiry.tick()
        return self.warned, self.closed


def test_expiry_warns_once_then_closes_once() -> None:
    watch = Watch()
    watch.expiry.watch(connection(principal(expires_at_ms=100_000)))
    assert watch.at(39_999) == ([], [])
    assert watch.at(40_000) == (["c"], [])
    assert watch.at(99_999) == (["c"], [])
    assert watch.at(100_000) == (["c"], ["c"])
    assert watch.at(500_000) == (["c"], ["c"])
    assert len(watch.expiry) == 0


def test_a_refresh_moves_the_end_and_warns_anew() -> None:
    watch = Watch()
    open_ = connection(principal(expires_at_ms=100_000), expiry=watch.expiry)
    watch.expiry.watch(open_)
    watch.at(50_000)
    open_.refresh(principal(expires_at_ms=200_000))
    assert watch.at(120_000) == (["c"], [])
    assert watch.at(140_000) == (["c", "c"], [])
    assert watch.at(200_000) == (["c", "c"], ["c"])


def test_who_is_gone_is_not_watched_and_a_jumping_clock_misses_nobody() -> None:
    watch = Watch()
    gone, there = connection(name="gone"), connection(name="there")
    watch.expiry.watch(gone)
    watch.expiry.watch(there)
    watch.expiry.forget(gone)
    watch.expiry.forget(gone)
    assert watch.at(10_000_000) == ([], ["there"])
    assert len(watch.expiry) == 0
