"""Fine-tuning a vision-language encoder on one's own pages: `colvision finetune`."""

from colvision.evaluation import Progress
from colvision.finetune.recipe import FinetuneOptions, Loss, Recipe
from colvision.finetune.report import FinetuneReport, Parts
from colvision.finetune.run import finetune

__all__ = ["FinetuneOptions", "FinetuneReport", "Loss", "Parts", "Progress", "Recipe", "finetune"]
