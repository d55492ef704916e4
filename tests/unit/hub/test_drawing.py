import asyncio
import threading

import pytest

from hub import drawing
from hub.drawing import WAITING_MAX, Drawing
from hub.errors import Code, Refused
from hub.pictures import BadPicture


async def test_a_picture_is_drawn_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "squares", lambda *_: {1: threading.current_thread().name.encode()})
    made = await Drawing().squares(b"", None, (1,))
    assert made[1].startswith(b"pictures")


async def test_only_so_many_wait_and_the_loop_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(drawing, "squares", lambda *_: go_on.wait() and {})
    many = Drawing()
    waiting = [asyncio.create_task(many.squares(b"", None, (1,))) for _ in range(WAITING_MAX)]
    await asyncio.sleep(0)
    with pytest.raises(Refused) as refused:
        await many.squares(b"", None, (1,))
    assert refused.value.code is Code.RATE_LIMITED
    assert refused.value.retry_after_ms
    go_on.set()
    assert await asyncio.gather(*waiting) == [{}] * WAITING_MAX
    many.require_room()


@pytest.mark.parametrize(("too_large", "code"), [(False, Code.BAD_REQUEST), (True, Code.TOO_LARGE)])
async def test_what_is_no_picture_is_said_in_the_words_of_the_contract(
    monkeypatch: pytest.MonkeyPatch, too_large: bool, code: Code
) -> None:
    def refuse(*_: object) -> dict[int, bytes]:
        raise BadPicture("is not one", too_large=too_large)

    monkeypatch.setattr(drawing, "squares", refuse)
    with pytest.raises(Refused) as refused:
        await Drawing().squares(b"", None, (1,))
    assert (refused.value.code, refused.value.fields) == (code, {"image": "is not one"})
