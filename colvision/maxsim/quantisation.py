"""int8 codes of unit vectors: one scale for a whole collection, as good as one a vector and free of bookkeeping."""

import numpy as np
from numpy.typing import NDArray

from colvision.core.embedding import Floats

Codes = NDArray[np.int8]

STEPS = 127  # codes on each side of zero; -128 is not used, so that the range is symmetric


def quantise(vectors: Floats, quantisation_range: float) -> Codes:
    """(n, dim) float32 -> (n, dim) int8; a component beyond +-`quantisation_range` is clipped to it."""
    scaled = vectors * np.float32(STEPS / quantisation_range)
    codes: Codes = np.clip(np.rint(scaled), -STEPS, STEPS).astype(np.int8)
    return codes


def dequantise(codes: Codes, quantisation_range: float) -> Floats:
    """(n, dim) int8 -> (n, dim) float32; not of unit length any more, by up to a code's rounding."""
    return codes.astype(np.float32) * np.float32(quantisation_range / STEPS)


def clipped_share(vectors: Floats, quantisation_range: float) -> float:
    """The share of components that `quantise` would clip."""
    return float(np.mean(np.abs(vectors) > quantisation_range)) if vectors.size else 0.0
