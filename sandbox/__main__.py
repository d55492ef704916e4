"""`python -m sandbox`: the four vendors on one loopback port, until SIGTERM or SIGINT."""

import asyncio
import logging
import os
import signal
import sys

from aiohttp import web

from sandbox.app import create_app
from sandbox.settings import SandboxConfig, SandboxRefused, load

STOP_WITHIN_S = 2.0


async def serve(config: SandboxConfig) -> None:
    """Serve until a signal asks to stop. Raises `OSError` when the port is taken."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(create_app(config), access_log=None, shutdown_timeout=STOP_WITHIN_S)
    try:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", config.port).start()
        logging.getLogger("sandbox").info("sandbox on %s", config.base_url)
        await stop.wait()
    finally:
        await runner.cleanup()


def main() -> int:
    """Exit 0 after a clean stop, 1 when the port is taken, 2 when the sandbox refuses to start."""
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    try:
        asyncio.run(serve(load(os.environ)))
    except SandboxRefused as refused:
        print(refused, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"the sandbox cannot listen: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
