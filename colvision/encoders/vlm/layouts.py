"""How a checkpoint names its weights, and which prompts its model was trained with. No torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from colvision.encoders.options import Attention

_AUGMENTATION = 10  # tokens after a query that the models of this field were trained with


PromptPart = Literal["page", "query_prefix", "query_suffix"]


@dataclass(frozen=True, slots=True)
class Prompts:
    """`page` holds `image_token` once, where the page's own tokens go; a query stands between prefix and suffix.

    `source` says where they come from, as a user is told it; `sources`, by part, where another one states a part.
    """

    page: str
    image_token: str
    query_prefix: str
    query_suffix: str
    source: str
    sources: Mapping[PromptPart, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.page.count(self.image_token) != 1:
            raise ValueError(f"the page's prompt {self.page!r} must hold {self.image_token} once")

    def page_with(self, image_tokens: str) -> str:
        return self.page.replace(self.image_token, image_tokens)

    def stated_by(
        self,
        source: str,
        *,
        page: str | None = None,
        query_prefix: str | None = None,
        query_suffix: str | None = None,
    ) -> Prompts:
        """With the parts that `source` states; None for one that it does not. Raises ValueError, see `page`."""
        return replace(
            self,
            page=self.page if page is None else page,
            query_prefix=self.query_prefix if query_prefix is None else query_prefix,
            query_suffix=self.query_suffix if query_suffix is None else query_suffix,
            sources={
                **self.sources,
                **({} if page is None else {"page": source}),
                **({} if query_prefix is None else {"query_prefix": source}),
                **({} if query_suffix is None else {"query_suffix": source}),
            },
        )

    def source_of(self, part: PromptPart) -> str:
        return self.sources.get(part, self.source)


@dataclass(frozen=True, slots=True)
class CheckpointLayout:
    """`renames`: patterns of stored names and what they become in the model; none where the names are the model's.

    A checkpoint with renames holds a plain vision-language model and a projection: its configuration is that of the
    plain model. `attention`: which way the published models of this sort read, where their configuration does not say;
    `is_turnable`: whether the model's code can read the other way. `former_prompts`: those that colvision gave earlier,
    where they were others. `backbone`: the plain model's type, for configurations that state another.
    """

    prompts: Prompts
    renames: Sequence[tuple[str, str]] = ()
    attention: Attention = "causal"
    is_turnable: bool = True
    former_prompts: Prompts | None = None
    backbone: str | None = None

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
