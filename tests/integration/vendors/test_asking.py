"""A vendor that misbehaves: it is bounded in size, followed nowhere, and every failure is one of two."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from hub.vendors.asking import ANSWER_MAX, Vendor, VendorRefused, VendorUnavailable
from sandbox.environment import free_port

ANSWERS: dict[str, tuple[int, bytes]] = {
    "/list": (200, b"[1]"),
    "/text": (200, b"all well"),
    "/empty": (204, b""),
    "/huge": (200, b'{"a":"' + b"x" * ANSWER_MAX + b'"}'),
    "/moved": (302, b""),
    "/bad": (422, b"{}"),
    "/gone": (404, b"{}"),
    "/denied": (401, b"{}"),
    "/busy": (429, b"{}"),
    "/broken": (502, b"<html>"),
}


@pytest.fixture
async def vendor() -> AsyncIterator[tuple[Vendor, list[str]]]:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        status, body = ANSWERS.get(request.path, (200, b'{"there": true}'))
        headers = {"Location": "/elsewhere"} if status == 302 else {}
        return web.Response(status=status, body=body, headers=headers)

    app, port = web.Application(), free_port()
    app.router.add_route("*", "/{rest:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    async with aiohttp.ClientSession() as http:
        yield Vendor(http, f"http://127.0.0.1:{port}", {"Authorization": "Bearer secret"}), asked
    await runner.cleanup()


async def test_what_is_answered(vendor: tuple[Vendor, list[str]]) -> None:
    ask, _ = vendor
    assert await ask.ask("GET", "/fine") == {"there": True}
    assert await ask.ask("DELETE", "/empty") == {}


@pytest.mark.parametrize("path", ["/list", "/text", "/huge", "/moved", "/denied", "/busy", "/broken"])
async def test_what_is_asked_again(vendor: tuple[Vendor, list[str]], path: str) -> None:
    ask, asked = vendor
    with pytest.raises(VendorUnavailable) as error:
        await ask.ask("GET", path)
    assert "secret" not in str(error.value)
    assert asked == [path]


@pytest.mark.parametrize(("path", "status"), [("/bad", 422), ("/gone", 404)])
async def test_what_is_refused_for_good(vendor: tuple[Vendor, list[str]], path: str, status: int) -> None:
    ask, _ = vendor
    with pytest.raises(VendorRefused) as error:
        await ask.ask("PUT", path, {"a": 1})
    assert error.value.status == status


async def test_nobody_there() -> None:
    async with aiohttp.ClientSession() as http:
        with pytest.raises(VendorUnavailable):
            await Vendor(http, "http://127.0.0.1:9", {}).ask("GET", "/")
