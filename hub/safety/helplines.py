"""Where somebody in distress can turn to, country by country, as `config/moderation/help.toml` lists it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from config import moderation
from hub.safety.rules import FOLDER
from hub.wire_safety import Help, HelpItem
from hub.words import Language

INTERNATIONAL: Final = "international"


def load(folder: Path = FOLDER) -> "Helplines":
    """The lists of a rule book. Raises `config.moderation.BookError`."""
    book = moderation.read(folder)
    return Helplines(book.help, book.help_everywhere)


class Helplines:
    """The lists, by ISO 3166 code, and one for everywhere else."""

    def __init__(
        self, countries: Mapping[str, Iterable[moderation.Line]], everywhere: Iterable[moderation.Line]
    ) -> None:
        self._countries = {country: tuple(lines) for country, lines in countries.items()}
        self._everywhere = tuple(everywhere)

    def of(self, country: str | None, language: Language) -> Help:
        """A country's list, or the international one; who answers in the language comes first."""
        lines = self._countries.get(country or "")
        if country is None or lines is None:
            country, lines = INTERNATIONAL, self._everywhere
        by_language = sorted(lines, key=lambda line: bool(line.languages) and language not in line.languages)
        return Help(country, [_item(line) for line in by_language])


def _item(line: moderation.Line) -> HelpItem:
    return HelpItem(line.name, line.phone, line.text, line.url, line.hours)
