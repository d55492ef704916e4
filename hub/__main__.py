"""`python -m hub …`: the processes of the Procfile (web, worker, migrate), and what is run by hand."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog
import uvloop

from config import retention
from config.settings import Settings, SettingsError, load
from hub import check, lifespan, logs, rotating, web, worker
from hub.money import fraud_backtest, fraud_rules
from hub.safety import rules
from store.postgres.migrate import migrate
from store.privacy.keys import WrongDataKeyError
from store.privacy.signing import HeadKey

Run = Callable[[Settings, asyncio.Event], Awaitable[int | None]]
Bind = Callable[[Sequence[str]], Run]
"""What is run, from what follows the command's name. Raises SystemExit(2) for a bad call."""

log = structlog.get_logger()


async def _migrate(settings: Settings, _stop: asyncio.Event) -> None:
    owner = settings.database_owner_url or settings.database_url
    applied = await migrate(owner.get_secret_value())
    log.info("migrate.done", applied=applied)


async def _audit_key(settings: Settings, _stop: asyncio.Event) -> None:
    """Print what anybody can verify a signed head of the audit chain with."""
    async with lifespan.postgres_pool(settings) as pool:
        key = HeadKey((await lifespan.keyring(settings, pool)).root)
    sys.stdout.write(f"ed25519 {key.id} {key.public.hex()}\n")


COMMANDS: dict[str, Run] = {
    "web": web.run,
    "worker": worker.run,
    "migrate": _migrate,
    "check": check.run,
    "audit-key": _audit_key,
    "rotate-key": rotating.run,
}
WITH_ARGUMENTS: dict[str, Bind] = {
    "rules": lambda rest: partial(rules.run, arguments=rest),
    "fraud": lambda rest: partial(fraud_backtest.run, asked=fraud_backtest.parse(rest)),
}
"""Commands that take what follows their name."""


def main(arguments: list[str]) -> int:
    """Run one command. 0 when it went well, 1 when it could not go on, 2 for a bad call or bad settings."""
    name, rest = "".join(arguments[:1]), arguments[1:]
    if name == "rules" and rest[:1] == ["check"]:
        # Whoever edits a book has no settings at hand.
        return rules.check(rest[1:])
    run = WITH_ARGUMENTS[name](rest) if name in WITH_ARGUMENTS else COMMANDS.get(name)
    if run is None or (rest and name in COMMANDS):
        sys.stderr.write(f"usage: python -m hub {' | '.join([*COMMANDS, *WITH_ARGUMENTS])}\n")
        return 2
    try:
        settings = load(os.environ)
        fraud_rules.load(settings.fraud_rules)
        retention.chosen(settings.retention_file)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    logs.configure(name)
    return uvloop.run(_until_stopped(run, settings))


async def _until_stopped(run: Run, settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        return await run(settings, stop) or 0
    except WrongDataKeyError as error:
        # It names the setting and says what is wrong with it; where in the code that was found helps nobody.
        log.error("process.bad_key", error=str(error))  # noqa: TRY400
        sys.stderr.write(f"bad settings:\n  {error}\n")
        return 2
    except Exception as error:
        log.exception("process.failed")
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
