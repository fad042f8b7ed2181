"""What a tiny checkpoint holds beside its weights: configuration, tokenizer and image processor, built in code."""

import json
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    Idefics3ImageProcessorPil,
    PreTrainedTokenizerFast,
    Qwen2VLImageProcessorPil,
    SiglipImageProcessorPil,
)

PATCHES = 48  # the most that a page becomes: keeps a page below 10 ms
_TRAINING_TEXT = ("Query: bleed the hydraulic pump", "user Describe the image.", "pump pressure, hydraulic oil")
_QWEN = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
_GEMMA = ("<pad>", "<eos>", "<bos>", "<image>")
_TILES = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|begin_of_text|>",
    "<end_of_utterance>",
    "<fake_token_around_image>",
    "<image>",
    "<global-img>",
    *(f"<row_{row}_col_{col}>" for row in range(1, 5) for col in range(1, 5)),
)
_NEOMME = ("<pad>", "<bos>", "<eos>", "<unk>", "<mask>", "<doc>", "<img>", "<query>", "<row>")
_NEOMME_TEMPLATE = (
    "{%- set item = messages[0].content[0] -%}"
    "{%- if task == 'query' -%}{{- query_token + item.text + mask_token * 10 -}}"
    "{%- else -%}{{- document_token + image_token -}}{%- endif -%}"
)


def tokenizer(special: tuple[str, ...], pad: str, **named: object) -> PreTrainedTokenizerFast:
    """A byte-level BPE of a few hundred tokens; the special ones come first, in their order."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=list(special),
        show_progress=False,
    )
    trained.train_from_iterator(_TRAINING_TEXT, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=trained, pad_token=pad, **named)


def text_config(model_type: str, tokens: PreTrainedTokenizerFast, **more: object) -> dict[str, object]:
    """A language model of two layers."""
    return {
        "model_type": model_type,
        "vocab_size": len(tokens) + 1,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": tokens.pad_token_id,
        **more,
    }


def qwen_config(model_type: str, tokens: PreTrainedTokenizerFast) -> dict[str, object]:
    """The plain vision-language model under ColQwen2, 2.5, 3 and 3.5."""
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}
    vision: dict[str, object] = {"depth": 2, "hidden_size": 32, "num_heads": 2, "intermediate_size": 64}
    text = text_config(f"{model_type}_text", tokens, rope_parameters=rope)
    if model_type == "qwen2_vl":
        vision = {"depth": 2, "embed_dim": 32, "hidden_size": 64, "num_heads": 2, "mlp_ratio": 2}
    if model_type == "qwen2_5_vl":
        vision.update(out_hidden_size=64, window_size=56, fullatt_block_indexes=[1])
    if model_type in ("qwen3_vl", "qwen3_5"):
        vision.update(out_hidden_size=64, patch_size=16, num_position_embeddings=64)
    if model_type == "qwen3_vl":
        vision.update(deepstack_visual_indexes=[0, 1])
    if model_type == "qwen3_5":
        text.update(
            num_hidden_layers=4,
            layer_types=2 * ["linear_attention", "full_attention"],
            head_dim=32,
            linear_key_head_dim=16,
            linear_value_head_dim=16,
            linear_num_key_heads=2,
            linear_num_value_heads=4,
            rope_parameters={**rope, "partial_rotary_factor": 0.5},
        )
    token = tokens.convert_tokens_to_ids
    return {
        "model_type": model_type,
        "text_config": text,
        "vision_config": vision,
        "image_token_id": token("<|image_pad|>"),
        "vision_start_token_id": token("<|vision_start|>"),
        "vision_end_token_id": token("<|vision_end|>"),
        "video_token_id": token("<|video_pad|>"),
    }


def siglip_config(model_type: str, image_size: int, patch_size: int) -> dict[str, object]:
    return {
        "model_type": model_type,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": image_size,
        "patch_size": patch_size,
    }


def paligemma_config(tokens: PreTrainedTokenizerFast) -> dict[str, object]:
    """Pages of 112 x 112 pixels, 8 x 8 patches."""
    return {
        "model_type": "paligemma",
        "text_config": text_config("gemma", tokens),
        "vision_config": {**siglip_config("siglip_vision_model", 112, 14), "vision_use_head": False},
        "image_token_id": tokens.convert_tokens_to_ids("<image>"),
        "projection_dim": 64,
    }


def idefics3_config(tokens: PreTrainedTokenizerFast) -> dict[str, object]:
    """Tiles of 64 x 64 pixels, 4 x 4 tokens."""
    return {
        "model_type": "idefics3",
        "text_config": text_config("llama", tokens),
        "vision_config": siglip_config("idefics3_vision", 64, 8),
        "image_token_id": tokens.convert_tokens_to_ids("<image>"),
        "scale_factor": 2,
        "pad_token_id": tokens.pad_token_id,
    }


def modernvbert_config(tokens: PreTrainedTokenizerFast) -> dict[str, object]:
    text = {
        **text_config("modernbert", tokens),
        "global_attn_every_n_layers": 2,
        "local_attention": 128,
        "cls_token_id": None,
        "sep_token_id": None,
    }
    return {
        "model_type": "modernvbert",
        "text_config": text,
        "vision_config": {**siglip_config("siglip_vision_model", 64, 8), "vision_use_head": False},
        "image_token_id": tokens.convert_tokens_to_ids("<image>"),
        "pixel_shuffle_factor": 2,
    }


def qwen_parts(folder: Path, patch: int = 14) -> PreTrainedTokenizerFast:
    tokens = tokenizer(_QWEN, "<|endoftext|>", padding_side="left")
    tokens.save_pretrained(folder)
    qwen_images(patch).save_pretrained(folder)
    return tokens


def qwen_images(patch: int) -> Qwen2VLImageProcessorPil:
    cell = (2 * patch) ** 2  # pixels
    return Qwen2VLImageProcessorPil(size={"shortest_edge": 4 * cell, "longest_edge": PATCHES * cell}, patch_size=patch)


def tile_parts(folder: Path) -> PreTrainedTokenizerFast:
    """At most 4 x 4 tiles."""
    tokens = tokenizer(_TILES, "<|endoftext|>", padding_side="left")
    tokens.save_pretrained(folder)
    Idefics3ImageProcessorPil(size={"longest_edge": 256}, max_image_size={"longest_edge": 64}).save_pretrained(folder)
    return tokens


def paligemma_parts(folder: Path) -> PreTrainedTokenizerFast:
    tokens = tokenizer(_GEMMA, "<pad>", bos_token="<bos>", eos_token="<eos>", padding_side="right")
    tokens.save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": 112, "width": 112}).save_pretrained(folder)
    return tokens


def neomme_parts(folder: Path) -> PreTrainedTokenizerFast:
    """Patches of 32 pixels."""
    named = {"document_token": "<doc>", "image_token": "<img>", "query_token": "<query>", "row_token": "<row>"}
    tokens = tokenizer(_NEOMME, "<pad>", mask_token="<mask>", unk_token="<unk>", extra_special_tokens=named)
    tokens.chat_template = _NEOMME_TEMPLATE
    tokens.save_pretrained(folder)
    settings = {"image_processor_type": "NeoMMEImageProcessor", "patch_size": 32, "max_side": None}
    settings["size"] = {"min_pixels": 4 * 32 * 32, "max_pixels": PATCHES * 32 * 32}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return tokens
