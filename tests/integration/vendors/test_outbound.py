"""The way out leads to the vendors' hosts, and nowhere else: not by a name, a redirect or a proxy."""

import ast
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

from billing.stripe_gateway import StripeGateway, StripeUnavailable
from config.settings import Settings, load
from hub.edge.jwks import Jwks, KeysUnavailableError
from hub.lifespan import WayOut, way_out
from hub.vendors.asking import Vendor, VendorUnavailable
from hub.vendors.outbound import HostRefused, Place, Refusals, client, places
from sandbox.environment import Addresses, free_port, hub_environment, kept_secrets

ROOT = Path(__file__).parents[3]
CLIENTS = {
    "aiohttp.ClientSession", "aiohttp.TCPConnector", "aiohttp.request", "urllib.request", "http.client",
    "httpx", "requests", "urllib3", "aiohttp_retry", "smtplib", "ftplib", "websockets",
    "stripe.AIOHTTPClient", "stripe.HTTPXClient", "stripe.RequestsClient", "twilio.http.async_http_client",
    "twilio.rest", "twilio.http.http_client", "socket.create_connection", "asyncio.open_connection",
}  # fmt: skip
"""What speaks to other hosts over HTTP, or could be made to."""
MADE_HERE = {
    ("hub/vendors/outbound.py", "aiohttp.ClientSession"),
    ("hub/vendors/outbound.py", "aiohttp.TCPConnector"),
    # It is given the session of the way out; only tests and the sandbox leave it to make one.
    ("billing/stripe_gateway.py", "stripe.AIOHTTPClient"),
    # The library speaks over the client that it is given.
    ("hub/vendors/twilio.py", "twilio.rest"),
}


@dataclass
class Vendors:
    """Stands for all vendors under `url`, and for a stranger under `stranger`; `asked` is what came there."""

    url: str
    stranger: str
    asked: list[str]
    settings: Settings


