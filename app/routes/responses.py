"""What routes that answer with bytes have in common."""

from typing import Any

from ..failures import answers

KEPT_BY_NOBODY = {"Cache-Control": "private, no-store"}  # what was deleted must not come back from a cache


def content(media_type: str, *errors: int) -> dict[int | str, dict[str, Any]]:
    """What the schema says of a route that answers with bytes."""
    return {**answers(*errors), 200: {"content": {media_type: {"schema": {"type": "string", "format": "binary"}}}}}
