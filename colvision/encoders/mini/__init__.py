"""mini, the embedded page reader: weights in the package, for the CPU, without torch."""

from pathlib import Path

from colvision.core.encoder import Encoder


def load(weights: Path | None = None) -> Encoder:
    """The encoder with the shipped weights, or with others that `training.export` wrote (a folder)."""
    from colvision.encoders.mini.encoder import SHIPPED, MiniEncoder

    return MiniEncoder(weights or SHIPPED)
