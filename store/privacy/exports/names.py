"""Names of files in an archive. They are made of ids, names of tables and numbers alone, so that no name
leads out of the folder into which somebody unpacks it, whatever people call themselves.
"""

import re
from typing import Final

_FOLDER: Final = re.compile(r"[a-z]{1,20}")
_STEM: Final = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?")
_EXTENSION: Final = re.compile(r"[a-z0-9]{1,5}")


class UnsafeName(Exception):
    """Not fit to be the name of a file."""


def member(folder: str, stem: str, extension: str) -> str:
    """`folder/stem.extension`. Raises UnsafeName for anything that is no plain, short, lower-case word."""
    parts = ((folder, _FOLDER), (stem, _STEM), (extension, _EXTENSION))
    if not all(shape.fullmatch(part) for part, shape in parts):
        raise UnsafeName
    return f"{folder}/{stem}.{extension}"
