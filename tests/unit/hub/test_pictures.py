"""What people upload: real pictures of every kind, and everything that only looks like one."""

import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image

from hub import picture_files, pictures
from hub.pictures import BadPicture, squares

PLACE = b"Paris, 48.8566 N"


def picture(kind: str, size: tuple[int, int] = (300, 200), mode: str = "RGB", **options: Any) -> bytes:
    image = Image.new(mode, size, "navy" if mode == "RGB" else None)
    if mode == "RGB":
        image.paste((200, 30, 30), (0, 0, size[0] // 2, size[1]))
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def exif(orientation: int = 1) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags[0x010E] = PLACE.decode()
    tags.get_ifd(0x8825)[1] = "N"
    tags.get_ifd(0x8825)[2] = (48.0, 51.0, 24.0)
    return tags


def animated(kind: str) -> bytes:
    out = io.BytesIO()
    frames = [Image.new("RGB", (40, 40), color) for color in ("red", "green", "blue")]
    frames[0].save(out, kind, save_all=True, append_images=frames[1:], duration=100)
    return out.getvalue()


def png_bomb(width: int, height: int) -> bytes:
    """A few bytes that stand for very many pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + pixels + chunk(b"IEND", b"")


def webp_bomb() -> bytes:
    """A WebP whose canvas is as large as one may say, with next to nothing on it."""
    content = bytearray(animated("WEBP"))
    assert content[12:16] == b"VP8X"
    content[24:30] = b"\xfe\x3f\x00" * 2
    return bytes(content)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("size", [(300, 200), (64, 900), (1, 1), (2000, 1500)])
def test_a_picture_becomes_two_squares(kind: str, size: tuple[int, int]) -> None:
    made = squares(picture(kind, size), None, (512, 128))
    assert made.keys() == {512, 128}
    for side, content in made.items():
        with Image.open(io.BytesIO(content)) as shown:
            assert (shown.format, shown.size) == ("WEBP", (side, side))


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1", "I;16"])
def test_every_kind_of_pixel_is_understood(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    assert squares(picture(kind, mode=mode), None, (128,))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_nothing_but_pixels_comes_along(kind: str) -> None:
    given = picture(kind, exif=exif(), icc_profile=b"\0" * 128 + PLACE)
    assert PLACE in given
    for content in squares(given, None, (512, 128)).values():
        assert PLACE not in content
        with Image.open(io.BytesIO(content)) as shown:
            assert not shown.getexif()
            assert shown.info.keys() & {"exif", "icc_profile", "xmp"} == set()


def test_a_picture_taken_sideways_is_shown_upright() -> None:
    # Red on the left; turned a quarter to the right, red is on top.
    [content] = squares(picture("JPEG", (200, 200), exif=exif(6)), None, (128,)).values()
    with Image.open(io.BytesIO(content)) as shown:
        top, bottom = shown.convert("RGB").getpixel((64, 10)), shown.convert("RGB").getpixel((64, 118))
    assert top[0] > 120 > bottom[0]  # type: ignore[index]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_every_truncation_is_refused(kind: str) -> None:
    given = picture(kind)
    step = max(1, len(given) // 60)
    for length in [*range(0, len(given), step), len(given) - 1]:
        with pytest.raises(BadPicture):
            squares(given[:length], None, (128,))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "tail", [b"PK\x03\x04" + b"x" * 40, b"<script>alert(1)</script>", b"x", b"\xff\xd8\xff"]
)
def test_two_files_in_one_are_refused(kind: str, tail: bytes) -> None:
    with pytest.raises(BadPicture, match="follows"):
        squares(picture(kind) + tail, None, (128,))


def test_other_pictures_of_the_same_moment_may_follow_but_no_other_file() -> None:
    several = picture("JPEG") + b"\0" * 16 + picture("JPEG", (80, 80))
    assert squares(several, None, (128,))
    with pytest.raises(BadPicture, match="follows"):
        squares(several + b"PK\x03\x04", None, (128,))


def test_what_hides_inside_a_picture_is_not_passed_on() -> None:
    given = picture("JPEG", comment=b"<script>alert(1)</script>")
    assert b"<script>" in given
    assert b"<script>" not in b"".join(squares(given, None, (512, 128)).values())


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_moving_pictures_are_refused(kind: str) -> None:
    with pytest.raises(BadPicture, match="animated"):
        squares(animated(kind), None, (128,))


@pytest.mark.parametrize(
    "content",
    [
        b"", b"x", b"GIF89a" + b"\0" * 40, b"BM" + b"\0" * 60, b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<html><body>hello</body></html>", b"%PDF-1.7", b"\0\0\0\x1cftypheic" + b"\0" * 40, b"\xff\xd8\xff",
        b"II*\0" + b"\0" * 40, b"RIFF\x10\0\0\0WAVE" + b"\0" * 20,
    ],
)  # fmt: skip
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(BadPicture):
        squares(content, None, (128,))


@pytest.mark.parametrize(
    "content",
    [png_bomb(50_000, 50_000), png_bomb(20_000, 2), png_bomb(5_001, 5_000), webp_bomb()],
    ids=["huge", "one side", "just above", "canvas"],
)
def test_many_pixels_are_refused_before_they_are_decoded(content: bytes) -> None:
    assert len(content) < 10_000
    with pytest.raises(BadPicture, match="too many pixels") as refused:
        squares(content, None, (128,))
    assert refused.value.too_large


def test_a_large_canvas_is_refused_before_its_decoder_takes_room_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def opened(*_: object, **__: object) -> Image.Image:
        raise AssertionError("it was opened")

    monkeypatch.setattr(Image, "open", opened)
    with pytest.raises(BadPicture, match="too many pixels"):
        squares(webp_bomb(), None, (128,))


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 80}, {"quality": 80, "exif": exif()}])
def test_a_canvas_is_read_as_its_decoder_reads_it(options: dict[str, Any]) -> None:
    assert picture_files.webp_size(picture("WEBP", (301, 207), **options)) == (301, 207)


def test_many_bytes_are_refused() -> None:
    with pytest.raises(BadPicture) as refused:
        squares(b"\xff\xd8\xff" + b"\0" * pictures.BYTES_MAX, None, (128,))
    assert refused.value.too_large


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_what_it_is_called_must_be_what_it_is(kind: str) -> None:
    for called in {*pictures.FORMATS.values(), "image/svg+xml"}:
        if called == pictures.FORMATS[kind]:
            assert squares(picture(kind), called, (128,))
        else:
            with pytest.raises(BadPicture, match="was sent as"):
                squares(picture(kind), called, (128,))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_noise_inside_is_refused_or_drawn_but_never_a_failure(kind: str) -> None:
    given = picture(kind)
    for at in range(12, len(given), max(1, len(given) // 80)):
        noisy = bytearray(given)
        noisy[at] ^= 0xFF
        try:
            assert squares(bytes(noisy), None, (128,))
        except BadPicture as refused:
            assert refused.reason  # noqa: PT017
