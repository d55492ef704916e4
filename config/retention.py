"""How long each kind of thing is kept, and why so long: from `retention.toml`, or a file in its place."""

import functools
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from config.settings import SettingsError

FILE: Final = Path(__file__).parent / "retention.toml"
KEY: Final = "RETENTION_FILE"
FILE_MAX_BYTES: Final = 64 * 1024

LEAST_DAYS: Final[Mapping[str, int]] = {
    "books": 3_650,
    "fraud_sightings": 60,
    "fraud_cards": 100,
    "removed": 90,
}
"""Below which no installation goes. Books: what commercial law asks. The others: as far back as rules about
fraud look, and as a restored backup may bring back who was removed."""

Sentence = Annotated[str, Meta(min_length=3, max_length=400)]
Days = Annotated[int, Meta(ge=1, le=36_500)]


class Says(Struct, frozen=True, forbid_unknown_fields=True):
    """How long, in a sentence of each language."""

    en: Sentence
    fr: Sentence


class Period(Struct, frozen=True, forbid_unknown_fields=True):
    """How long. `days`: so old it is shown nowhere any more, and `hidden_days` later it is removed.

    None for what ends with something else, and `ends` names that: the account, its moment, or nothing.
    `basis`: why so long.
    """

    says: Says
    basis: Sentence
    days: Days | None = None
    hidden_days: Annotated[int, Meta(ge=0, le=90)] = 0
    ends: Literal["account", "moment", "never"] | None = None


@functools.cache
def periods() -> dict[str, Period]:
    """The periods that come with the hub, by key."""
    return read(FILE)


def chosen(path: str | None) -> dict[str, Period]:
    """The periods of this installation: a file's, or for None those that come with the hub.

    Raises SettingsError, which names each key that is missing, unknown or too short.
    """
    if path is None:
        return periods()
    found = read(Path(path))
    problems = list(_problems(found, periods()))
    if problems:
        raise SettingsError({KEY: "; ".join(problems)})
    return found


def read(path: Path) -> dict[str, Period]:
    """The periods of a file, by key. Raises SettingsError."""
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_MAX_BYTES + 1)
        if len(raw) > FILE_MAX_BYTES:
            raise SettingsError({KEY: f"{path.name} is larger than 64 KiB"})
        found = msgspec.convert(tomllib.loads(raw.decode()), dict[str, Period])
    except OSError as error:
        raise SettingsError({KEY: f"{path.name} cannot be read ({type(error).__name__})"}) from None
    except (ValueError, msgspec.ValidationError) as error:
        raise SettingsError({KEY: f"{path.name}: {error}"}) from None
    problems = [problem for name, period in found.items() for problem in _of_period(name, period)]
    if problems:
        raise SettingsError({KEY: f"{path.name}: {'; '.join(problems)}"})
    return found


def _of_period(name: str, period: Period) -> Iterator[str]:
    if (period.days is None) == (period.ends is None):
        yield f"{name} has either days or what ends it"
    if period.days is None and period.hidden_days:
        yield f"{name} has hidden_days and no days"
    least = LEAST_DAYS.get(name)
    if least is not None and (period.days is None or period.days < least):
        yield f"{name} is kept for {least} days at least"


def _problems(found: Mapping[str, Period], known: Mapping[str, Period]) -> Iterator[str]:
    yield from (f"{name} is missing" for name in sorted(known.keys() - found.keys()))
    yield from (f"{name} is no such kind" for name in sorted(found.keys() - known.keys()))
    for name in sorted(known.keys() & found.keys()):
        # What ends with an account, or never, is what the hub does: no file can change that.
        if (found[name].days is None) != (known[name].days is None) or found[name].ends != known[name].ends:
            yield f"{name} ends as it does in the file that comes with the hub"
