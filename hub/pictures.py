"""From whatever somebody uploads to the pictures that are shown: decided by content, made anew, nothing kept.

What is shown is drawn from pixels alone, so no place, no camera and no second file comes along.
"""

import io
from collections.abc import Mapping
from typing import Final, Literal

from PIL import Image, ImageOps

from hub import picture_files

BYTES_MAX: Final = 5 * 1024 * 1024
PIXELS_MAX: Final = 25_000_000
"""More is refused before it is decoded: a file of a few kilobytes may stand for gigabytes."""
SIDE_MAX: Final = 16_384
# Our own limit is lower than the library's, and looked at before anything is decoded.
Image.MAX_IMAGE_PIXELS = None
QUALITY: Final = 82
MEDIA_TYPE: Final = "image/webp"

FORMATS: Final[Mapping[str, str]] = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
# A telephone's picture that holds others of the same moment is opened under this name; the first one counts.
SEVERAL: Final = "MPO"


class BadPicture(ValueError):
    """Not a picture that we take. `too_large` tells a matter of size from one of kind."""

    def __init__(self, reason: str, *, too_large: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.too_large = too_large


def squares(content: bytes, declared: str | None, sizes: tuple[int, ...]) -> dict[int, bytes]:
    """The picture, square, in each of `sizes` pixels, as WebP. Takes a moment: never run it on the loop.

    `declared` is the media type that came with it, if that was a picture's. Raises BadPicture.
    """
    if len(content) > BYTES_MAX:
        raise BadPicture("is larger than 5 MiB", too_large=True)
    kind = _kind(content)
    if declared is not None and declared != FORMATS[kind]:
        raise BadPicture(f"was sent as {declared[:40]}, but is {FORMATS[kind]}")
    if not picture_files.ends_cleanly(kind, content):
        raise BadPicture("is incomplete, or something else follows it")
    try:
        whole = _upright(content, kind, max(sizes))
    except BadPicture:
        raise
    except Exception:  # noqa: BLE001  A decoder meets a stranger's bytes: whatever it says, they are unfit.
        raise BadPicture("cannot be read") from None
    return {size: _encoded(whole, size) for size in sizes}


def _kind(content: bytes) -> Literal["JPEG", "PNG", "WEBP"]:
    if content.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    raise BadPicture("expected JPEG, PNG or WebP")


def _upright(content: bytes, kind: str, side: int) -> Image.Image:
    """Decoded, turned as its camera says, of at most a few times the size that is wanted."""
    if kind == "WEBP":
        _bounded(picture_files.webp_size(content) or (0, 0))
    with Image.open(io.BytesIO(content), formats=[kind]) as image:
        _bounded(image.size)
        if image.format != SEVERAL and getattr(image, "n_frames", 1) > 1:
            raise BadPicture("is animated")
        if kind == "JPEG":
            image.draft("RGB", (2 * side, 2 * side))
        image.load()
        turned = ImageOps.exif_transpose(image)
        return turned.convert("RGBA" if turned.has_transparency_data else "RGB")


def _bounded(size: tuple[int, int]) -> None:
    if max(size) > SIDE_MAX or size[0] * size[1] > PIXELS_MAX:
        raise BadPicture("has too many pixels", too_large=True)
    if min(size) < 1:
        raise BadPicture("cannot be read")


def _encoded(whole: Image.Image, size: int) -> bytes:
    fitted = ImageOps.fit(whole, (size, size), Image.Resampling.LANCZOS)
    # A new picture has no colour profile, no comment and no place: only what is drawn on it.
    clean = Image.new(fitted.mode, fitted.size)
    clean.paste(fitted)
    out = io.BytesIO()
    clean.save(out, "WEBP", quality=QUALITY, method=4)
    return out.getvalue()
