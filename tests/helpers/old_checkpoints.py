"""Tiny checkpoints as colpali-engine stores them: plain configurations, weights by the names of the time."""

from collections.abc import Callable, Mapping
from pathlib import Path

from transformers import (
    ColModernVBertConfig,
    ColModernVBertForRetrieval,
    ColPaliConfig,
    ColPaliForRetrieval,
    ColQwen2Config,
    ColQwen2ForRetrieval,
    PreTrainedModel,
)

from colvision.encoders.vlm.late_interaction import LateInteraction, LateInteractionConfig
from colvision.testing import parts
from colvision.testing.checkpoints import DIM, IDEFICS3, QWEN, Renames, random_model, save_plain

_QWEN_4: Renames = (  # of transformers 4
    ("vlm.language_model.", "model."),
    ("vlm.visual.", "visual."),
    ("embedding_proj_layer.", "custom_text_proj."),
)
_PALIGEMMA: Renames = (
    ("vlm.language_model.", "model.language_model.model."),
    ("vlm.vision_tower.", "model.vision_tower.vision_model."),
    ("vlm.multi_modal_projector.", "model.multi_modal_projector."),
    ("embedding_proj_layer.", "custom_text_proj."),
)
_MODERNVBERT: Renames = (("vlm.", "model."), ("embedding_proj_layer.", "custom_text_proj."))


def _qwen(model_type: str, patch: int = 14) -> Callable[[Path], dict[str, object]]:
    return lambda folder: parts.qwen_config(model_type, parts.qwen_parts(folder, patch))


# model_type of the plain model -> its parts and configuration, the class that runs it, the names it is stored by
OLD: Mapping[str, tuple[Callable[[Path], dict[str, object]], type, type, Renames]] = {
    "paligemma": (
        lambda f: parts.paligemma_config(parts.paligemma_parts(f)), ColPaliForRetrieval, ColPaliConfig, _PALIGEMMA
    ),
    "qwen2_vl": (_qwen("qwen2_vl"), ColQwen2ForRetrieval, ColQwen2Config, _QWEN_4),
    "qwen2_5_vl": (_qwen("qwen2_5_vl"), ColQwen2ForRetrieval, ColQwen2Config, _QWEN_4),
    "qwen3_vl": (_qwen("qwen3_vl", 16), LateInteraction, LateInteractionConfig, QWEN),
    "idefics3": (
        lambda f: parts.idefics3_config(parts.tile_parts(f)), LateInteraction, LateInteractionConfig, IDEFICS3
    ),
    "modernvbert": (
        lambda f: parts.modernvbert_config(parts.tile_parts(f)),
        ColModernVBertForRetrieval, ColModernVBertConfig, _MODERNVBERT,
    ),
}  # fmt: skip


def save_old(folder: Path, model_type: str) -> PreTrainedModel:
    """Returns the model that the checkpoint came from."""
    folder.mkdir(parents=True, exist_ok=True)
    make_config, model_class, config_class, names = OLD[model_type]
    config = make_config(folder)
    model = random_model(model_class, config_class(vlm_config=config, embedding_dim=DIM), seed=0)
    save_plain(model, folder, config, names)
    return model
