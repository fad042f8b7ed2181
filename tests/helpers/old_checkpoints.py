"""Tiny checkpoints as colpali-engine stores them: plain configurations, weights by the names of the time."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file
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
_PROJECTION = {"idefics3": "linear"}  # custom_text_proj in the others
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


def save_old_adapter(base: Path, folder: Path, model_type: str, seed: int = 2) -> Path:
    """The adapter alone, by the names that colpali-engine stores, naming its base."""
    weights = load_file(base / "model.safetensors")
    attention = {name.removesuffix(".weight") for name in weights if name.endswith(("q_proj.weight", "Wqkv.weight"))}
    layers = sorted(
        {name for name in attention if "vis" not in name} | {_PROJECTION.get(model_type, "custom_text_proj")}
    )
    random = torch.Generator().manual_seed(seed)
    state = {}
    for name in layers:
        rows, columns = weights[name + ".weight"].shape
        state[f"base_model.model.{name}.lora_A.weight"] = torch.randn(4, columns, generator=random) / columns**0.5
        state[f"base_model.model.{name}.lora_B.weight"] = 0.1 * torch.randn(rows, 4, generator=random)
    folder.mkdir()
    save_file(state, folder / "adapter_model.safetensors")
    config = LoraConfig(r=4, lora_alpha=4, base_model_name_or_path=str(base)).to_dict()
    (folder / "adapter_config.json").write_text(json.dumps({**config, "peft_type": "LORA", "target_modules": layers}))
    return folder
