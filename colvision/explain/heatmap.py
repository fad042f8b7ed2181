"""A heatmap: the page image with what was found on it, how alike each patch is, and where the best ones are."""

from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageDraw

from colvision.core.embedding import Floats
from colvision.core.page import Box

# Yellow (weak), orange, pink, violet (strong): falls evenly in lightness, so it reads without colour and for the
# colour-blind; the darkest still leaves print a contrast of 4.5 to 1. The same in app/static/heatmap.js.
_COLOURS = np.array(
    [(253, 231, 60), (255, 193, 75), (252, 160, 112), (236, 130, 172), (182, 122, 235)], dtype=np.float32
)
_FAINTEST = 0.08  # of the display range: below it nothing is drawn
_COVER = (0.35, 0.65)  # of the opacity: what the faintest colour has, and what strength 1 adds
_OUTLINE = (84, 10, 140)


def draw_heatmap(page: Image.Image, strength: Floats, outlined: Iterable[Box], *, opacity: float) -> Image.Image:
    """(rows, cols) `strength` in 0..1 as colour over the page, a line around `outlined` (fractions of it)."""
    drawn = _tint(page.convert("RGB"), strength, opacity)
    pen = ImageDraw.Draw(drawn)
    line = max(2, drawn.width // 500)  # pixels; it runs outside, so that no ink is under it
    for box in outlined:
        left, top, right, bottom = box.scaled(drawn.size)
        pen.rectangle((left - line, top - line, right + line - 1, bottom + line - 1), outline=_OUTLINE, width=line)
    return drawn


def _tint(page: Image.Image, strength: Floats, opacity: float) -> Image.Image:
    """(rows, cols) strength in 0..1 over the page, cell by cell with hard edges: a patch is what was compared."""
    steps = strength * (len(_COLOURS) - 1)
    low = np.clip(steps.astype(np.int64), 0, len(_COLOURS) - 2)
    share = (steps - low)[..., None]
    colour = _COLOURS[low] * (1 - share) + _COLOURS[low + 1] * share  # (rows, cols, 3)
    cover = np.where(strength < _FAINTEST, 0.0, opacity * (_COVER[0] + _COVER[1] * strength)) * 255
    ink = Image.fromarray(colour.astype(np.uint8)).resize(page.size, Image.Resampling.NEAREST)
    mask = Image.fromarray(cover.astype(np.uint8)).resize(page.size, Image.Resampling.NEAREST)
    return Image.composite(_multiply(page, ink), page, mask)


def _multiply(page: Image.Image, ink: Image.Image) -> Image.Image:
    """The colour as a transparent marker: what is printed below stays black."""
    product = np.asarray(page, dtype=np.uint16) * np.asarray(ink, dtype=np.uint16) // 255
    return Image.fromarray(product.astype(np.uint8))
