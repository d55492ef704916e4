"""Everything on one machine: `python -m sandbox.up`.

PostgreSQL, Valkey, the sandbox, migrations, then the processes of the Procfile; data stays under `DATA_DIR`.
A signal, or the end of anything started, ends the rest in order: web, worker, sandbox, Valkey, PostgreSQL.
"""

import fcntl
import http.client
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from honcho.colour import get_colours
from honcho.environ import parse_procfile
from honcho.printer import Message, Printer

from config.settings import SettingsError, load
from sandbox.environment import (
    HOST,
    Addresses,
    choose_ports,
    hub_environment,
    kept_secrets,
    read_env,
    write_env,
)
from sandbox.make_parent import MakeParent
from sandbox.postgres import running_postgres
from sandbox.processes import (
    Notebook,
    Program,
    Running,
    StartFailed,
    StopFlag,
    Stopped,
    run,
    start,
    wait_until,
)
from sandbox.valkey import running_valkey

ROOT: Final = Path(__file__).resolve().parent.parent
# In every process that a run starts: whose it is.
MARK: Final = "ALLINYA_RUN"
# Started in this order and ended in the other: what the web process ends, the worker still settles.
ORDER: Final = ("worker", "web")
# One line at a time, whoever says it.
OUTPUT: Final = threading.Lock()
LAST_LINES_S: Final = 2.0
PEOPLE: Final = (
    "guest@example.com",
    "guest2@example.com",
    "practitioner@example.com",
    "practitioner2@example.com",
    "moderator@example.com",
    "admin@example.com",
)


def main() -> int:
    """Run until told to end. Exit code 0 after a signal, 1 when something failed or ended by itself."""
    stop = StopFlag(also=MakeParent().ended)
    stop.listen()
    data_dir = Path(os.environ.get("DATA_DIR") or ".data").absolute()
    try:
        with ExitStack() as stack:
            _Launch(data_dir, stop, stack).up()
    except Stopped:
        say("stopped")
        return 0
    except StartFailed as error:
        say(f"failed: {error}")
        return 1
    except SettingsError as error:
        say(str(error))
        return 1
    return 0


