"""Tasks with an owner: named, watched, logged when they fail, and ended with the process."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from hub.errors import log_unexpected

log = structlog.get_logger()

Job = Callable[[], Awaitable[object]]

RESTART_S = 1.0
END_AGAIN_S = 0.5


class Tasks:
    """The tasks of one process."""

    def __init__(self, *, most: int = 10_000) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._most = most

    def spawn(self, name: str, job: Job) -> None:
        """Do something once, beside everything else. When far too much runs already, it is left out."""
        if len(self._tasks) >= self._most:
            log.error("tasks.full", task=name)
            return
        self._keep(asyncio.create_task(_once(name, job), name=name))

    def every(self, interval_s: float, name: str, job: Job) -> None:
        """Do something again and again, with a pause between; a failure is logged and the next turn comes."""
        self._keep(asyncio.create_task(_again(interval_s, name, job), name=name))

    def forever(self, name: str, job: Job) -> None:
        """Keep something running that is not meant to end."""
        self.every(RESTART_S, name, job)

    async def end(self) -> None:
        """End them all and wait until they have."""
        # Once is not enough: before Python 3.12 a wait that is over in the very moment swallows the request.
        while tasks := set(self._tasks):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=END_AGAIN_S)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _once(name: str, job: Job) -> None:
    try:
        await job()
    except Exception as error:  # noqa: BLE001  The last line of a task: whatever it is, it is logged.
        log_unexpected(error, where=name)


async def _again(interval_s: float, name: str, job: Job) -> None:
    while True:
        await _once(name, job)
        await asyncio.sleep(interval_s)
