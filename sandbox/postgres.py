"""A real PostgreSQL 18 in a directory, with what a Supabase project brings, for `make run` and the tests.

The bundled programs are run directly: the package's own launcher counts its users in files, ends the server
when Python exits, and opens every directory above the data for reading.
"""

import os
import secrets
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psutil

from sandbox.processes import (
    NEVER,
    Notebook,
    Program,
    Running,
    StartFailed,
    StopFlag,
    end_process,
    run,
    start,
    wait_until,
)
from sandbox.server_user import BIN, server_user
from sandbox.sockets import leave_socket_dir, socket_dir

SQL: Final = Path(__file__).parent
DATABASE: Final = "allinya"
# C.UTF-8 of the server itself sorts alike on every system.
INITDB_OPTIONS: Final = (
    "--username=postgres", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8", "--auth=reject", "--auth-local=trust", "--no-instructions",
)  # fmt: skip
# The owner needs no password on a socket that its directory already guards; the hub's role does, as it
# would in production.
HBA: Final = "local all postgres trust\nlocal all all scram-sha-256\n"
SERVER_OPTIONS: Final = {"listen_addresses": "", "max_connections": "200", "log_min_messages": "warning"}
# For tests: a crash of the machine may lose the cluster, nothing else changes.
FAST_OPTIONS: Final = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class PostgresAddress:
    """How to reach a database: as its owner, and as the hub. Both are DSNs for asyncpg and psql."""

    owner_dsn: str
    hub_dsn: str
    server: "PostgresServer"

    def database(self, name: str) -> "PostgresAddress":
        """The same server, another database."""
        return replace(self, owner_dsn=self.server.dsn(name), hub_dsn=self.server.hub_dsn(name))


