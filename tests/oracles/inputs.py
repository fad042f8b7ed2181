"""What both sides of an oracle are given: weights drawn by their names, pictures and questions drawn by a seed.

Needs numpy alone: it also runs beside the transformers of the time.
"""

import hashlib

import numpy as np
from PIL import Image

SHAPES = ((224, 140), (112, 196))  # (height, width) of the pages: one upright, one across
QUESTIONS = ("bleed the hydraulic pump", "oil")
TEXTS = (
    "Close the valve, then bleed the hydraulic pump until no air comes.",
    "Oil: 4 litres.",
    "The fan belt is under the cover. Tighten both bolts.",
)
DOCUMENTS = (
    "Bleed the hydraulic pump (AB-12/34), then check its oil: pressures of 7.5 bar.",
    "oil",
    "?!",
    "",
)
TEXT_QUERIES = (
    "bleed the hydraulic pump",
    "oil",
    "how to replace the filters, valves and pumps of a hydraulic pack before its first use; pressure",
)
PAGE_TEXTS = (  # of pages, by which tiny tokenizers are trained
    "Bleed the hydraulic pump before use.",
    "OIL",
    "Replace the filter AB-12/34 of the second pump; see page 7.\nThe valve opens at 12 bar.",
    "",
)
_PICKING, _ADDING = 1.5, 0.5  # what attention looks for is sharp; what it adds is less than a token brings itself
_GAINS = {
    **dict.fromkeys(("q_proj", "k_proj", "qkv"), _PICKING),
    **dict.fromkeys(("o_proj", "attn.proj", "out_proj"), _ADDING),
}


def weight(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """float32 of a stored name: sharp enough that attention picks and positions count."""
    drawn = np.random.default_rng(list(hashlib.sha256(name.encode()).digest())).standard_normal(shape)
    if len(shape) > 1:
        gain = next((gain for part, gain in _GAINS.items() if part in name), 1.0)
        drawn *= gain / np.sqrt(np.prod(shape[1:]))
    elif "norm" in name.lower() and name.endswith("weight") and "gemma" not in name:
        drawn = 1 + 0.1 * drawn
    else:
        drawn *= 0.02
    return drawn.astype(np.float32)


def pages() -> list[Image.Image]:
    """Pages of noise with a darker half, so that no cell is like another."""
    rng = np.random.default_rng(20)
    made = []
    for height, width in SHAPES:
        pixels = rng.integers(0, 256, (height, width, 3))
        pixels[: height // 2] //= 2
        made.append(Image.fromarray(pixels.astype(np.uint8)))
    return made


def text_weight(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """As `weight`, also of BERT's names for what norms multiply by."""
    return weight(name.replace("LayerNorm", "norm"), shape)
