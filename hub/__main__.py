"""`python -m hub web | worker | migrate | check`: the processes of the Procfile, and the money's check.
`python -m hub fraud backtest [--days N] [--rules FILE]`: what rules about fraud would have found.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import partial

import structlog
import uvloop

from config.settings import Settings, SettingsError, load
from hub import check, fraud_backtest, fraud_rules, logs, web, worker
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
    command = _command(arguments)
    if command is None:
        sys.stderr.write(f"usage: python -m hub {' | '.join(COMMANDS)} | fraud backtest\n")
        return 2
    try:
        settings = load(os.environ)
        fraud_rules.load(settings.fraud_rules)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    logs.configure(arguments[0])
    return uvloop.run(_until_stopped(command, settings))


def _command(arguments: list[str]) -> Run | None:
    if arguments[:1] == ["fraud"]:
        return partial(fraud_backtest.run, asked=fraud_backtest.parse(arguments[1:]))
    return COMMANDS.get(arguments[0]) if len(arguments) == 1 else None


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
