"""Pictures are drawn beside the loop, by a few threads, and only so many wait for one."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from hub.errors import Code, Refused
from hub.pictures import BadPicture, squares

THREADS: Final = 2
"""One decoded picture takes up to 100 MB for a moment."""
WAITING_MAX: Final = 16
BUSY_MS: Final = 2_000


class Drawing:
    """The threads of one process. They are started at the first picture."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="pictures")
        self._under_way = 0

    def require_room(self) -> None:
        """Raises Refused(rate_limited) when so many are waiting that another one should come later."""
        if self._under_way >= WAITING_MAX:
            raise Refused(
                Code.RATE_LIMITED, "Too many pictures at once; try again in a moment.", retry_after_ms=BUSY_MS
            )

    async def squares(self, content: bytes, declared: str | None, sizes: tuple[int, ...]) -> dict[int, bytes]:
        """`pictures.squares`, beside the loop. Raises Refused: bad_request, too_large, rate_limited."""
        self.require_room()
        self._under_way += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, squares, content, declared, sizes)
        except BadPicture as bad:
            code = Code.TOO_LARGE if bad.too_large else Code.BAD_REQUEST
            raise Refused(code, f"The picture {bad.reason}.", fields={"image": bad.reason}) from None
        finally:
            self._under_way -= 1
