"""The file of thresholds for rules about fraud: read here, judged by whoever knows the rules."""

import tomllib
from pathlib import Path
from typing import Any, Final

from config.settings import SettingsError

KEY: Final = "FRAUD_RULES"
DEFAULT: Final = Path(__file__).parent / "fraud.toml"
FILE_MAX_BYTES: Final = 64 * 1024


def read(path: str | None) -> dict[str, Any]:
    """The file as tables; the one that comes with the hub for None. Raises SettingsError."""
    chosen = DEFAULT if path is None else Path(path)
    try:
        with chosen.open("rb") as file:
            raw = file.read(FILE_MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError({KEY: f"cannot be read ({type(error).__name__})"}) from None
    if len(raw) > FILE_MAX_BYTES:
        raise SettingsError({KEY: "is larger than 64 KiB"})
    try:
        return tomllib.loads(raw.decode())
    except ValueError as error:
        raise SettingsError({KEY: f"is no TOML: {error}"}) from None
