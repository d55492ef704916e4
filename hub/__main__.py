"""`python -m hub web | worker | migrate | check`: the processes of the Procfile, and the money's check."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable

import structlog
import uvloop

from config.settings import Settings, SettingsError, load
from hub import check, logs, web, worker
from store.postgres.migrate import migrate

Run = Callable[[Settings, asyncio.Event], Awaitable[int | None]]

log = structlog.get_logger()


async def _migrate(settings: Settings, _stop: asyncio.Event) -> None:
    owner = settings.database_owner_url or settings.database_url
    applied = await migrate(owner.get_secret_value())
    log.info("migrate.done", applied=applied)


COMMANDS: dict[str, Run] = {
    "web": web.run,
    "worker": worker.run,
    "migrate": _migrate,
    "check": check.run,
}


def main(arguments: list[str]) -> int:
    """Run one command. 0 when it went well, 1 when it could not go on, 2 for a bad call or bad settings."""
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        sys.stderr.write(f"usage: python -m hub {' | '.join(COMMANDS)}\n")
        return 2
    try:
        settings = load(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    logs.configure(arguments[0])
    return uvloop.run(_until_stopped(COMMANDS[arguments[0]], settings))


async def _until_stopped(run: Run, settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        return await run(settings, stop) or 0
    except Exception as error:
        log.exception("process.failed")
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