@pytest.fixture
async def vendors(tmp_path: Path) -> AsyncIterator[Vendors]:
    asked: list[str] = []
    ports = free_port(), free_port()

    async def stranger(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response({"keys": []})

    async def vendor(request: web.Request) -> web.Response:
        if request.path.endswith("/good"):
            return web.json_response({"ok": True})
        raise web.HTTPTemporaryRedirect(f"http://127.0.0.1:{ports[1]}/elsewhere")

    runners = []
    for port, handler in zip(ports, (vendor, stranger), strict=True):
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        runners.append(runner)
    addresses = Addresses(
        8_000, ports[0], "postgresql://u@127.0.0.1/x", "postgresql://u@127.0.0.1/x", "unix:///x"
    )
    settings = load(hub_environment(addresses, kept_secrets(tmp_path / "env"), {}))
    yield Vendors(f"http://127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[1]}", asked, settings)
    for runner in runners:
        await runner.cleanup()


def counted(out: WayOut) -> float:
    """How much was refused so far."""
    [metric] = out.refusals.count.collect()
    return metric.samples[0].value


def test_the_four_and_no_fifth() -> None:
    addresses = Addresses(
        8_000, 8_001, "postgresql://u@127.0.0.1/x", "postgresql://u@127.0.0.1/x", "unix:///x"
    )
    environ = hub_environment(addresses, kept_secrets(Path("/nonexistent")), {})
    bases = ("STRIPE_API_BASE", "TWILIO_API_BASE", "AGORA_API_BASE")
    real = {key: value for key, value in environ.items() if key not in bases}
    real |= {"SUPABASE_URL": "https://abc.supabase.co"}
    assert places(load(real)) == {
        "supabase": Place("https", "abc.supabase.co", 443),
        "stripe": Place("https", "api.stripe.com", 443),
        "twilio": Place("https", "api.twilio.com", 443),
        "agora": Place("https", "api.agora.io", 443),
    }


async def test_a_fifth_host_fails_before_its_name_is_looked_up(
    vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[object] = []

    def look_up(host: object, *_: object, **__: object) -> list[object]:
        looked_up.append(host)
        raise OSError("no names here")

    async with way_out(vendors.settings) as out:
        async with out.http.get(f"{vendors.url}/good") as answer:
            assert answer.status == 200
        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        elsewhere = (
            "https://tracker.example/collect", f"{vendors.stranger}/x", "https://api.stripe.com.evil.example/",
            "https://api.stripe.com/", vendors.url.replace("http:", "https:"), "http://localhost:1/",
            vendors.url.replace("127.0.0.1", "127.0.0.2"), "http://[::1]:80/", f"{vendors.url}1/",
            vendors.url.replace("//", "//tracker.example@").replace("127.0.0.1", "localhost"),
        )  # fmt: skip
        for url in elsewhere:
            with pytest.raises((HostRefused, ValueError)):
                await out.http.get(url)
        assert looked_up == []
        assert counted(out) >= len(elsewhere) - 1  # One is no address at all.
    assert vendors.asked == []


async def test_a_redirect_is_not_followed_wherever_it_leads(vendors: Vendors) -> None:
    async with way_out(vendors.settings) as out:
        with pytest.raises(HostRefused):
            await out.http.get(f"{vendors.url}/moved")
        with pytest.raises(StripeUnavailable):
            await out.stripe.read(out.stripe.api.balance.retrieve_async(), dict)
        with pytest.raises(VendorUnavailable):
            await Vendor(out.http, vendors.url, {}).ask("GET", "/moved")
        assert counted(out) == 2  # The last one never asks for it to be followed.
        keys = Jwks(f"{vendors.url}/moved", http=out.http, now_s=lambda: 1e9)
        with pytest.raises(KeysUnavailableError):
            await keys.key("any")
    assert vendors.asked == []


async def test_a_vendor_with_a_fifth_host_is_unavailable(vendors: Vendors) -> None:
    async with client(places(vendors.settings).values(), Refusals()) as http:
        with pytest.raises(VendorUnavailable, match="HostRefused"):
            await Vendor(http, vendors.stranger, {}).ask("GET", "/x")
        gateway = StripeGateway("sk_test_x", api_base=vendors.stranger, session=http)
        with pytest.raises(StripeUnavailable):
            await gateway.read(gateway.api.balance.retrieve_async(), dict)
        await gateway.close()
        assert not http.closed
    assert vendors.asked == []


async def test_the_environment_sends_nothing_through_a_proxy(
    vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, vendors.stranger)
    async with way_out(vendors.settings) as out:
        async with out.http.get(f"{vendors.url}/good") as answer:
            assert answer.status == 200
        with pytest.raises(HostRefused):
            await out.http.get(f"{vendors.url}/good", proxy=vendors.stranger)
    assert vendors.asked == []


def made_in(tree: ast.AST) -> set[str]:
    """Which of the clients a module imports or makes."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            found.add(ast.unparse(node.func))
        elif isinstance(node, ast.ClassDef):
            found |= {ast.unparse(base) for base in node.bases}
    return found & CLIENTS


def test_nobody_else_makes_a_client() -> None:
    made = set()
    for package in ("hub", "store", "billing", "rooms", "config"):
        for path in sorted((ROOT / package).rglob("*.py")):
            # A name of the library in an annotation is no client; a call or a subclass is.
            tree = ast.parse(path.read_text())
            made |= {(str(path.relative_to(ROOT)), name) for name in made_in(tree)}
    annotations = {("hub/web.py", "aiohttp.ClientSession"), ("hub/worker.py", "aiohttp.ClientSession")}
    assert made - annotations == MADE_HERE
    for name, _ in annotations:
        nodes = ast.walk(ast.parse((ROOT / name).read_text()))
        called = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
        assert "ClientSession" not in called


@pytest.mark.parametrize(
    "code",
    [
        "import httpx", "import requests", "from urllib.request import urlopen",
        "from twilio.rest import Client", "import aiohttp\naiohttp.ClientSession()",
        "from aiohttp import ClientSession", "stripe.HTTPXClient()",
        "class C(aiohttp.TCPConnector): pass", "asyncio.open_connection('x', 1)",
    ],
)  # fmt: skip
def test_the_search_finds_one(code: str) -> None:
    assert made_in(ast.parse(code))
