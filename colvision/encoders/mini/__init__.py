"""mini, the embedded page reader: weights in the package, CPU first."""

from pathlib import Path

from colvision.core.encoder import Encoder


def load(weights: Path | None = None) -> Encoder:
    """The encoder with the shipped weights, or with others of the same shape (a safetensors file)."""
    from colvision.encoders.mini.encoder import SHIPPED, MiniEncoder

    return MiniEncoder(weights or SHIPPED)
