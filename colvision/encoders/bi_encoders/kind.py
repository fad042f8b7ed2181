"""Which checkpoints make one vector of a text. No torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from colvision.encoders.module_steps import MODULES_FILE


def is_text_bi_encoder(folder: Path) -> bool:
    """Whether sentence-transformers saved a model there that pools the vectors of tokens, and sees no pictures."""
    steps, config = _read(folder / MODULES_FILE), _read(folder / "config.json")
    pools = isinstance(steps, list) and any(str(dict(each).get("type")).endswith(".Pooling") for each in steps)
    return pools and isinstance(config, dict) and "vision_config" not in config


def _read(file: Path) -> Any:  # noqa: ANN401  whatever JSON holds
    """None for a file that is not there, or damaged: whoever needs it says so."""
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
