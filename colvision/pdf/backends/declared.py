"""What an image says of itself: how it is turned, the shape of its pixels, its paper, and which value is white.

Whatever says nothing that can be read says nothing: a tag never refuses a picture.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import SupportsFloat, cast

MAX_EXIF_BYTES = 2**20

_MAX_STRETCH = 3.0  # a fax has 204 x 98 dots an inch; what is far beyond is a slip
_MIN_PAPER_DPI = 100.0  # what is below is a default of cameras and screens
_PIXELS_AN_INCH = {2: 1.0, 3: 2.54}  # by the unit of TIFF and EXIF
_BITS, _PHOTOMETRIC, _ORIENTATION, _MAX_SAMPLE, _X_DENSITY, _Y_DENSITY, _UNIT = 258, 262, 274, 281, 282, 283, 296
_SHORT, _RATIONAL = 3, 5  # kinds of EXIF values


@dataclass(frozen=True, slots=True)
class Declared:
    """What an image says of itself; the defaults are what is taken of one that says nothing."""

    orientation: int = 1  # as in EXIF: how the stored rows are turned
    stretch: float = 1.0  # height of a stored pixel over its width
    dpi: float | None = None  # pixels an inch of paper along a stored row; None where the paper is unknown
    bits: int = 8  # a sample
    largest: float | None = None  # value of a sample, where it may be less than the bits hold
    inverted: bool = False  # its white is the decoder's black

    def with_density(self, x: float, y: float, pixels_an_inch: float) -> "Declared":
        """With `x` and `y` pixels a unit of length along the stored sides; 0 for a unit that is no length of paper."""
        if not (0 < x < math.inf and 0 < y < math.inf) or not 1 / _MAX_STRETCH <= x / y <= _MAX_STRETCH:
            return self
        dpi = x * pixels_an_inch
        return replace(self, stretch=x / y, dpi=dpi if dpi >= _MIN_PAPER_DPI else None)

    def with_exif(self, data: bytes) -> "Declared":
        """With its EXIF's orientation, and density where the format itself named none."""
        tags = _exif_tags(data)
        turned = replace(self, orientation=_orientation(tags.get(_ORIENTATION)))
        if self.stretch != 1.0 or self.dpi:
            return turned
        return turned.with_density(tags.get(_X_DENSITY, 0.0), tags.get(_Y_DENSITY, 0.0), 0.0)  # a camera's, of no paper

    def upright(self) -> "Declared":
        """Of the same image when its rows have been turned upright."""
        if self.orientation < 5:
            return replace(self, orientation=1)
        return replace(self, orientation=1, stretch=1 / self.stretch, dpi=self.dpi and self.dpi / self.stretch)


def read_tiff_tags(tags: Mapping[int, object]) -> Declared:
    """What the tags of a TIFF page say."""
    bits = int(_number(tags, _BITS) or 1)
    is_wide = bits > 8  # the decoder itself turns and spreads the values of the others
    declared = Declared(
        _orientation(_number(tags, _ORIENTATION)),
        bits=bits,
        largest=_number(tags, _MAX_SAMPLE) if is_wide else None,
        inverted=is_wide and _number(tags, _PHOTOMETRIC) == 0,
    )
    pixels_an_inch = _PIXELS_AN_INCH.get(int(_number(tags, _UNIT) or 2), 0.0)
    return declared.with_density(_number(tags, _X_DENSITY) or 0.0, _number(tags, _Y_DENSITY) or 0.0, pixels_an_inch)


def _exif_tags(data: bytes) -> dict[int, float]:
    """The single numbers in the first directory, as far as it is whole."""
    tags: dict[int, float] = {}
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None:
        return tags
    try:
        [first] = struct.unpack_from(f"{order}I", data, 4)
        [count] = struct.unpack_from(f"{order}H", data, first)
        for at in range(first + 2, first + 2 + 12 * count, 12):
            tag, kind, length, place = struct.unpack_from(f"{order}HHII", data, at)
            if (kind, length) == (_SHORT, 1):
                [tags[tag]] = struct.unpack_from(f"{order}H", data, at + 8)
            elif (kind, length) == (_RATIONAL, 1):
                above, below = struct.unpack_from(f"{order}II", data, place)
                tags[tag] = above / below if below else 0.0
    except struct.error:
        pass  # cut short: what came before holds
    return tags


def _number(tags: Mapping[int, object], tag: int) -> float | None:
    """A tag's value, the first of several; None where it is missing or no number."""
    try:
        value = tags.get(tag)
        return float(cast(SupportsFloat, value[0] if isinstance(value, tuple) else value))
    except (TypeError, ValueError, ArithmeticError, LookupError, struct.error):
        return None


def _orientation(value: float | None) -> int:
    return int(value) if value and value in range(1, 9) else 1
