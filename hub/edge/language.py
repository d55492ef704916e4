"""The language in which a connection is spoken to: what its client asks for, else what its browser does."""

from typing import Final, NamedTuple

from hub.words import LANGUAGES, Language

HEADER_MAX: Final = 200
TAGS_MAX: Final = 10


class Spoken(NamedTuple):
    """A language that the hub speaks, and the country that the client's own wish names, if it names one."""

    language: Language
    region: str | None


def spoken(asked: object, accepted: str) -> Spoken:
    """From `auth.language` (a tag like `fr` or `fr-CA`) and the header Accept-Language; English otherwise."""
    wished = [asked] if isinstance(asked, str) and len(asked) <= HEADER_MAX else []
    tags = [*wished, *_by_preference(accepted[:HEADER_MAX])]
    regions = (_region(tag) for tag in tags)
    region = next((found for found in regions if found is not None), None)
    for tag in tags:
        primary = tag.strip().partition("-")[0].lower()
        for language in LANGUAGES:
            if primary == language:
                return Spoken(language, region)
    return Spoken("en", region)


def _by_preference(header: str) -> list[str]:
    """The tags of an Accept-Language header (RFC 9110, section 12.5.4), the most wanted first."""
    weighed = [_weighed(part) for part in header.split(",")[:TAGS_MAX]]
    return [tag for weight, tag in sorted(weighed, key=lambda found: -found[0]) if weight > 0]


def _weighed(part: str) -> tuple[float, str]:
    tag, _, parameter = part.strip().partition(";")
    name, _, value = parameter.strip().partition("=")
    if name != "q":
        return 1.0, tag
    digits = value.strip()
    # By the grammar: 0 or 1, and up to three digits after the point.
    if not digits.isascii() or not digits.replace(".", "", 1).isdigit() or len(digits) > 5:
        return 0.0, tag
    return float(digits), tag


def _region(tag: str) -> str | None:
    parts = tag.strip().split("-")[1:]
    return next(
        (part.upper() for part in parts if len(part) == 2 and part.isascii() and part.isalpha()), None
    )
