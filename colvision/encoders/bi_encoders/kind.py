"""Which checkpoints make one vector of a page or a text. No torch."""

from __future__ import annotations

import json
from pathlib import Path

from colvision.encoders.module_steps import MODULES_FILE


def pools_tokens(folder: Path) -> bool:
    """Whether sentence-transformers saved a model there that makes one vector of the vectors of tokens."""
    try:
        listed = json.loads((folder / MODULES_FILE).read_bytes())
        return any(str(each["type"]).endswith(".Pooling") for each in listed)
    except (OSError, ValueError, TypeError, KeyError):
        return False  # none, or damaged: who reads its steps says so
