"""Random weights and tiny random checkpoints, made in code: the real classes and file formats without a download."""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    ColQwen2Config,
    ColQwen2ForRetrieval,
    ColQwen2Processor,
    Qwen2Tokenizer,
    Qwen2VLImageProcessorPil,
)

from colvision.core.page import Page
from colvision.encoders import load_encoder
from colvision.encoders.mini.model import PageTower, QueryTower
from colvision.encoders.vlm.encoder import VlmEncoder

PATCHES = 48  # the most a page becomes: keeps a page below 10 ms
_SPECIAL = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>")
_TRAINING_TEXT = ("Query: bleed the hydraulic pump", "user Describe the image.", "pump pressure, hydraulic oil")


def save_tiny_colqwen2(folder: Path, *, seed: int = 0) -> Path:
    """A ColQwen2 checkpoint of 0.2 million sharpened random weights, as transformers itself saves it."""
    tokenizer = _tokenizer()
    torch.manual_seed(seed)
    model = ColQwen2ForRetrieval(_config(tokenizer))
    sharpen(model)
    model.save_pretrained(folder)
    pictures = Qwen2VLImageProcessorPil(size={"shortest_edge": 56 * 56, "longest_edge": PATCHES * 28 * 28})
    ColQwen2Processor(image_processor=pictures, tokenizer=tokenizer).save_pretrained(folder)
    return folder


def save_random_mini(file: Path, *, seed: int = 0) -> Path:
    """Untrained weights of mini: the real towers, quick to make, without a word of reading in them."""
    torch.manual_seed(seed)
    weights = {}
    for prefix, tower in (("page.", PageTower()), ("query.", QueryTower())):
        for name, weight in tower.state_dict().items():
            if name.endswith("num_batches_tracked"):
                continue
            if weight.ndim == 4:  # torch's own start fades out from layer to layer: all pages would look alike
                weight.normal_(std=(3 / weight[0].numel()) ** 0.5)
            weights[prefix + name] = weight
    settings = {"link_slope": 20.0, "link_midpoint": 0.5, "code_range": 0.6}
    save_file(weights, file, metadata={"mini": json.dumps(settings)})
    return file


def _tokenizer() -> Qwen2Tokenizer:
    """Qwen2's own class over a small byte-level BPE; the augmentation token also pads, on the left."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet, show_progress=False)
    trained.train_from_iterator(_TRAINING_TEXT, trainer)
    model = json.loads(trained.to_str())["model"]
    merges = [tuple(pair) for pair in model["merges"]]
    return Qwen2Tokenizer(vocab=model["vocab"], merges=merges, extra_special_tokens=list(_SPECIAL), padding_side="left")


def _config(tokenizer: Qwen2Tokenizer) -> ColQwen2Config:
    token = tokenizer.convert_tokens_to_ids
    text = {
        "model_type": "qwen2_vl_text",
        "vocab_size": len(tokenizer) + 1,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]},
        "bos_token_id": None,
        "eos_token_id": token("<|im_end|>"),
        "pad_token_id": token("<|endoftext|>"),
    }
    vision = {"depth": 2, "embed_dim": 32, "hidden_size": 64, "num_heads": 2, "mlp_ratio": 2}
    vlm = {
        "model_type": "qwen2_vl",
        "text_config": text,
        "vision_config": vision,
        "image_token_id": token("<|image_pad|>"),
        "vision_start_token_id": token("<|vision_start|>"),
        "vision_end_token_id": token("<|vision_end|>"),
        "video_token_id": len(tokenizer),
    }
    return ColQwen2Config(vlm_config=vlm, embedding_dim=32)


def sharpen(model: torch.nn.Module) -> None:
    """Weights large enough that attention picks and positions count: fresh ones (0.02) leave tokens as they came.

    What attention adds is kept below what a token brings itself, as in a trained model: a patch stays its own.
    """
    gains = {"q_proj": 1.5, "k_proj": 1.5, "qkv": 1.5, "o_proj": 0.5, "attn.proj": 0.5, "linear_attn.out_proj": 0.2}
    gains.update({"out_proj": 0.5, "Wo": 0.5})
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                gain = next((gain for part, gain in gains.items() if part in name), 1.0)
                weight.normal_(std=gain / weight[0].numel() ** 0.5)


def text_for_tokenizers() -> tuple[str, ...]:
    """What small tokenizers are trained on."""
    return _TRAINING_TEXT


def load(folder: Path, **options: object) -> VlmEncoder:
    """A checkpoint as the tests compare it: on the CPU, in float32."""
    return load_encoder(folder, device="cpu", dtype="float32", **options)


def vectors(encoder: VlmEncoder) -> np.ndarray:
    """The vectors of one page of noise, always the same."""
    pixels = np.random.default_rng(5).integers(0, 256, (140, 84, 3), dtype=np.uint8)
    [embedding] = encoder.encode_pages([Page(Image.fromarray(pixels))])
    return embedding.vectors
