"""`python -m sandbox` as a process: what it refuses, how it stops, what a kill leaves."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from sandbox.settings import is_local
from tests.integration.sandbox.outside import free_port

ROOT = Path(__file__).parents[3]


async def start(tmp_path: Path, port: int, **env: str) -> asyncio.subprocess.Process:
    given = {"PATH": os.environ["PATH"], "SANDBOX_PORT": str(port), "DATA_DIR": str(tmp_path), **env}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox", env=given, cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )


async def until_ready(port: int) -> None:
    async with aiohttp.ClientSession() as http:
        while True:
            try:
                async with http.get(f"http://127.0.0.1:{port}/healthz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.05)


async def test_refuses_the_world_and_live_keys(tmp_path: Path) -> None:
    process = await start(
        tmp_path,
        free_port(),
        PUBLIC_URL="https://hub.example.com",
        STRIPE_SECRET_KEY="sk_live_x",
        DATABASE_URL="postgresql://u:topsecret@db.example.com/x",
    )
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert len(errors.decode().splitlines()) == 1
    for name in ("PUBLIC_URL", "DATABASE_URL", "STRIPE_SECRET_KEY"):
        assert name in errors.decode()
    assert "topsecret" not in errors.decode()


async def test_a_killed_sandbox_remembers_and_a_stopped_one_is_clean(tmp_path: Path) -> None:
    port = free_port()
    killed = await start(tmp_path, port)
    await until_ready(port)
    async with aiohttp.ClientSession() as http:
        body = {"email": "amara@example.com", "password": "secret1"}
        async with http.post(f"http://127.0.0.1:{port}/auth/v1/signup", json=body) as response:
            assert response.status == 200
    killed.kill()
    await killed.wait()
    again = await start(tmp_path, port)
    await until_ready(port)
    async with aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{port}/auth/v1/token?grant_type=password"
        async with http.post(url, json=body) as response:
            assert response.status == 200
    again.send_signal(signal.SIGTERM)
    assert await again.wait() == 0


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://localhost", True),
        ("http://[::1]:80", True),
        ("postgresql://u:p@127.0.0.1:5432/x", True),
        ("postgresql:///x?host=/run/pg", True),
        ("postgresql://u@%2Frun%2Fpg/x", True),
        ("unix:///run/valkey.sock", True),
        ("http://127.0.0.1.example.com", False),
        ("http://10.0.0.1", False),
        ("https://hub.example.com", False),
        ("postgresql://u:p@127.0.0.1,db.example.com/x", False),
        ("postgresql:///x?host=db.example.com", False),
        ("http://127.0.0.1@evil.example", False),
        ("nonsense", False),
    ],
)
def test_what_counts_as_this_machine(address: str, local: bool) -> None:
    assert is_local(address) is local
