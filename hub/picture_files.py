"""What a picture's file says of itself, read before any decoder sees it: where it ends, and how large it is.

What follows the end is no part of the picture. A file that is a picture and something else as well is made to
be taken for the one and used as the other.
"""

from typing import Final

PNG_HEAD: Final = 8
SIZE: Final = 4


def ends_cleanly(kind: str, content: bytes) -> bool:
    """Whether the file is whole and nothing else follows. `kind` is JPEG, PNG or WEBP."""
    ends = {"PNG": _png, "WEBP": _webp, "JPEG": _jpeg}
    return ends[kind](content)


def _png(content: bytes) -> bool:
    """Chunks of length, name, data and checksum, up to IEND, which is the last."""
    at = PNG_HEAD
    while at + 12 <= len(content):
        length, name = int.from_bytes(content[at : at + SIZE], "big"), content[at + 4 : at + 8]
        at += 12 + length
        if name == b"IEND":
            return at == len(content)
    return False


def _webp(content: bytes) -> bool:
    """RIFF says how long it is; an odd length is filled up by one byte."""
    said = int.from_bytes(content[4:8], "little") + 8
    return said + said % 2 == len(content) or said == len(content)


def _jpeg(content: bytes) -> bool:
    """Segments up to the scan, the scan up to the end marker. Telephones put other pictures of the same
    moment, or zeros, behind that; nothing else may follow.
    """
    at = 0
    while content.startswith(b"\xff\xd8\xff", at):
        end = _jpeg_end(content, at)
        if end is None:
            return False
        at = end
        while content.startswith(b"\0", at) and at < len(content):
            at += 1
    return at == len(content)


def webp_size(content: bytes) -> tuple[int, int] | None:
    """Width and height of a WebP, or None. Its decoder takes room for all of it before it can be asked."""
    kind, head = content[12:16], content[20:30]
    if len(head) < 10:
        return None
    if kind == b"VP8X":
        return 1 + int.from_bytes(head[4:7], "little"), 1 + int.from_bytes(head[7:10], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(head[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        return int.from_bytes(head[6:8], "little") & 0x3FFF, int.from_bytes(head[8:10], "little") & 0x3FFF
    return None


def _jpeg_end(content: bytes, start: int) -> int | None:
    at = start + 2
    while at + 4 <= len(content):
        if content[at] != 0xFF:
            return None
        marker = content[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker == 0xD9:
            return at + 2
        else:
            at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
            if marker == 0xDA:
                at = _after_scan(content, at)
    return at + 2 if content[at : at + 2] == b"\xff\xd9" else None


def _after_scan(content: bytes, at: int) -> int:
    """The next marker that ends the scan: neither a stuffed byte nor a restart."""
    while True:
        at = content.find(b"\xff", at)
        if at < 0 or at + 1 >= len(content):
            return len(content)
        if content[at + 1] not in (0x00, 0xFF, *range(0xD0, 0xD8)):
            return at
        at += 1 if content[at + 1] == 0xFF else 2
