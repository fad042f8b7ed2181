"""An image file as a decoder gets to see it: the parts that draw the picture, and what the others say of it.

Texts, colour profiles, previews and metadata stand beside the picture. None of them reaches the decoder, so none can
refuse it. PNG, JPEG and WebP are lists of parts with their lengths; from where a list cannot be followed the file is
left as it is, for the decoder to judge.
"""

import io
import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import IO, BinaryIO

from colvision.pdf.backends.declared import MAX_EXIF_BYTES, Declared

_TRANSPARENCY_BYTES = {0: range(2, 3), 2: range(6, 7), 3: range(1, 257)}  # by the colour type of a PNG
_JFIF_UNITS = {1: 1.0, 2: 2.54}  # pixels an inch in one of them
_WEBP_PARTS = (b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF")
_WEBP_EXTRAS = 0x2C  # flags of VP8X: a colour profile, EXIF, XMP


def open_png(path: Path) -> tuple[IO[bytes], Declared]:
    """The chunks that every reader must understand, and the colours that are transparent."""
    file = path.open("rb")
    head = file.read(26)
    bits, colour = head[24:26] if len(head) == 26 else b"\x08\x00"
    declared, spans, end = Declared(bits=bits), [(0, 8)], 8
    for start, end, name in _png_chunks(file):
        is_colour = name == b"tRNS" and _png_data(file, start, end, _TRANSPARENCY_BYTES.get(colour, range(0)))
        if name[:1].isupper() or is_colour:
            spans.append((start, end))
        elif name == b"pHYs" and (data := _png_data(file, start, end, range(9, 10))):
            x, y, unit = struct.unpack(">IIB", data)
            declared = declared.with_density(x, y, 0.0254 if unit == 1 else 0.0)
        elif name == b"eXIf" and (data := _png_data(file, start, end, range(MAX_EXIF_BYTES))):
            declared = declared.with_exif(data)
    return _parts(file, [*spans, (end, path.stat().st_size)]), declared


def _png_chunks(file: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """(start, end, name) of each chunk, as far as they are whole; one that is no picture may be cut short."""
    at, size = 8, file.seek(0, io.SEEK_END)
    while len(head := _read(file, at, 8)) == 8 and head[4:].isalpha():
        end = at + 12 + int.from_bytes(head[:4])
        if end > size and head[4:5].isupper():
            return
        end = min(end, size)
        yield at, end, head[4:]
        at = end


def _png_data(file: BinaryIO, start: int, end: int, lengths: range) -> bytes:
    """The data of a chunk; empty where it has a wrong length or a wrong checksum."""
    if end - start - 12 not in lengths:
        return b""
    chunk = _read(file, start + 4, end - start - 4)
    return chunk[4:-4] if zlib.crc32(chunk[:-4]) == int.from_bytes(chunk[-4:]) else b""


def open_jpeg(path: Path) -> tuple[IO[bytes], Declared]:
    """All but the application segments and comments; of those the two that say what the colours are."""
    file = path.open("rb")
    declared, spans, at, exif = Declared(), [(0, 2)], 2, b""
    has_four_colours = is_adobe = False
    for at, end, marker, data in _jpeg_segments(file):
        is_jfif = marker == 0xE0 and data[:5] == b"JFIF\0" and len(data) >= 14
        if is_jfif:
            unit, x, y = struct.unpack_from(">BHH", data, 7)
            declared = declared.with_density(x, y, _JFIF_UNITS.get(unit, 0.0))
        is_colour = marker == 0xEE and data[:5] == b"Adobe" and len(data) >= 12
        is_adobe |= is_colour
        if marker == 0xE1 and data[:6] == b"Exif\0\0":
            exif += data[6:]
        if marker in (0xC0, 0xC1, 0xC2):
            has_four_colours = data[5:6] == b"\x04"
        if is_jfif or is_colour or not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            spans.append((at, end))
        at = end
    # Ink is 0 in Adobe's files alone; Pillow takes it for 0 in all.
    declared = replace(declared.with_exif(exif), inverted=has_four_colours and not is_adobe)
    return _parts(file, [*spans, (at, path.stat().st_size)]), declared


def _jpeg_segments(file: BinaryIO) -> Iterator[tuple[int, int, int, bytes]]:
    """(start, end, marker, data) of each segment before the first scan."""
    at = 2
    while len(head := _read(file, at, 4)) == 4 and head[0] == 0xFF:
        marker, length = head[1], int.from_bytes(head[2:])
        if marker == 0xFF:  # a byte between segments
            at += 1
            continue
        if marker in (0x00, 0x01, 0xD9, 0xDA, *range(0xD0, 0xD9)) or length < 2:
            return
        yield at, at + 2 + length, marker, file.read(length - 2)
        at += 2 + length


def open_webp(path: Path) -> tuple[IO[bytes], Declared]:
    """The chunks of the picture, as a file of their own: its decoder reads all of it at once."""
    data, declared, kept, at = path.read_bytes(), Declared(), bytearray(), 12
    while len(data) >= at + 8:
        name, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + length + length % 2
        if name == b"EXIF":
            declared = declared.with_exif(data[at + 8 : min(end, at + 8 + MAX_EXIF_BYTES)].removeprefix(b"Exif\0\0"))
        if name in _WEBP_PARTS:
            kept += data[at:end]
        if name == b"VP8X" and length:
            kept[8] &= ~_WEBP_EXTRAS & 0xFF
        at = end
    return io.BytesIO(b"RIFF" + struct.pack("<I", len(kept) + 4) + b"WEBP" + kept), declared


def _read(file: BinaryIO, at: int, length: int) -> bytes:
    file.seek(at)
    return file.read(length)


def _parts(file: BinaryIO, spans: list[tuple[int, int]]) -> IO[bytes]:
    return io.BufferedReader(_Parts(file, spans))


class _Parts(io.RawIOBase):
    """Some parts of a file, end to end; each is (start, end)."""

    def __init__(self, file: BinaryIO, spans: list[tuple[int, int]]) -> None:
        self._file = file
        self._spans = spans
        self._starts = [0, *accumulate(end - start for start, end in spans)]
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed's WriteableBuffer
        number = bisect_right(self._starts, self._at) - 1
        if number >= len(self._spans):
            return 0
        start, end = self._spans[number]
        at = start + self._at - self._starts[number]
        data = _read(self._file, at, min(len(buffer), end - at))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
