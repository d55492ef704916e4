"""Programs that this machine runs for the hub: started apart, watched, ended for certain.

Every program gets a session of its own, so that a terminal's Ctrl-C reaches the launcher alone and the
launcher decides the order of the end. What is started is noted in a file with its time of birth, so that the
next start can end what a killed launcher left behind and never a stranger that got the same number.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

POLL_S: Final = 0.05
TAIL_LINES: Final = 12
# The grace of a program that is told to end; a draining hub needs the longest.
GRACE_S: Final = 30.0


class StartFailed(Exception):
    """A program could not be started, or ended before it was ready. The text is for people."""


class Stopped(Exception):
    """The launcher was told to end while it waited for something."""


class StopFlag:
    """Set by a signal, looked at wherever something is waited for.

    `also` is asked at the same places. A plain attribute, since taking a lock inside a signal handler can
    deadlock with the code that it interrupted.
    """

    def __init__(self, also: Callable[[], bool] = lambda: False) -> None:
        self.signal: signal.Signals | None = None
        self._also = also

    def listen(self) -> None:
        """Let SIGINT, SIGTERM and SIGHUP set the flag, also where they were ignored at the start."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda signum, frame: self.set(signal.Signals(signum)))

    def set(self, number: signal.Signals) -> None:
        """Ask to stop. Only the first signal counts: the end is already on its way."""
        if self.signal is None:
            self.signal = number

    def pause(self) -> None:
        """Wait a moment. Raises `Stopped` once the flag is set."""
        if self.signal is not None:
            raise Stopped(self.signal.name)
        if self._also():
            raise Stopped("parent")
        time.sleep(POLL_S)


NEVER: Final = StopFlag()


@dataclass(frozen=True)
class Program:
    """What to start. `user` the system user and group to become, `end` the signal that asks it to end."""

    name: str
    argv: Sequence[str]
    environ: Mapping[str, str]
    log: Path | None = None
    cwd: Path | None = None
    user: tuple[int, int] | None = None
    end: signal.Signals = signal.SIGTERM


@dataclass
class Running:
    """A started program."""

    program: Program
    process: subprocess.Popen[bytes]
    born: float = field(init=False)

    def __post_init__(self) -> None:
        try:
            self.born = psutil.Process(self.process.pid).create_time()
        except psutil.Error:
            self.born = 0.0

    @property
    def pid(self) -> int:
        """Process number; also that of its session and group."""
        return self.process.pid

    def ended(self) -> int | None:
        """Exit code, or None while it runs."""
        return self.process.poll()

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send one signal to the program alone."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    def stop(self, *, grace_s: float = GRACE_S) -> int:
        """Ask to end, wait `grace_s`, then end the program and all that it started. Returns the exit code."""
        self.kill(self.program.end)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(grace_s)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        return self.process.wait()

    def tail(self) -> str:
        """The last lines of its log."""
        return tail(self.program.log)


def start(program: Program, *, output: int | None = None) -> Running:
    """Start a program in a session of its own. Its output goes to its log, or to `output`.

    Raises `StartFailed` when the program cannot be executed at all.
    """
    try:
        if program.log is None:
            return Running(program, _popen(program, subprocess.DEVNULL if output is None else output))
        program.log.parent.mkdir(parents=True, exist_ok=True)
        # Anew at each start, with the last one kept: a log without an end would fill the disk.
        if program.log.exists():
            program.log.replace(program.log.with_suffix(".log.1"))
        with program.log.open("wb") as log:
            return Running(program, _popen(program, log.fileno()))
    except OSError as error:
        raise StartFailed(f"{program.name} could not be started: {error}") from error


def run(program: Program, *, stop: StopFlag = NEVER, deadline_s: float = 120.0) -> None:
    """Run a program to its end. Raises `StartFailed` unless it ends with 0, `Stopped` when told to stop."""
    running = start(program)
    try:
        wait_until(
            lambda: running.ended() is not None, (), what=program.name, stop=stop, deadline_s=deadline_s
        )
    finally:
        if running.ended() is None:
            running.stop(grace_s=5.0)
    if running.ended():
        raise StartFailed(
            f"{program.name} failed with exit code {running.ended()}\n{running.tail()}".rstrip()
        )


def wait_until(
    ready: Callable[[], bool],
    needed: Sequence[Running],
    *,
    what: str,
    stop: StopFlag = NEVER,
    deadline_s: float = 60.0,
) -> None:
    """Wait until `ready()`. Raises `StartFailed` when a needed program ends or the deadline passes."""
    deadline = time.monotonic() + deadline_s
    while not ready():
        for running in needed:
            if (code := running.ended()) is not None:
                words = f"{running.program.name} ended with exit code {code} before {what} was ready"
                raise StartFailed(f"{words}\n{running.tail()}".rstrip())
        if time.monotonic() > deadline:
            raise StartFailed(f"{what} was not ready within {deadline_s:.0f} s")
        stop.pause()


class Notebook:
    """The numbers and births of running programs, in a file that outlives the launcher."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.noted: list[dict[str, str | int | float]] = []

    def note(self, running: Running) -> None:
        """Remember one more program."""
        name, end = running.program.name, int(running.program.end)
        self.noted.append({"name": name, "pid": running.pid, "born": running.born, "end": end})
        self._write()

    def end_left_over(self) -> list[str]:
        """End what an earlier launcher left running, last started first. Returns the names."""
        try:
            left = json.loads(self.path.read_text())
        except (OSError, ValueError):
            left = []
        names = [str(e["name"]) for e in reversed(left) if end_process(e["pid"], e["born"], e["end"])]
        self.clear()
        return names

    def clear(self) -> None:
        """Nothing runs any more."""
        self.noted.clear()
        self.path.unlink(missing_ok=True)

    def _write(self) -> None:
        partial = self.path.with_suffix(".tmp")
        partial.write_text(json.dumps(self.noted))
        partial.replace(self.path)


def end_process(pid: int, born: float, number: int, *, grace_s: float = 10.0) -> bool:
    """End the process `pid` if it still is the one born at `born`. Returns whether there was one to end."""
    signalled = False
    try:
        process = psutil.Process(pid)
        if process.create_time() != born or process.status() == psutil.STATUS_ZOMBIE:
            return False
        process.send_signal(number)
        signalled = True
        # A zombie counts as ended: where nobody collects orphans it stays for ever.
        deadline = time.monotonic() + grace_s
        while process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
            time.sleep(POLL_S)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    except psutil.NoSuchProcess:
        return signalled
    return True


def tail(log: Path | None) -> str:
    """The last lines of a log file; empty without one."""
    if log is None or not log.exists():
        return ""
    lines = log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
    return "\n".join(f"  {line}" for line in lines)


def _popen(program: Program, output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        list(program.argv),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=dict(program.environ),
        cwd=program.cwd,
        start_new_session=True,
        # A server that gave up root must not keep root's groups.
        user=program.user[0] if program.user else None,
        group=program.user[1] if program.user else None,
        extra_groups=[] if program.user else None,
    )
