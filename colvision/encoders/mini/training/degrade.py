"""What scanners, photocopiers and fax machines do to a crop at 98 dpi: `simulate_scan`, and what that leaves out.

The shipped weights were trained with other draws of the same kinds (git history, commit e61b224).
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from colvision.evaluation.scans import ScanSettings, simulate_scan

_CLEAN, _HEAVY = 0.25, 0.4  # shares of crops; the rest is in between
_SHADOW_SHIFT = 40  # pixels, at most, between the crop and the page that shows through


def degrade(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A clean crop (height, width) -> the same as some machine would have left it; every letter stays in its place."""
    if rng.random() < 0.04:
        pixels = 255 - pixels
    draw = rng.random()
    if draw < _CLEAN:
        return _jpeg(pixels, int(rng.integers(60, 96))) if rng.random() < 0.5 else pixels
    strength = float(rng.uniform(0.5, 1.3) if draw < _CLEAN + _HEAVY else rng.uniform(0.1, 0.5))
    settings = _settings(strength, rng)
    image = Image.fromarray(pixels)
    if not settings.bleed and rng.random() < 0.2:  # worn print
        image = Image.blend(image, image.filter(ImageFilter.MaxFilter(3)), float(rng.uniform(0, 0.5) * strength))
    back = np.roll(pixels, int(rng.integers(-_SHADOW_SHIFT, _SHADOW_SHIFT)), axis=0)
    scan = np.asarray(simulate_scan(image, settings, rng=rng, back=Image.fromarray(back)))
    if rng.random() < 0.05:  # fax
        limit = int(np.quantile(scan, 0.02) * 0.5 + np.median(scan) * 0.5)
        return np.where(scan > limit, 255, 0).astype(np.uint8)
    return _jpeg(scan, settings.jpeg)


def _settings(strength: float, rng: np.random.Generator) -> ScanSettings:
    """Milder than the scans of evaluations, which are drawn at 150 dpi, and never askew: the crop is already turned."""
    return ScanSettings(
        turn=0.0,
        shift=0,
        bleed=float(rng.uniform(0, 0.4) * strength) if rng.random() < 0.5 else 0.0,
        show=float(rng.uniform(0, 0.09) * strength) if rng.random() < 0.3 else 0.0,
        black=(0.0, 95 * strength),
        fading=8 * strength,
        paper=(255 - 80 * strength, 255.0),
        blur=(0.1 * strength, 0.85 * strength),
        shade=0.12 * strength,
        gutter=float(rng.uniform(0.1, 0.4)) if rng.random() < 0.2 * strength else 0.0,
        noise=float(rng.uniform(0, 8) * strength),
        specks=int(rng.uniform(0, 140) * strength**2),
        jpeg=int(rng.integers(40, 90)),
    )


def _jpeg(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "JPEG", quality=quality)
    return np.asarray(Image.open(packed))
