"""TrueType fonts as far as a PDF needs them: widths, metrics, and the code that each character gets.

The fonts lie beside the script (data/fonts), so the manual looks the same on a machine without fonts.
"""

import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "fonts"

# cp1252 leaves these five codes free; the manual needs five characters that it lacks.
EXTRA = {"Ω": (0x81, "uni03A9"), "Δ": (0x8D, "uni0394"), "≥": (0x8F, "greaterequal"), "≤": (0x90, "lessequal")}
EXTRA |= {"−": (0x9D, "minus")}


def encode(text: str) -> bytes:
    """Text -> one byte a character; raises UnicodeEncodeError for a character that the fonts do not have."""
    return b"".join(bytes([EXTRA[c][0]]) if c in EXTRA else c.encode("cp1252") for c in text)


@dataclass(frozen=True)
class Font:
    """One TrueType file. Widths and metrics are in thousandths of the font size."""

    name: str
    data: bytes
    widths: dict[str, float]
    ascent: float
    descent: float
    cap_height: float
    box: tuple[int, int, int, int]
    italic_angle: float

    def width(self, text: str, size: float) -> float:
        """Length of a line of text in points."""
        return sum(self.widths[c] for c in text) * size / 1000

    def code_widths(self) -> list[int]:
        """Widths of the codes 32 to 255, 0 where the font has no character."""
        by_code = {encode(c)[0]: round(w) for c, w in self.widths.items()}
        return [by_code.get(code, 0) for code in range(32, 256)]


def _tables(data: bytes) -> dict[str, bytes]:
    count = struct.unpack_from(">H", data, 4)[0]
    records = (struct.unpack_from(">4s3I", data, 12 + 16 * i) for i in range(count))
    return {tag.decode(): data[offset : offset + length] for tag, _, offset, length in records}


def _characters(cmap: bytes) -> dict[int, int]:
    """Unicode -> glyph from the format 4 subtable (OpenType specification, cmap)."""
    count = struct.unpack_from(">H", cmap, 2)[0]
    offsets = (struct.unpack_from(">2HI", cmap, 4 + 8 * i) for i in range(count))
    start = next(offset for platform, encoding, offset in offsets if (platform, encoding) == (3, 1))
    segments = struct.unpack_from(">H", cmap, start + 6)[0] // 2
    at = [start + 14, start + 16 + 2 * segments, start + 16 + 4 * segments, start + 16 + 6 * segments]
    found = {}
    for i in range(segments):
        last, first, delta, jump = (struct.unpack_from(">H", cmap, a + 2 * i)[0] for a in at)
        for code in range(first, min(last, 0xFFFE) + 1):
            glyph = code
            if jump:
                glyph = struct.unpack_from(">H", cmap, at[3] + 2 * i + jump + 2 * (code - first))[0]
            found[code] = (glyph + delta) % 65536 if glyph else 0
    return found


@cache
def load(name: str) -> Font:
    """The font of data/fonts with this name, such as `Roboto-Bold`."""
    data = (FOLDER / f"{name}.ttf").read_bytes()
    tables = _tables(data)
    unit = 1000 / struct.unpack_from(">H", tables["head"], 18)[0]
    box = struct.unpack_from(">4h", tables["head"], 36)
    ascent, descent = struct.unpack_from(">2h", tables["hhea"], 4)
    metrics = struct.unpack_from(">H", tables["hhea"], 34)[0]
    advance = [struct.unpack_from(">H", tables["hmtx"], 4 * i)[0] * unit for i in range(metrics)]
    widths = {
        chr(code): advance[min(glyph, metrics - 1)] for code, glyph in _characters(tables["cmap"]).items() if glyph
    }
    italic = struct.unpack_from(">i", tables["post"], 4)[0] / 65536
    cap = struct.unpack_from(">h", tables["OS/2"], 88)[0] * unit
    scaled = tuple(round(v * unit) for v in box)
    usable = {c: w for c, w in widths.items() if c != "\xa0"}
    return Font(name, data, usable, ascent * unit, descent * unit, cap, scaled, italic)  # type: ignore[arg-type]
