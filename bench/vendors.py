"""The sandbox in a process of its own, with somebody who takes its webhooks."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from sandbox.environment import free_port
from sandbox.processes import Program, start, wait_until
from sandbox.up import answers


@asynccontextmanager
async def sandbox(directory: Path) -> AsyncIterator[str]:
    """The vendors in a process of their own; their webhooks go to somebody who says thank you."""

    async def thanks(_: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_post("/{path:.*}", thanks)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    sink = free_port()
    await web.TCPSite(runner, "127.0.0.1", sink).start()
    port = free_port()
    environ = {
        "PATH": os.environ.get("PATH", ""),
        "SANDBOX_PORT": str(port),
        "DATA_DIR": str(directory),
        "PUBLIC_URL": f"http://127.0.0.1:{sink}",
    }
    program = Program("sandbox", [sys.executable, "-m", "sandbox"], environ, log=directory / "sandbox.log")
    running = start(program)
    try:
        await asyncio.to_thread(wait_until, lambda: answers(port, "/healthz"), [running], what="the sandbox")
        yield f"http://127.0.0.1:{port}"
    finally:
        running.stop(grace_s=5.0)
        await runner.cleanup()
