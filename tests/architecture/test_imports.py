"""The import directions hold, and the check that says so can fail."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINTER = Path(sys.executable).with_name("lint-imports")
PACKAGES = ("hub", "rooms", "billing", "store", "config", "sandbox", "tests")
WRONG = {
    "rooms/wrong_layer.py": ("import billing", "layers"),
    "store/wrong_settings.py": ("import config", "settings"),
    "config/wrong_way.py": ("import rooms", "config"),
    "rooms/wrong_io.py": ("import redis", "pure-rooms"),
    "billing/wrong_io.py": ("import asyncpg", "pure-billing"),
    "hub/wrong_stripe.py": ("import stripe", "stripe"),
    "hub/wrong_twilio.py": ("from twilio.rest import Client", "twilio"),
    "hub/wrong_sandbox.py": ("import sandbox.environment", "sandbox"),
    "sandbox/wrong_hub.py": ("import hub", "sandbox-apart"),
}
RIGHT = {"billing/stripe_gateway.py": "import stripe\n", "hub/vendors/twilio.py": "import twilio\n"}


def lint(directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINTER, "--no-cache", "--config", directory / "pyproject.toml"],
        cwd=directory, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """The packages, empty, under the project's own contracts."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in (*PACKAGES, "hub/vendors"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "sandbox" / "environment.py").touch()
    for name, code in RIGHT.items():
        (tmp_path / name).write_text(code)
    return tmp_path


def test_the_project_keeps_its_directions() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


def test_what_is_allowed_passes(bare: Path) -> None:
    done = lint(bare)
    assert done.returncode == 0, done.stdout


def test_every_contract_can_be_broken(bare: Path) -> None:
    for name, (code, _) in WRONG.items():
        (bare / name).write_text(f"{code}\n")
    done = lint(bare)
    assert done.returncode == 1
    broken = done.stdout.count(" BROKEN")
    assert broken == len({contract for _, contract in WRONG.values()}), done.stdout
    for name in WRONG:
        assert name.removesuffix(".py").replace("/", ".") in done.stdout
