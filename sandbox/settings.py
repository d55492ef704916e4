"""What the sandbox is told from outside, checked once at the start."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

SERVICE_KEY = "sandbox-service-role-key"
_ADDRESSES = (
    "PUBLIC_URL",
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "DATABASE_DIRECT_URL",
    "SUPABASE_URL",
    "REDIS_URL",
    "STRIPE_API_BASE",
    "TWILIO_API_BASE",
    "AGORA_API_BASE",
)


class SandboxRefused(Exception):
    """The sandbox must not start here; the message names every reason."""


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """Where the sandbox listens, where its state lies, and whom it calls.

    `public_url` is the hub that receives webhooks; `database_url` the owner DSN of the hub's Postgres,
    used only to seed people. Secrets are the sandbox's own and protect nothing real.
    """

    port: int
    data_dir: Path
    public_url: str = "http://127.0.0.1:8000"
    database_url: str | None = None
    service_key: str = field(default=SERVICE_KEY, repr=False)
    stripe_webhook_secret: str = field(default="whsec_sandbox", repr=False)
    stripe_connect_webhook_secret: str = field(default="whsec_sandbox_connect", repr=False)
    twilio_auth_token: str = field(default="sandbox-twilio-token", repr=False)
    agora_webhook_secret: str = field(default="sandbox-agora-secret", repr=False)

    @property
    def base_url(self) -> str:
        """The sandbox's own address, which is also what the hub knows as SUPABASE_URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def issuer(self) -> str:
        """The `iss` of every access token."""
        return f"{self.base_url}/auth/v1"


def is_loopback_host(host: str | None) -> bool:
    """True for `localhost` and loopback addresses. No name is ever resolved: DNS could answer anything."""
    if host is None:
        return False
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_local(address: str) -> bool:
    """True when an URL or DSN can only reach this machine: loopback hosts or a unix socket."""
    parts = urlsplit(address)
    if parts.scheme in {"unix", "redis+unix"}:
        return True
    hosts = _hosts(parts.netloc) + [h for h in parse_qs(parts.query).get("host", []) if h]
    hosts += [h for h in parse_qs(parts.query).get("hostaddr", []) if h]
    if not hosts:
        return parts.scheme in {"postgres", "postgresql"}
    return all(unquote(h).startswith("/") or is_loopback_host(h) for h in hosts)


def _hosts(netloc: str) -> list[str]:
    # A libpq DSN may name several hosts, separated by commas; each of them must be local.
    places = netloc.rpartition("@")[2].split(",") if netloc else []
    hosts = []
    for place in places:
        if place.startswith("["):
            hosts.append(place[1:].partition("]")[0])
        elif place.rpartition(":")[0]:
            hosts.append(place.rpartition(":")[0])
        elif place and not place.startswith(":"):
            hosts.append(place)
    return hosts


def refusals(addresses: Iterable[tuple[str, str]], stripe_key: str | None) -> list[str]:
    """Every reason not to start: addresses outside this machine, and live Stripe keys."""
    reasons = [
        f"{name} is not on this machine (loopback or a unix socket)"
        for name, url in addresses
        if not is_local(url)
    ]
    if stripe_key is not None and stripe_key.startswith(("sk_live", "rk_live")):
        reasons.append("STRIPE_SECRET_KEY is a live key")
    return reasons


def load(environ: Mapping[str, str] = os.environ) -> SandboxConfig:
    """Read the environment. Raises `SandboxRefused` naming every reason at once."""
    given = [(name, environ[name]) for name in _ADDRESSES if environ.get(name)]
    reasons = refusals(given, environ.get("STRIPE_SECRET_KEY"))
    port_text = environ.get("SANDBOX_PORT", "8001")
    if not (port_text.isdecimal() and 0 < int(port_text) < 65536):
        reasons.append("SANDBOX_PORT is not a port")
    if reasons:
        raise SandboxRefused("the sandbox refuses to start: " + "; ".join(reasons))
    secrets = {
        "stripe_webhook_secret": environ.get("STRIPE_WEBHOOK_SECRET"),
        "stripe_connect_webhook_secret": environ.get("STRIPE_CONNECT_WEBHOOK_SECRET"),
        "twilio_auth_token": environ.get("TWILIO_AUTH_TOKEN"),
        "agora_webhook_secret": environ.get("AGORA_WEBHOOK_SECRET"),
    }
    return SandboxConfig(
        port=int(port_text),
        data_dir=Path(environ.get("DATA_DIR", ".data")),
        public_url=environ.get("PUBLIC_URL", "http://127.0.0.1:8000").rstrip("/"),
        # Seeding writes tables that the hub's own role may not: prefer the owner's address.
        database_url=environ.get("DATABASE_OWNER_URL") or environ.get("DATABASE_URL") or None,
        **{name: value for name, value in secrets.items() if value},
    )
