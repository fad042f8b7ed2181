"""The options of a fine-tuning: where its queries are, and everything that decides the adapter. No torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from colvision.encoders.options import Attention
from colvision.errors import EncoderError

Loss = Literal["in-batch", "pairwise"]


@dataclass(frozen=True, slots=True)
class FinetuneRecipe:
    """Everything that decides the adapter, beside the pages and the queries.

    `batch` queries make a step; `at_once` of their pages are in memory together, which changes no gradient. Each
    query brings `negatives` pages that a search mistook for its answer. `rank` is LoRA's. With `query_only` pages are
    encoded without the adapter, and what a library holds of them stays valid. Every `check_every` steps the queries of
    documents kept apart are searched for; after `patience` checks without progress the training ends.
    """

    loss: Loss = "in-batch"
    steps: int = 300
    batch: int = 16
    at_once: int = 4
    negatives: int = 1
    rate: float = 2e-4
    rank: int = 32
    query_only: bool = False
    temperature: float = 0.02  # colpali-engine's since 0.3.9, for means over query tokens; see docs/finetune.md
    check_every: int = 25
    patience: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        if self.loss not in ("in-batch", "pairwise"):
            raise ValueError(f"loss is {self.loss!r}; expected 'in-batch' or 'pairwise'")
        for name in ("steps", "batch", "at_once", "rank", "check_every", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least 1")
        if self.negatives < (self.loss == "pairwise"):
            raise ValueError(f"negatives is {self.negatives}; the {self.loss} loss needs at least 1 a question")
        if not 0 < self.rate < 1 or not self.temperature > 0:
            raise ValueError(
                f"rate {self.rate}, temperature {self.temperature}; expected 0 < rate < 1 and 0 < temperature"
            )


@dataclass(frozen=True, slots=True)
class FinetuneOptions:
    """`queries`: a file of questions with their pages; the documents' own headings when None.

    `device`, `dtype`, `max_patches`, prompts, `attention` and `dim` as `load_encoder` takes them: an adapter is loaded
    with the same prompts and attention. With `checkpointing` less is kept for the gradients and more computed, for the
    same adapter. A run that was killed goes on from what it saved `minutes_between` minutes apart.
    """

    recipe: FinetuneRecipe = FinetuneRecipe()
    queries: Path | None = None
    collection: str = "default"
    device: str | None = None
    dtype: str | None = None
    max_patches: int | None = None
    checkpointing: bool = False
    minutes_between: float = 5.0
    query_prefix: str | None = None
    page_prompt: str | None = None
    attention: Attention | None = None
    dim: int | None = None


def refuse_mini(encoder: str | Path) -> None:
    """Raises `EncoderError` for the one encoder that has nothing to adapt, before anything is installed for it."""
    if str(encoder) == "mini":
        raise EncoderError(
            "mini has no language model to adapt: it finds the words that are printed. Fine-tune a ColPali or ColQwen "
            "checkpoint instead (docs/encoders.md); how mini itself is trained stands in docs/mini.md"
        )
