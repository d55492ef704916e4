"""Who hears of whom in the directory, where somebody blocked somebody."""

import json
from typing import Any, cast

import msgpack

from hub.edge.connection import Connection, Frame
from hub.watchers import Watchers
from rooms.ids import ConnectionId, UserId

ANN, BOB, EVE = UserId("ann"), UserId("bob"), UserId("eve")


class Socket:
    """As much of a connection as is written to."""

    def __init__(self, name: str, user_id: UserId) -> None:
        self.id, self.user_id = ConnectionId(name), user_id
        self.heard: list[tuple[str, str]] = []

    def send(self, frame: Frame) -> None:
        body: dict[str, Any] = json.loads(frame.data[frame.data.index(b"42[") + 2 :])[1]
        self.heard.append((body["id"], body["status"]))


def watching(watchers: Watchers, name: str, user_id: UserId) -> Socket:
    socket = Socket(name, user_id)
    watchers.watch(cast(Connection, socket))
    return socket


def changed(user_id: UserId, status: str) -> bytes:
    return bytes(msgpack.packb([user_id, status]))


def test_who_is_hidden_is_told_to_nobody_who_is_not_to_see_them() -> None:
    watchers = Watchers()
    ann, ann_too, bob = (watching(watchers, n, who) for n, who in (("1", ANN), ("2", ANN), ("3", BOB)))
    assert watchers.hide(ANN, frozenset({EVE})) == (frozenset({EVE}), frozenset())
    watchers.hear(changed(EVE, "online"))
    watchers.hear(changed(BOB, "busy"))
    assert ann.heard == ann_too.heard == [("bob", "busy")]
    assert bob.heard == [("eve", "online"), ("bob", "busy")]
    assert watchers.hide(ANN, frozenset()) == (frozenset(), frozenset({EVE}))
    watchers.hear(changed(EVE, "online"))
    assert ann.heard[1:] == [("eve", "online")]


def test_of_whom_it_is_not_known_yet_nothing_is_told() -> None:
    watchers = Watchers()
    ann = watching(watchers, "1", ANN)
    watchers.doubt(ANN, EVE)
    watchers.hear(changed(EVE, "online"))
    assert ann.heard == []
    # It was taken back: nobody is hidden.
    assert watchers.hide(ANN, frozenset()) == (frozenset(), frozenset())
    watchers.hear(changed(EVE, "online"))
    assert ann.heard == [("eve", "online")]


def test_what_nobody_watches_is_not_kept() -> None:
    watchers = Watchers()
    ann = watching(watchers, "1", ANN)
    watchers.hide(ANN, frozenset({EVE}))
    watchers.doubt(ANN, BOB)
    watchers.gone(cast(Connection, ann))
    assert not watchers.watches(ANN)
    again = watching(watchers, "2", ANN)
    watchers.hear(changed(EVE, "online"))
    watchers.hear(changed(BOB, "online"))
    assert again.heard == [("eve", "online"), ("bob", "online")]
    assert watchers.hide(BOB, frozenset({EVE})) == (frozenset(), frozenset())
