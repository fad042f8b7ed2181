"""Tiny checkpoints of every family of vision-language encoders: real classes and files, random weights, no download."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import (
    AutoConfig,
    ColModernVBertConfig,
    ColModernVBertForRetrieval,
    ColPaliConfig,
    ColPaliForRetrieval,
    ColQwen2Config,
    ColQwen2ForRetrieval,
    ColQwen2Processor,
    NeoMMEConfig,
    NeoMMEForRetrieval,
    PreTrainedModel,
)

from colvision.encoders.vlm.late_interaction import LateInteraction, LateInteractionConfig
from colvision.testing import parts

DIM = 32

Renames = tuple[tuple[str, str], ...]  # of weights: the model's prefix, and the one that colpali-engine stores it by
QWEN: Renames = (("vlm.", ""), ("embedding_proj_layer.", "custom_text_proj."))
IDEFICS3: Renames = (("vlm.", "model."), ("embedding_proj_layer.", "linear."))

# Attention picks and positions count only if weights are large: fresh ones (0.02) leave tokens as they came. What
# attention adds is kept below what a token brings itself, as in a trained model: a patch stays its own.
_GAINS = {
    **dict.fromkeys(("q_proj", "k_proj", "qkv"), 1.5),
    "linear_attn.out_proj": 0.2,
    **dict.fromkeys(("o_proj", "attn.proj", "out_proj", "Wo"), 0.5),
}


def save_native(model_class: type, config: object, folder: Path, seed: int) -> PreTrainedModel:
    """Random weights of a class of transformers, as it stores them."""
    model = random_model(model_class, config, seed)
    model.save_pretrained(folder)
    return model


def save_plain(model: PreTrainedModel, folder: Path, config: dict[str, object], names: Renames) -> None:
    """The model's weights under the names of colpali-engine, beside the configuration of the plain model."""
    state = {stored_name(name, names): weight.contiguous() for name, weight in model.state_dict().items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    AutoConfig.for_model(**config).save_pretrained(folder)


def stored_name(name: str, names: Renames) -> str:
    return next((old + name.removeprefix(ours) for ours, old in names if name.startswith(ours)), name)


def random_model(model_class: type, config: object, seed: int) -> PreTrainedModel:
    torch.manual_seed(seed)
    model: PreTrainedModel = model_class(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                gain = next((gain for part, gain in _GAINS.items() if part in name), 1.0)
                weight.normal_(std=gain / weight[0].numel() ** 0.5)
    return model


def _save_colpali(folder: Path, seed: int) -> None:
    config = parts.paligemma_config(parts.paligemma_parts(folder))
    save_native(ColPaliForRetrieval, ColPaliConfig(vlm_config=config, embedding_dim=DIM), folder, seed)


def _save_colqwen2(folder: Path, seed: int) -> None:
    """With its processor whole and in one file, as transformers' own saves it."""
    tokens = parts.qwen_parts(folder)
    config = ColQwen2Config(vlm_config=parts.qwen_config("qwen2_vl", tokens), embedding_dim=DIM)
    save_native(ColQwen2ForRetrieval, config, folder, seed)
    ColQwen2Processor(image_processor=parts.qwen_images(14), tokenizer=tokens).save_pretrained(folder)
    (folder / "preprocessor_config.json").unlink()


def _save_colqwen2_5(folder: Path, seed: int) -> None:
    config = parts.qwen_config("qwen2_5_vl", parts.qwen_parts(folder))
    save_native(ColQwen2ForRetrieval, ColQwen2Config(vlm_config=config, embedding_dim=DIM), folder, seed)


def _save_colqwen3(folder: Path, seed: int) -> None:
    _save_late_interaction(parts.qwen_config("qwen3_vl", parts.qwen_parts(folder, patch=16)), QWEN, folder, seed)


def _save_colqwen3_5(folder: Path, seed: int) -> None:
    _save_late_interaction(parts.qwen_config("qwen3_5", parts.qwen_parts(folder, patch=16)), QWEN, folder, seed)


def _save_colsmol(folder: Path, seed: int) -> None:
    _save_late_interaction(parts.idefics3_config(parts.tile_parts(folder)), IDEFICS3, folder, seed)


def _save_late_interaction(config: dict[str, object], names: Renames, folder: Path, seed: int) -> None:
    """A family for which transformers has no class of its own: the plain model, stored with a projection."""
    model = random_model(LateInteraction, LateInteractionConfig(vlm_config=config, embedding_dim=DIM), seed)
    save_plain(model, folder, config, names)


def _save_colmodernvbert(folder: Path, seed: int) -> None:
    config = parts.modernvbert_config(parts.tile_parts(folder))
    save_native(ColModernVBertForRetrieval, ColModernVBertConfig(vlm_config=config, embedding_dim=DIM), folder, seed)


def _save_neomme(folder: Path, seed: int) -> None:
    tokens = parts.neomme_parts(folder)
    config = NeoMMEConfig(
        vocab_size=len(tokens),
        embedding_rank=32,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=512,
        embedding_dim=DIM,
    )
    save_native(NeoMMEForRetrieval, config, folder, seed)


FAMILIES: Mapping[str, Callable[[Path, int], None]] = {
    "colpali": _save_colpali,
    "colqwen2": _save_colqwen2,
    "colqwen2.5": _save_colqwen2_5,
    "colqwen3": _save_colqwen3,
    "colqwen3.5": _save_colqwen3_5,
    "colsmol": _save_colsmol,
    "colmodernvbert": _save_colmodernvbert,
    "neomme": _save_neomme,
}
