"""Checkpoints without weights, as colpali-engine's repositories hold them: configuration, tokenizer, image processor.

python -m tests.oracles.parts FOLDER
"""

from collections.abc import Mapping
from pathlib import Path

from colvision.testing.parts import (
    modernvbert_config,
    paligemma_parts,
    qwen_config,
    qwen_parts,
    siglip_config,
    tile_parts,
)
from tests.oracles.saving import Case, save, save_all

_TEXT = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "bos_token_id": None,
    "eos_token_id": None,
}


def _qwen(folder: Path, model_type: str, vision: Mapping[str, object]) -> dict[str, object]:
    """In the flat form of transformers 4, as the published bases have it."""
    tokens = qwen_parts(folder)
    token = tokens.convert_tokens_to_ids
    return {
        **_TEXT,
        "model_type": model_type,
        "vocab_size": len(tokens) + 1,
        "max_position_embeddings": 4096,
        "rope_theta": 10000.0,
        "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]},
        "vision_config": vision,
        "image_token_id": token("<|image_pad|>"),
        "vision_start_token_id": token("<|vision_start|>"),
        "vision_end_token_id": token("<|vision_end|>"),
        "video_token_id": token("<|video_pad|>"),
        "pad_token_id": tokens.pad_token_id,
        "tie_word_embeddings": False,
    }


def _qwen2(folder: Path) -> dict[str, object]:
    vision = {"depth": 2, "embed_dim": 32, "hidden_size": 64, "num_heads": 2, "mlp_ratio": 2}
    return _qwen(folder, "qwen2_vl", {**vision, "patch_size": 14, "in_channels": 3})


def _qwen2_5(folder: Path) -> dict[str, object]:
    vision = {"depth": 2, "hidden_size": 32, "num_heads": 2, "intermediate_size": 64, "out_hidden_size": 64}
    return _qwen(folder, "qwen2_5_vl", {**vision, "patch_size": 14, "window_size": 56, "fullatt_block_indexes": [1]})


def _paligemma(folder: Path) -> dict[str, object]:
    tokens = paligemma_parts(folder)
    text = {**_TEXT, "model_type": "gemma", "head_dim": 16, "vocab_size": len(tokens), "num_image_tokens": 64}
    return {
        "model_type": "paligemma",
        "text_config": {**text, "pad_token_id": tokens.pad_token_id},
        "vision_config": {**siglip_config("siglip_vision_model", 112, 14), "projection_dim": 64},
        "image_token_index": tokens.convert_tokens_to_ids("<image>"),
        "hidden_size": 64,
        "projection_dim": 64,
        "vocab_size": len(tokens),
        "pad_token_id": tokens.pad_token_id,
    }


def _idefics3(folder: Path) -> dict[str, object]:
    tokens = tile_parts(folder)
    text = {**_TEXT, "model_type": "llama", "vocab_size": len(tokens), "pad_token_id": tokens.pad_token_id}
    return {
        "model_type": "idefics3",
        "text_config": {**text, "rms_norm_eps": 1e-6, "max_position_embeddings": 4096, "rope_theta": 10000.0},
        "vision_config": siglip_config("idefics3_vision", 64, 8),
        "image_token_id": tokens.convert_tokens_to_ids("<image>"),
        "scale_factor": 2,
        "pad_token_id": tokens.pad_token_id,
        "tie_word_embeddings": False,
    }


def _qwen3(folder: Path) -> dict[str, object]:
    return qwen_config("qwen3_vl", qwen_parts(folder, patch=16))


def _qwen3_5(folder: Path) -> dict[str, object]:
    return qwen_config("qwen3_5", qwen_parts(folder, patch=16))


def _modernvbert(folder: Path) -> dict[str, object]:
    return modernvbert_config(tile_parts(folder))


CASES: Mapping[str, Case] = {
    "colpali": _paligemma,
    "colqwen2": _qwen2,
    "colqwen2.5": _qwen2_5,
    "colsmol": _idefics3,
    "colqwen3": _qwen3,
    "colqwen3.5": _qwen3_5,
    "colmodernvbert": _modernvbert,
}


def save_folder(name: str, folder: Path) -> Path:
    return save(CASES[name], folder)


if __name__ == "__main__":
    save_all(CASES)
