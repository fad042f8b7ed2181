"""Which tokens of a page or a query have a vector that counts, where a checkpoint names some that have not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from colvision.errors import EncoderNotFound

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from colvision.encoders.vlm.module_folder import ModuleFolder


@dataclass(frozen=True, slots=True)
class ScoredTokens:
    """Token ids without a vector, of pages and of queries; of pages, `kept` are the only ones with one, if named.

    As MultiVectorMask of sentence-transformers has it; nothing named means that every token counts.
    """

    page_skips: Collection[int] = ()
    query_skips: Collection[int] = ()
    page_keeps: Collection[int] = ()

    @classmethod
    def of(cls, modules: ModuleFolder | None, tokenizer: PreTrainedTokenizerFast) -> ScoredTokens:
        """Raises EncoderNotFound for a word to skip that is no token."""
        if modules is None:
            return cls()
        ids = [tokenizer.convert_tokens_to_ids(word) for word in modules.skipped]
        unknown = [
            word
            for word, found in zip(modules.skipped, ids, strict=True)
            if found is None or (found == tokenizer.unk_token_id and word != tokenizer.unk_token)
        ]
        if unknown:
            raise EncoderNotFound(
                f"{modules.folder} skips {', '.join(map(repr, unknown[:5]))}, which its tokenizer has no token for: "
                "take all files from one checkpoint"
            )
        page, query = (tuple(ids) if task in modules.skipped_in else () for task in ("document", "query"))
        return cls(page, query, tuple(modules.kept))

    def page(self, ids: Tensor) -> Tensor:
        """Token ids of any shape -> which of them have a vector, of the same shape."""
        counts = _not_in(ids, self.page_skips)
        return counts & ~_not_in(ids, self.page_keeps) if self.page_keeps else counts

    def query(self, ids: Tensor) -> Tensor:
        """As `page`."""
        return _not_in(ids, self.query_skips)


def _not_in(ids: Tensor, some: Collection[int]) -> Tensor:
    if not some:
        return torch.ones_like(ids, dtype=torch.bool)
    return ~torch.isin(ids, torch.tensor(tuple(some), dtype=ids.dtype, device=ids.device))
