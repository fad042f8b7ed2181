"""What a checkpoint is made for, told by its files alone: late interaction, one vector, or a reranker. No torch."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from colvision.encoders.json_file import read_json
from colvision.encoders.module_steps import MODULES_FILE, SETTINGS_FILE, read_step_names

STANFORD_CLASS = "HF_ColBERT"  # among the architectures in the config.json of a ColBERT that Stanford's code saved
_RERANKER_CLASS = "ForSequenceClassification"
_POOLING = "Pooling"  # the step of sentence-transformers that makes one vector of many
TWO_TOWERS = frozenset({"siglip", "siglip2"})  # model types: one model for page images and one for texts


class CheckpointKind(Enum):
    """What a page becomes, and of what of it."""

    IMAGES = "late interaction over page images"
    TEXT = "late interaction over a page's text"
    BI_ENCODER = "one vector of a page image"
    TEXT_BI_ENCODER = "one vector of a page's text"
    RERANKER = "a score for a query and a page together"


def checkpoint_kind(folder: Path, image_types: frozenset[str]) -> CheckpointKind:
    """The kind of the checkpoint in a folder; `image_types` are the model types of page images (`config.json`).

    A folder of sentence-transformers is told by its steps, another one by its architecture and model type; a model with
    a part for vision is one of images, whatever its type. What is none of the rest counts as one of page images:
    whoever loads those says what is missing. Raises EncoderNotFound for files that are damaged.
    """
    config = read_json(folder / "config.json") if (folder / "config.json").is_file() else {}
    architectures = [str(each) for each in config.get("architectures") or ()]
    is_adapter = not config  # of a model of page images: no other comes as an adapter alone
    is_of_images = is_adapter or config.get("model_type") in image_types or "vision_config" in config
    if (folder / MODULES_FILE).is_file():
        settings = read_json(folder / SETTINGS_FILE) if (folder / SETTINGS_FILE).is_file() else {}
        if settings.get("model_type") == "CrossEncoder":
            return CheckpointKind.RERANKER
        if _POOLING in read_step_names(folder):
            return CheckpointKind.BI_ENCODER if is_of_images else CheckpointKind.TEXT_BI_ENCODER
        return CheckpointKind.IMAGES if is_of_images else CheckpointKind.TEXT
    if STANFORD_CLASS in architectures:
        return CheckpointKind.TEXT
    if any(each.endswith(_RERANKER_CLASS) for each in architectures):
        return CheckpointKind.RERANKER
    return CheckpointKind.BI_ENCODER if config.get("model_type") in TWO_TOWERS else CheckpointKind.IMAGES
