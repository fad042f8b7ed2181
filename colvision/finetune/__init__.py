"""Fine-tuning a vision-language encoder on one's own pages: `colvision finetune`.

What needs torch raises `MissingExtra` when it is looked up here without `colvision[vlm]`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from colvision.encoders.vlm.checkpoint import require_vlm_extra
from colvision.finetune.recipe import FinetuneOptions, FinetuneRecipe, Loss

if TYPE_CHECKING:
    from colvision.finetune.report import FinetuneReport as FinetuneReport
    from colvision.finetune.report import SplitCounts as SplitCounts
    from colvision.finetune.run import finetune as finetune

_HOMES = {"FinetuneReport": "report", "SplitCounts": "report", "finetune": "run"}  # they import torch: when first used

__all__ = ["FinetuneOptions", "FinetuneReport", "Loss", "SplitCounts", "FinetuneRecipe", "finetune"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'colvision.finetune' has no attribute {name!r}")
    require_vlm_extra("torch", "transformers", "peft", what="fine-tuning")
    found: object = getattr(import_module(f"colvision.finetune.{_HOMES[name]}"), name)
    return found