class PostgresServer:
    """A server on a data directory. `create_database` gives a database what Supabase would have put there."""

    def __init__(self, directory: Path, *, durable: bool, hub_password: str, stop: StopFlag = NEVER) -> None:
        self.directory = directory.absolute()
        self.durable = durable
        self.hub_password = hub_password
        self.stop_flag = stop
        self.log = self.directory.parent / f"{self.directory.name}.log"
        self.user = server_user(self.directory.parent)
        self.running: Running | None = None

    @property
    def socket(self) -> Path:
        """The directory of its Unix socket."""
        return socket_dir(self.directory)

    def dsn(self, database: str) -> str:
        """The owner's address of a database."""
        return f"postgresql://postgres@/{database}?host={quote(str(self.socket))}"

    def hub_dsn(self, database: str) -> str:
        """The hub's address of a database."""
        return f"postgresql://hub_worker:{self.hub_password}@/{database}?host={quote(str(self.socket))}"

    def start(self, notebook: Notebook | None = None) -> None:
        """Make the cluster if it is missing, start the server, wait until it answers, provide the roles."""
        end_left_over(self.directory)
        if not self.directory.exists():
            self._initdb()
        check_version(self.directory)
        (self.directory / "pg_hba.conf").write_text(HBA)
        if self.user is not None:
            os.chown(self.socket, *self.user)
        self.running = start(self._program())
        if notebook is not None:
            notebook.note(self.running)
        wait_until(self._answers, [self.running], what="PostgreSQL", stop=self.stop_flag)
        self.psql("postgres", SQL / "supabase_roles.sql", {"hub_password": self.hub_password})

    def stop(self) -> None:
        """End it in order: sessions are cut, what was committed is on disk."""
        if self.running is not None and self.running.ended() is None:
            self.running.stop()
        leave_socket_dir(self.directory)

    def create_database(self, name: str) -> None:
        """Make a database if it is missing. The second time is harmless."""
        self.psql("postgres", SQL / "database.sql", {"name": name})
        self.psql(name, SQL / "supabase_auth.sql")

    def psql(self, database: str, script: Path, variables: Mapping[str, str] | None = None) -> None:
        """Run a file of SQL as the owner. Raises `StartFailed` at its first error."""
        # Variables travel by standard input: arguments are readable by everybody.
        head = "".join(f"\\set {name} {value}\n" for name, value in (variables or {}).items())
        self._psql(database, head + script.read_text())

    def query(self, sql: str, database: str = "postgres") -> str:
        """Run one statement as the owner; its rows as text, one a line."""
        return self._psql(database, sql + ";\n").strip()

    def _psql(self, database: str, text: str) -> str:
        argv = [str(BIN / "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.dsn(database), "-f", "-"]
        done = subprocess.run(
            argv, input=text, capture_output=True, text=True, check=False, timeout=60, start_new_session=True
        )
        if done.returncode:
            raise StartFailed(f"psql failed in database {database}: {done.stderr.strip()}")
        return done.stdout

    def _initdb(self) -> None:
        """Make the cluster beside its place and move it there, so that a half-made one is never taken."""
        partial = self.directory.with_name(f"{self.directory.name}.partial")
        if partial.exists():
            run(Program("rm", ["rm", "-rf", str(partial)], os.environ))
        partial.mkdir(mode=0o700, parents=True)
        if self.user is not None:
            os.chown(partial, *self.user)
        argv = [str(BIN / "initdb"), *INITDB_OPTIONS, "-D", str(partial)]
        argv += [] if self.durable else ["--no-sync"]
        run(self._as_user("initdb", argv), stop=self.stop_flag)
        partial.rename(self.directory)

    def _program(self) -> Program:
        options = SERVER_OPTIONS | ({} if self.durable else FAST_OPTIONS)
        argv = [str(BIN / "postgres"), "-D", str(self.directory), "-k", str(self.socket)]
        for name, value in options.items():
            argv += ["-c", f"{name}={value}"]
        return replace(self._as_user("postgres", argv), end=signal.SIGINT)

    def _as_user(self, name: str, argv: list[str]) -> Program:
        environ = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}
        log = self.log.with_name(f"{name}.log") if name == "initdb" else self.log
        return Program(name, argv, environ, log=log, cwd=self.directory.parent, user=self.user)

    def _answers(self) -> bool:
        """Whether it takes connections: it writes so on the last line of its lock file."""
        lines = lock_lines(self.directory)
        ours = self.running is not None and lines[:1] == [str(self.running.pid)]
        return ours and len(lines) > 7 and lines[7].strip() == "ready"


@contextmanager
def running_postgres(
    directory: Path,
    *,
    durable: bool,
    hub_password: str | None = None,
    notebook: Notebook | None = None,
    stop: StopFlag = NEVER,
) -> Iterator[PostgresAddress]:
    """Run PostgreSQL on `directory` until the block ends, with a database `allinya` as Supabase gives it.

    Not durable is faster, and loses the cluster when the machine (not the server) crashes. Raises
    `StartFailed` when it does not come up, `Stopped` when told to stop meanwhile.
    """
    password = hub_password or secrets.token_hex(16)
    server = PostgresServer(directory, durable=durable, hub_password=password, stop=stop)
    try:
        server.start(notebook)
        server.create_database(DATABASE)
        yield PostgresAddress(server.dsn(DATABASE), server.hub_dsn(DATABASE), server)
    finally:
        server.stop()


def lock_lines(directory: Path) -> list[str]:
    """The lines of the server's lock file: number, directory, start, port, socket, …, status."""
    try:
        return (directory / "postmaster.pid").read_text().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []


def end_left_over(directory: Path) -> None:
    """End a server that a killed launcher left on this data, and remove a lock that nobody holds.

    The server itself takes any living process with the number in the lock for another server, and after
    a reboot that may be anybody.
    """
    lines = lock_lines(directory)
    if not lines:
        return
    with suppress(ValueError, psutil.Error, OSError):
        pid = int(lines[0])
        process = psutil.Process(pid)
        if process.name() == "postgres" and Path(process.cwd()) == directory.resolve():
            end_process(pid, process.create_time(), signal.SIGINT)
    (directory / "postmaster.pid").unlink(missing_ok=True)


def check_version(directory: Path) -> None:
    """Raises `StartFailed` when the data was written by another major version."""
    found = (directory / "PG_VERSION").read_text().strip() if (directory / "PG_VERSION").exists() else "none"
    needed = subprocess.check_output([BIN / "postgres", "--version"], text=True).split()[-1].partition(".")[0]
    if found != needed:
        raise StartFailed(f"{directory} holds data of PostgreSQL {found}, this is {needed}: move it away")
