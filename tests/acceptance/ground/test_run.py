"""`make run`'s life: up, the same data again, down without a trace, whoever ends it and whenever."""

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from sandbox.environment import free_port, read_env
from sandbox.up import MARK, ROOT

READY = "the page is at"
WAIT_S = 120.0


class Launcher:
    """`python -m sandbox.up` on a data directory, with its lines as they come."""

    def __init__(self, data_dir: Path, port: int, sandbox_port: int) -> None:
        ports = {"PORT": str(port), "SANDBOX_PORT": str(sandbox_port)}
        self.data_dir = data_dir
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sandbox.up"],
            cwd=ROOT, env={**os.environ, **ports, "DATA_DIR": str(data_dir)}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self.lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.lines.put(line)
        self.lines.put(None)

    def until(self, words: str) -> None:
        seen = []
        while (line := self.lines.get(timeout=WAIT_S)) is not None:
            seen.append(line)
            if words in line:
                return
        pytest.fail("".join(seen))

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(WAIT_S)


def left_by(data_dir: Path) -> list[str]:
    """Processes that carry the run's mark, or its directory among their arguments."""
    left = []
    for process in psutil.process_iter():
        try:
            marked = process.environ().get(MARK) == str(data_dir)
            named = any(str(data_dir) in argument for argument in process.cmdline())
        except psutil.Error:
            continue
        if (marked or named) and process.status() != psutil.STATUS_ZOMBIE:
            left.append(f"{process.pid} {process.name()}")
    return left


Launch = Callable[[Path, int, int], Launcher]


@pytest.fixture
def launch() -> Iterator[Launch]:
    """Starts launchers, and leaves none behind when a test fails."""
    launched: list[Launcher] = []

    def start(data_dir: Path, port: int, sandbox_port: int) -> Launcher:
        launched.append(Launcher(data_dir, port, sandbox_port))
        return launched[-1]

    yield start
    for launcher in launched:
        if launcher.process.poll() is None:
            launcher.end(signal.SIGTERM)


@pytest.fixture
def data_dir(server_dir: Path) -> Path:
    return server_dir / "data"


def test_a_second_start_keeps_secrets_and_data_and_every_signal_ends_all(
    data_dir: Path, launch: Launch
) -> None:
    kept = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        run = launch(data_dir, free_port(), free_port())
        run.until(READY)
        env = read_env(data_dir / "env")
        kept.append((env["DATA_KEY"], env["DATABASE_URL"]))
        assert len(left_by(data_dir)) >= 5
        assert run.end(number) == 0
        assert left_by(data_dir) == []
    assert len(set(kept)) == 1
    assert (data_dir / "env").stat().st_mode & 0o777 == 0o600


def test_what_a_killed_run_left_is_ended_by_the_next(data_dir: Path, launch: Launch) -> None:
    port, sandbox_port = free_port(), free_port()
    first = launch(data_dir, port, sandbox_port)
    first.until(READY)
    first.end(signal.SIGKILL)
    assert left_by(data_dir) != []
    second = launch(data_dir, port, sandbox_port)
    second.until(READY)
    assert second.end(signal.SIGTERM) == 0
    assert left_by(data_dir) == []


@pytest.mark.parametrize("name", ["postgres", "valkey-server", "python"])
def test_the_death_of_one_ends_all(data_dir: Path, launch: Launch, name: str) -> None:
    run = launch(data_dir, free_port(), free_port())
    run.until(READY)
    victim = next(c for c in psutil.Process(run.process.pid).children() if c.name().startswith(name))
    victim.kill()
    assert run.process.wait(WAIT_S) == 1
    assert left_by(data_dir) == []


@pytest.mark.parametrize("step", ["PostgreSQL …", "Valkey …", "migrations …", "sandbox …", "hub …"])
def test_ended_while_setting_up_it_leaves_nothing(data_dir: Path, launch: Launch, step: str) -> None:
    run = launch(data_dir, free_port(), free_port())
    run.until(step)
    assert run.end(signal.SIGTERM) == 0
    assert left_by(data_dir) == []


def test_a_taken_port_is_one_clear_line(data_dir: Path, launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = launch(data_dir, port, free_port())
        run.until(f"port {port} is taken")
        assert run.process.wait(WAIT_S) == 1
    assert left_by(data_dir) == []
