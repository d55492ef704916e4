"""With an Agora app set, each side gets a token of its own for one channel, for no longer than is paid."""

import base64
import struct
import time
import zlib
from typing import NamedTuple

import pytest

from tests.acceptance.scene import Scene
from tests.stack import Stack

RTC = 1


@pytest.fixture
def stack(hasty: Stack) -> Stack:
    return hasty


class Token(NamedTuple):
    """What a 007 token says: times in Unix seconds, privileges with seconds after `issued_s`."""

    app_id: str
    issued_s: int
    lasts_s: int
    channel: str
    uid: str
    privileges: dict[int, int]


class Reader:
    """Reads the little-endian fields of a token, one after the other."""

    def __init__(self, packed: bytes) -> None:
        self.left = packed

    def number(self, form: str) -> int:
        size = struct.calcsize(form)
        (value,) = struct.unpack(form, self.left[:size])
        self.left = self.left[size:]
        return int(value)

    def text(self) -> bytes:
        size = self.number("<H")
        value, self.left = self.left[:size], self.left[size:]
        return value


def parse(token: str) -> Token:
    """A token with one RTC service, by Agora's published layout."""
    assert token[:3] == "007"
    fields = Reader(zlib.decompress(base64.b64decode(token[3:])))
    fields.text()  # the signature
    app_id = fields.text().decode()
    issued_s, lasts_s, _salt = (fields.number("<I") for _ in range(3))
    assert fields.number("<H") == 1
    assert fields.number("<H") == RTC
    privileges = {fields.number("<H"): fields.number("<I") for _ in range(fields.number("<H"))}
    channel, uid = fields.text().decode(), fields.text().decode()
    assert fields.left == b""
    return Token(app_id, issued_s, lasts_s, channel, uid, privileges)


async def test_tokens_are_for_one_channel_one_person_and_the_funded_time(scene: Scene) -> None:
    guest, host = await scene.guest(), await scene.host()
    session_id = await scene.live(guest, host, cap_minor=600)
    grace_s, funded_s = int(scene.stack.env["RECONNECT_GRACE_S"]), 120
    seen = []
    for who in (guest, host):
        media = (await who.ask("room:join", session_id=session_id))["media"]
        assert media["provider"] == "agora"
        assert media["app_id"] == scene.stack.env["AGORA_APP_ID"]
        assert media["uid"] > 0
        token = parse(media["token"])
        assert (token.app_id, token.channel, token.uid) == (
            media["app_id"],
            media["channel"],
            str(media["uid"]),
        )
        assert 0 < token.lasts_s <= funded_s + grace_s
        assert all(0 < lasts_s <= funded_s + grace_s for lasts_s in token.privileges.values())
        assert media["expires_at_ms"] <= (time.time() + funded_s + grace_s) * 1000
        # A second of each side may be lost to rounding, never won.
        assert token.issued_s + token.lasts_s <= media["expires_at_ms"] / 1000 + 1
        seen.append(token)
    assert seen[0].channel == seen[1].channel
    assert seen[0].uid != seen[1].uid
    fresh = (await guest.ask("media:refresh", session_id=session_id))["media"]
    assert (fresh["channel"], fresh["uid"]) == (seen[0].channel, int(seen[0].uid))


async def test_where_agora_carries_media_nothing_is_signalled(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    body = {"session_id": session_id, "to": host.id, "data": {}}
    assert await guest.refusal("media:signal", **body) == "conflict"
    assert host.count("media:signal") == 0
