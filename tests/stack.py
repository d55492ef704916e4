"""A whole system of real processes for the acceptance suite: sandbox, hubs, workers, stores.

Every process gets the environment that `make run` would give it, on a fresh database and a Valkey of its
own, so that a test may kill either without another test noticing.
"""

import os
import signal
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from sandbox.environment import HOST, Addresses, free_port, hub_environment, kept_secrets
from sandbox.postgres import PostgresAddress
from sandbox.processes import Program, Running, run, start, wait_until
from sandbox.up import MARK, ROOT, answers
from sandbox.valkey import ValkeyProcess, running_valkey

# Tests end processes in order too, but a hub that does not drain is a failure, not a reason to wait.
GRACE_S = 15.0


class Stack:
    """A sandbox, `webs` hubs and `workers` workers, each ready when `start()` returns.

    `settings` are further settings of the hub by their environment names. `hub_urls` lists the hubs that
    run, `env` is the hub's environment, `valkey` can be killed and restarted.
    """

    def __init__(
        self,
        directory: Path,
        database: PostgresAddress,
        *,
        webs: int = 2,
        workers: int = 1,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.database = database
        self.counts = (webs, workers)
        self.settings = dict(settings or {})
        self.webs: dict[str, Running] = {}
        self.workers: list[Running] = []
        self.sandbox: Running | None = None
        self._started: list[Running] = []
        self._stack = ExitStack()

    def start(self) -> "Stack":
        """Start everything, ready when this returns. Raises `StartFailed` with the log's end otherwise."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def _start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.valkey: ValkeyProcess = self._stack.enter_context(running_valkey(self.directory / "valkey"))
        self.addresses = Addresses(
            free_port(), free_port(), self.database.owner_dsn, self.database.hub_dsn, self.valkey.url
        )
        self.env = hub_env(self.addresses, self.directory, self.settings)
        self.sandbox = self._run("sandbox", ["sandbox"], {"DATA_DIR": str(self.directory)})
        self._ready(self.sandbox, self.addresses.sandbox_port, "/healthz")
        webs, workers = self.counts
        started = [self._begin_web(self.addresses.port if n == 0 else free_port()) for n in range(webs)]
        for _ in range(workers):
            self.start_worker()
        for port, web in started:
            self._ready(web, port, "/readyz")

    @property
    def sandbox_url(self) -> str:
        """The sandbox's address, also Supabase's for the hub."""
        return self.addresses.sandbox

    @property
    def hub_urls(self) -> list[str]:
        """The addresses of the hubs that run."""
        return [url for url, web in self.webs.items() if web.ended() is None]

    def start_web(self, port: int | None = None) -> Running:
        """Start one more hub, or one that ended anew on its port; ready when this returns."""
        port, web = self._begin_web(port or free_port())
        self._ready(web, port, "/readyz")
        return web

    def start_worker(self) -> Running:
        """Start one more worker."""
        worker = self._run(f"worker-{len(self.workers)}", ["hub", "worker"], {})
        self.workers.append(worker)
        return worker

    def kill(self, running: Running, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to one process and wait for its end. Returns its exit code."""
        running.kill(number)
        return running.process.wait(GRACE_S)

    def stop(self) -> None:
        """End all in order: hubs, workers, sandbox, Valkey."""
        for running in (*self.webs.values(), *self.workers):
            running.kill(running.program.end)
        for running in reversed(self._started):
            running.stop(grace_s=GRACE_S)
        self._stack.close()

    def logs(self) -> str:
        """The last lines of every process's log, for a failed test's report."""
        return "\n".join(f"{r.program.name} (exit {r.ended()}):\n{r.tail()}" for r in self._started)

    def _begin_web(self, port: int) -> tuple[int, Running]:
        web = self._run(f"web-{port}", ["hub", "web"], {"PORT": str(port)})
        self.webs[f"http://{HOST}:{port}"] = web
        return port, web

    def _run(self, name: str, module: list[str], extra: Mapping[str, str]) -> Running:
        environ = {**process_env(self.env, self.directory), **extra}
        running = start(python_program(name, module, environ, self.directory))
        self._started.append(running)
        return running

    def _ready(self, running: Running, port: int, path: str) -> None:
        wait_until(lambda: answers(port, path), [running], what=running.program.name)


def hub_env(addresses: Addresses, directory: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """The hub's settings for a test, with secrets of its own."""
    return hub_environment(addresses, kept_secrets(directory / "env"), settings)


def process_env(settings: Mapping[str, str], directory: Path) -> dict[str, str]:
    """A process's whole environment: a few of ours, and the settings; nothing a developer happened to set."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ}
    return {**kept, "PYTHONUNBUFFERED": "1", MARK: str(directory), **settings}


def python_program(name: str, module: list[str], environ: Mapping[str, str], directory: Path) -> Program:
    """`python -m …` with its log in `directory`."""
    argv = [sys.executable, "-m", *module]
    return Program(name, argv, environ, log=directory / "log" / f"{name}.log", cwd=ROOT)


def migrate(database: PostgresAddress, directory: Path) -> None:
    """Run `python -m hub migrate` on a database. Raises `StartFailed` with the log's end when it fails."""
    addresses = Addresses(8000, 8001, database.owner_dsn, database.hub_dsn, "unix:///nonexistent?db=0")
    environ = process_env(hub_env(addresses, directory, {}), directory)
    run(python_program("migrate", ["hub", "migrate"], environ, directory))
