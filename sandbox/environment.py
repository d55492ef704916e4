"""The environment that `make run` makes for the hub: what it needs, with secrets made once and kept.

Written to `DATA_DIR/env` as shell lines, so that anybody can run one more process beside it.
"""

import base64
import os
import random
import re
import secrets
import shlex
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from config.settings import Settings
from sandbox.processes import StartFailed

HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8000
DEFAULT_SANDBOX_PORT: Final = 8001
# Made at the first start and kept: with another data key nothing stored could be read.
MADE_ONCE: Final[Mapping[str, Callable[[], str]]] = {
    "DATA_KEY": lambda: base64.b64encode(secrets.token_bytes(32)).decode(),
    "STRIPE_SECRET_KEY": lambda: f"sk_test_{secrets.token_hex(24)}",
    "STRIPE_WEBHOOK_SECRET": lambda: f"whsec_{secrets.token_hex(24)}",
    "STRIPE_CONNECT_WEBHOOK_SECRET": lambda: f"whsec_{secrets.token_hex(24)}",
    "TWILIO_ACCOUNT_SID": lambda: f"AC{secrets.token_hex(16)}",
    "TWILIO_AUTH_TOKEN": lambda: secrets.token_hex(16),
    "AGORA_WEBHOOK_SECRET": lambda: secrets.token_hex(24),
    "SANDBOX_DATABASE_PASSWORD": lambda: secrets.token_hex(24),
}
# What the sandbox knows people and services by, and the limits that would stop many clients of one machine.
GIVEN: Final = {
    "ENVIRONMENT": "sandbox",
    "SUPABASE_SERVICE_KEY": "sandbox-service-role-key",
    "TWILIO_FROM": "+15005550006",
    "STAFF_AAL": "aal1",
    "CONNECTS_PER_MINUTE_PER_ADDRESS": "0",
}
# These always come from here: the hub of `make run` never uses somebody's real stores or keys.
OURS: Final = frozenset(
    {"DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_DIRECT_URL", "REDIS_URL", "SUPABASE_URL", "PUBLIC_URL"}
    | {"STRIPE_API_BASE", "SUPABASE_SERVICE_KEY", "ENVIRONMENT", "PORT", "ALLOWED_ORIGINS"}
    | set(MADE_ONCE) - {"TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "AGORA_WEBHOOK_SECRET"}
)
FREE_PORTS: Final = (10_240, 32_000)
PORT_TRIES: Final = 100
PLAIN: Final = re.compile(r"[A-Za-z0-9_@%+=:,./?-]*")


@dataclass(frozen=True)
class Addresses:
    """Where things of one run are: ports on the loopback, DSNs of the stores."""

    port: int
    sandbox_port: int
    owner_dsn: str
    hub_dsn: str
    redis_url: str

    @property
    def page(self) -> str:
        """The page's address."""
        return f"http://{HOST}:{self.port}"

    @property
    def sandbox(self) -> str:
        """The sandbox's address."""
        return f"http://{HOST}:{self.sandbox_port}"


def kept_secrets(env_file: Path) -> dict[str, str]:
    """The secrets of the last start, and new ones for those that are missing."""
    kept = read_env(env_file)
    return {key: kept.get(key) or make() for key, make in MADE_ONCE.items()}


def hub_environment(
    addresses: Addresses, made: Mapping[str, str], asked: Mapping[str, str]
) -> dict[str, str]:
    """Every setting of the hub. `asked` is what the caller's environment says of optional ones."""
    settings = {
        **GIVEN,
        **made,
        "PORT": str(addresses.port),
        "SANDBOX_PORT": str(addresses.sandbox_port),
        "PUBLIC_URL": addresses.page,
        "ALLOWED_ORIGINS": f"http://localhost:{addresses.port}",
        "DATABASE_URL": addresses.hub_dsn,
        "DATABASE_OWNER_URL": addresses.owner_dsn,
        "REDIS_URL": addresses.redis_url,
        "SUPABASE_URL": addresses.sandbox,
        "STRIPE_API_BASE": f"{addresses.sandbox}/stripe",
        "TWILIO_API_BASE": f"{addresses.sandbox}/twilio",
        "AGORA_API_BASE": f"{addresses.sandbox}/agora",
    }
    known = {name.upper() for name in Settings.model_fields} - OURS
    return settings | {key: value for key, value in asked.items() if key in known and value.strip()}


def write_env(env_file: Path, environment: Mapping[str, str]) -> None:
    """Write shell lines that only the owner can read."""
    partial = env_file.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.writelines(f"{key}={_quoted(value)}\n" for key, value in sorted(environment.items()))
    partial.replace(env_file)


def read_env(env_file: Path) -> dict[str, str]:
    """Read what `write_env` wrote; empty when there is none."""
    if not env_file.exists():
        return {}
    pairs = (line.partition("=") for line in env_file.read_text().splitlines() if "=" in line)
    return {key: "".join(shlex.split(value)) for key, _, value in pairs}


def asked_port(environ: Mapping[str, str], key: str) -> int | None:
    """A port from the environment, or None when it says nothing. Raises `StartFailed` when malformed."""
    text = environ.get(key, "").strip()
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65_535:
        raise StartFailed(f"{key} must be a port from 1 to 65535")
    return int(text)


def choose_ports(environ: Mapping[str, str], last: Mapping[str, str]) -> tuple[int, int]:
    """The hub's and the sandbox's port. Raises `StartFailed` when one that was asked for is taken.

    Nobody types the sandbox's address, so unless asked for it may give way, but it stays what it was
    at the last start where it can: it is the issuer of everybody's tokens.
    """
    port = asked_port(environ, "PORT") or DEFAULT_PORT
    asked = asked_port(environ, "SANDBOX_PORT")
    if is_taken(port):
        raise StartFailed(f"port {port} is taken: choose another with PORT=…")
    if asked == port:
        raise StartFailed("PORT and SANDBOX_PORT must differ")
    if asked is not None:
        if is_taken(asked):
            raise StartFailed(f"port {asked} is taken: choose another with SANDBOX_PORT=…")
        return port, asked
    wished = (asked_port(last, "SANDBOX_PORT"), DEFAULT_SANDBOX_PORT)
    free = (wish for wish in wished if wish is not None and wish != port and not is_taken(wish))
    return port, next(free, None) or free_port()


def is_taken(port: int) -> bool:
    """Whether something listens on a port of this machine, or we may not."""
    with socket.socket() as client, suppress(OSError):
        client.settimeout(1.0)
        client.connect((HOST, port))
        return True
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(("", port))
            server.listen(1)
        except OSError:
            return True
    return False


def free_port() -> int:
    """A port that nothing listens on, below those that outgoing connections are given."""
    for _ in range(PORT_TRIES):
        port = random.randrange(*FREE_PORTS)  # noqa: S311
        if not is_taken(port):
            return port
    raise StartFailed("no free port was found")


def _quoted(value: str) -> str:
    """Quoted only where a shell needs it in an assignment, so that simpler readers understand it too."""
    return value if PLAIN.fullmatch(value) else shlex.quote(value)
