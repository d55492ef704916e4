"""Where a setting points to: this machine, or somewhere that only TLS may reach.

Pure checks on URLs and DSNs. Each raises `ValueError` whose text never repeats the address, because a
DSN carries a password.
"""

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import SplitResult, parse_qs, urlsplit

TLS_MODES: Final = frozenset({"require", "verify-ca", "verify-full"})
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
Network = IPv4Network | IPv6Network


def is_loopback(host: str | None) -> bool:
    """Whether `host` is this machine: `localhost`, 127.0.0.0/8 or ::1. Names are not resolved."""
    if not host:
        return False
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def split_http(url: str) -> SplitResult:
    """Split an http(s) URL and refuse what no base address has: user, query, fragment, plain remote http."""
    parts = _split(url)
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ValueError("must be an http:// or https:// URL with a host")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must have no user, query or fragment")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must be https:// outside this machine")
    return parts


def base_url(url: str) -> str:
    """An http(s) base address without its last slash."""
    split_http(url)
    return url.rstrip("/")


def origin(url: str) -> str:
    """The origin of an http(s) URL as a browser sends it: lower case, no default port, no path."""
    parts = split_http(url)
    if parts.path.strip("/"):
        raise ValueError("must be an origin, without a path")
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    if parts.port is None or parts.port == DEFAULT_PORTS[parts.scheme]:
        return f"{parts.scheme}://{host}"
    return f"{parts.scheme}://{host}:{parts.port}"


def origins(text: str) -> tuple[str, ...]:
    """Comma-separated origins. `*` and `null` are no origins: any page could send them."""
    found = tuple(dict.fromkeys(origin(part) for part in _parts(text)))
    if not found:
        raise ValueError("must name at least one origin")
    return found


def networks(text: str) -> tuple[Network, ...]:
    """Comma-separated addresses or CIDR blocks of the proxies whose `X-Forwarded-*` is believed."""
    found = []
    for part in _parts(text):
        try:
            network = ip_network(part)
        except ValueError:
            raise ValueError("must be comma-separated addresses or CIDR blocks") from None
        if network.prefixlen == 0:
            raise ValueError("must not trust every address")
        found.append(network)
    return tuple(found)


def vendor_base(url: str, domain: str) -> str:
    """A vendor's base address: under `domain`, or a stand-in on this machine.

    Outbound hosts are an allow-list, so a base address cannot name a fifth vendor.
    """
    host = split_http(url).hostname or ""
    if not (is_loopback(host) or host == domain or host.endswith(f".{domain}")):
        raise ValueError(f"must be a host of {domain} or this machine")
    return url.rstrip("/")


def postgres_dsn(dsn: str) -> str:
    """A PostgreSQL DSN that names its host, and uses TLS when that host is not this machine."""
    parts = _split(dsn)
    if parts.scheme not in ("postgres", "postgresql"):
        raise ValueError("must be a postgresql:// DSN")
    query = parse_qs(parts.query)
    # The driver falls back to PGHOST when a DSN names no host, which nobody would have checked.
    hosts = _authority_hosts(parts) + [h for value in query.get("host", []) for h in value.split(",")]
    if not hosts:
        raise ValueError("must name its host")
    if not parts.path.strip("/"):
        raise ValueError("must name its database")
    local = all(is_loopback(host) or host.startswith("/") for host in hosts)
    if not local and not TLS_MODES.issuperset(query.get("sslmode", ["disable"])):
        raise ValueError("must have sslmode=require, verify-ca or verify-full outside this machine")
    return dsn


def redis_url(url: str) -> str:
    """A Redis URL: `redis://` on this machine, `unix://`, or `rediss://` with a checked certificate."""
    parts = _split(url)
    if parts.scheme == "unix":
        if not parts.path.startswith("/"):
            raise ValueError("must name a socket's absolute path")
        return url
    if parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise ValueError("must be a redis://, rediss:// or unix:// URL")
    if is_loopback(parts.hostname):
        return url
    if parts.scheme != "rediss":
        raise ValueError("must be rediss:// outside this machine")
    if parse_qs(parts.query).get("ssl_cert_reqs", ["required"]) != ["required"]:
        raise ValueError("must check the server's certificate outside this machine")
    return url


def _authority_hosts(parts: SplitResult) -> list[str]:
    """Every host of a DSN's authority, which may list several: `a:5432,b:5432`."""
    authority = parts.netloc.rpartition("@")[2]
    hosts = []
    for entry in filter(None, authority.split(",")):
        host = entry[1:].partition("]")[0] if entry.startswith("[") else entry.partition(":")[0]
        hosts.append(host.replace("%2F", "/").replace("%2f", "/"))
    return [host for host in hosts if host]


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _split(url: str) -> SplitResult:
    """`urlsplit` whose errors do not repeat the URL, and that reads the port at once."""
    try:
        parts = urlsplit(url)
        # A DSN may list hosts, and then has no single port to read.
        if "," not in parts.netloc:
            _ = parts.port
    except ValueError:
        raise ValueError("is not a valid URL") from None
    return parts
