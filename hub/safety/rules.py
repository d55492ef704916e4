"""The rule book as the hub uses it, and `python -m hub rules`, which reads one and tries it on history.

    rules check FOLDER                          whether a book is fit to start with; needs no settings
    rules dry-run [--rules FOLDER] [--days N]   what it would have done to what was said

A dry run changes nothing and prints no word of what anybody said.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from config import moderation, retention
from config.moderation import BookError
from config.settings import Settings
from hub import lifespan, wall_clock
from hub.safety.rules_trial import Trial
from rooms.safety.book import Book
from rooms.safety.rules import BadRule, Rules
from store.privacy.retention import Ages

FOLDER: Final = Path(moderation.__file__).with_suffix("")
"""The book that comes with the hub."""

DAY_MS: Final = 86_400_000
DAYS: Final = 30


def load(folder: Path = FOLDER, *, hosts: Sequence[str] = ()) -> Rules:
    """The book in a folder, ready; `hosts`, such as the hub's own, may be linked to as well.

    Raises `config.moderation.BookError` or `rooms.safety.rules.BadRule`.
    """
    book = msgspec.convert(moderation.read(folder), Book, from_attributes=True)
    options = book.options
    allowed = msgspec.structs.replace(options, allowed_hosts=(*options.allowed_hosts, *hosts))
    return Rules.of(msgspec.structs.replace(book, options=allowed))


def check(arguments: Sequence[str]) -> int:
    """Read and compile the book in a folder. 0 and a line about it, or 1 and everything that is wrong."""
    parser = argparse.ArgumentParser(prog="python -m hub rules check")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    try:
        rules = load(folder)
    except (BookError, BadRule) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{folder}: version {rules.version}, {len(rules.rules)} rules\n")
    return 0


async def run(settings: Settings, stop: asyncio.Event, arguments: Sequence[str]) -> int:
    """Try a book on what was said and print what each rule would have done. 0, or 1 for a bad book."""
    parser = argparse.ArgumentParser(prog="python -m hub rules")
    commands = parser.add_subparsers(required=True, dest="command")
    dry_run = commands.add_parser("dry-run", help="what a book would have done to what was said")
    dry_run.add_argument("--rules", type=Path, default=settings.rules_dir or FOLDER, metavar="FOLDER")
    dry_run.add_argument("--days", type=int, default=DAYS, metavar="N")
    options = parser.parse_args(arguments)
    try:
        rules = load(options.rules)
    except (BookError, BadRule) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    async with lifespan.postgres_pool(settings) as pool:
        keyring = await lifespan.keyring(settings, pool, write=False)
        trial = Trial(rules)
        now_ms = wall_clock.now_ms()
        kept = Ages(retention.chosen(settings.retention_file)).shown_after_ms("messages", now_ms)
        from_ms = max(now_ms - options.days * DAY_MS, kept + 1)
        await trial.run(pool, keyring, from_ms=from_ms, stop=stop)
    sys.stdout.write(trial.report())
    return 0