class _Launch:
    """One run on one data directory."""

    def __init__(self, data_dir: Path, stop: StopFlag, stack: ExitStack) -> None:
        self.data_dir = data_dir
        self.stop = stop
        self.stack = stack
        self.notebook = Notebook(data_dir / "running.json")
        self.watched: list[Running] = []
        self.printer = Printer(sys.stdout, width=len("sandbox"))
        self.colours = get_colours()

    def up(self) -> None:
        """Start everything, say where it is, and watch it."""
        self.stack.enter_context(owned(self.data_dir))
        for name in self.notebook.end_left_over():
            say(f"ended {name}, left over from an earlier run")
        self.stack.callback(self.notebook.clear)
        last = read_env(self.data_dir / "env")
        port, sandbox_port = choose_ports(os.environ, last)
        addresses, environment = self._stores(port, sandbox_port)
        self._hub(environment, addresses)
        say(f"the page is at {addresses.page}")
        say(f"people, password 'sandbox': {', '.join(PEOPLE)}")
        self._watch()

    def _stores(self, port: int, sandbox_port: int) -> tuple[Addresses, dict[str, str]]:
        """Start the stores and write down the environment that leads to them."""
        made = kept_secrets(self.data_dir / "env")
        with step("PostgreSQL"):
            postgres = self.stack.enter_context(
                running_postgres(
                    self.data_dir / "postgres",
                    durable=True,
                    hub_password=made["SANDBOX_DATABASE_PASSWORD"],
                    notebook=self.notebook,
                    stop=self.stop,
                )
            )
        if postgres.server.running is not None:
            self.watched.append(postgres.server.running)
        with step("Valkey"):
            valkey = self.stack.enter_context(
                running_valkey(self.data_dir / "valkey", notebook=self.notebook, stop=self.stop)
            )
        self.watched.append(valkey.running)
        addresses = Addresses(port, sandbox_port, postgres.owner_dsn, postgres.hub_dsn, valkey.url)
        environment = hub_environment(addresses, made, os.environ)
        load(environment)
        write_env(self.data_dir / "env", environment)
        return addresses, environment

    def _hub(self, environment: Mapping[str, str], addresses: Addresses) -> None:
        """Migrate, start the sandbox, then the processes of the Procfile, and wait until they are ready."""
        environ = {**os.environ, **environment, "DATA_DIR": str(self.data_dir), MARK: str(self.data_dir)}
        environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environ.get('PATH', '')}"
        environ["PYTHONUNBUFFERED"] = "1"
        commands = parse_procfile((ROOT / "Procfile").read_text()).processes
        with step("migrations"):
            run(
                program("release", commands["release"], environ, self.data_dir / "release.log"),
                stop=self.stop,
            )
        with step("sandbox"):
            self._start("sandbox", "python -m sandbox", environ)
            self._wait("the sandbox", addresses.sandbox_port, "/healthz")
        with step("hub"):
            for name in sorted((name for name in commands if name != "release"), key=_order):
                self._start(name, commands[name], environ)
            self._wait("the hub", addresses.port, "/readyz")

    def _start(self, name: str, command: str, environ: Mapping[str, str]) -> None:
        """Start one process whose lines are shown under its name."""
        reader, writer = os.pipe()
        try:
            running = start(program(name, command, environ, None), output=writer)
        finally:
            os.close(writer)
        shown = threading.Thread(target=self._show, args=(name, reader, next(self.colours)), daemon=True)
        self.stack.callback(self._end, running, shown)
        self.notebook.note(running)
        self.watched.append(running)
        shown.start()

    def _end(self, running: Running, shown: threading.Thread) -> None:
        if running.ended() is None:
            say(f"ending {running.program.name}")
        running.stop()
        # Its last lines say why it ended. Somebody else may still hold the other end, so not for ever.
        shown.join(LAST_LINES_S)

    def _show(self, name: str, reader: int, colour: str) -> None:
        """Copy a process's lines to our output, until it closes its end."""
        with os.fdopen(reader, "rb") as lines:
            for line in lines:
                # Without a terminal any more, the process must not block on a pipe that nobody empties.
                with suppress(OSError, ValueError), OUTPUT:
                    self.printer.write(Message("line", line, datetime.now().astimezone(), name, colour))

    def _wait(self, what: str, port: int, path: str) -> None:
        wait_until(lambda: answers(port, path), self.watched, what=what, stop=self.stop)

    def _watch(self) -> None:
        """Return only by an exception: told to end, or something ended by itself."""
        while True:
            for running in self.watched:
                if (code := running.ended()) is not None:
                    raise StartFailed(f"{running.program.name} ended by itself, exit code {code}")
            self.stop.pause()


def program(name: str, command: str, environ: Mapping[str, str], log: Path | None) -> Program:
    """A line of the Procfile. The shell gives its place to the command, so signals reach the command."""
    return Program(name, ["/bin/sh", "-c", f"exec {command}"], environ, log=log, cwd=ROOT)


def answers(port: int, path: str) -> bool:
    """Whether a GET is answered with 200."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextmanager
def owned(data_dir: Path) -> Iterator[None]:
    """Hold the data directory for this run alone; the lock ends with the process, however it ends."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StartFailed(
                f"{data_dir} is in use by another run: choose another with DATA_DIR=…"
            ) from None
        yield


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what is being started, and how long it took."""
    started = time.monotonic()
    say(f"{what} …")
    yield
    say(f"{what} ready after {time.monotonic() - started:.1f} s")


def say(line: str) -> None:
    """Print one line at once, also when nobody listens any more."""
    with suppress(OSError, ValueError), OUTPUT:
        print(f"· {line}", flush=True)


def _order(name: str) -> int:
    return ORDER.index(name) if name in ORDER else -1


if __name__ == "__main__":
    sys.exit(main())
