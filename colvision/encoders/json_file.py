"""Configurations of a checkpoint, read with a sentence for a damaged one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from colvision.errors import EncoderNotFound


def read_json(path: Path) -> dict[str, Any]:
    """What a configuration says. Raises EncoderNotFound when it cannot be read, or is no object."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise EncoderNotFound(f"{path} cannot be read ({error}): copy it again from where it came") from error
    if not isinstance(found, dict):
        raise EncoderNotFound(f"{path} holds a {type(found).__name__}, no configuration: copy it again")
    return found
