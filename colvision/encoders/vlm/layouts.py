"""How a checkpoint names its weights, and which prompts its model was trained with. No torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_AUGMENTATION = 10  # tokens after a query that the models of this field were trained with


@dataclass(frozen=True, slots=True)
class Prompts:
    """`page` holds `image_token` once, where the page's own tokens go; a query stands between prefix and suffix."""

    page: str
    image_token: str
    query_prefix: str
    query_suffix: str

    def __post_init__(self) -> None:
        if self.page.count(self.image_token) != 1:
            raise ValueError(f"the page's prompt {self.page!r} must hold {self.image_token} once")

    def page_with(self, image_tokens: str) -> str:
        return self.page.replace(self.image_token, image_tokens)


@dataclass(frozen=True, slots=True)
class CheckpointLayout:
    """`renames`: patterns of stored names and what they become in the model; none where the names are the model's.

    A checkpoint with renames holds a plain vision-language model and a projection: its configuration is that of the
    plain model.
    """

    prompts: Prompts
    renames: Sequence[tuple[str, str]] = ()

    @property
    def is_native(self) -> bool:
        return not self.renames

    def rename(self, stored: str) -> str:
        """A stored weight's name -> its name in the model."""
        for pattern, replacement in self.renames:
            renamed, count = re.subn(pattern, replacement, stored, count=1)
            if count:
                return renamed
        return stored


def augmentation(token: str) -> str:
    return _AUGMENTATION * token
