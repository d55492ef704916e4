"""The demo plays against any hub that runs, beside another demo, and says so when there is none."""

import asyncio
import os
import sys
from pathlib import Path

from sandbox.environment import write_env
from sandbox.up import ROOT
from tests.stack import Stack


async def demo(data_dir: Path) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox.demo",
        cwd=ROOT, env={**os.environ, "DATA_DIR": str(data_dir)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    told, _ = await process.communicate()
    return process.returncode, told.decode()


async def test_two_demos_side_by_side(stack: Stack, tmp_path: Path) -> None:
    write_env(tmp_path / "env", stack.env)
    for code, told in await asyncio.gather(demo(tmp_path), demo(tmp_path)):
        assert code == 0, told
        assert "Everything was as promised." in told
        assert "not billed" in told
        assert "\x1b" not in told


async def test_without_a_hub_it_says_so(stack: Stack, tmp_path: Path) -> None:
    code, told = await demo(tmp_path)
    assert (code, "make run" in told) == (1, True)
    # Nothing listens on the first port of all.
    write_env(tmp_path / "env", {**stack.env, "PUBLIC_URL": "http://127.0.0.1:1"})
    code, told = await demo(tmp_path)
    assert (code, "no hub answers" in told) == (1, True)
