"""sentence-transformers 6.2 on the transformers of this project: it loads the folders of `module_folders.py` by itself.

Run by `original.py`. Of transformers' processors it gets those of `pil_processors.py`.
"""

import json
from pathlib import Path

import numpy as np
import torch
import transformers
from drawn import draw, draw_backbone
from inputs import QUESTIONS, pages
from peft import PeftConfig, PeftModel, get_peft_model_state_dict
from pil_processors import processor
from transformers import AutoModel

NAMES = (
    "pplx-late",
    "colqwen2",
    "colqwen2.5",
    "colqwen3",
    "colpali",
    "colpali-adapter",
    "colsmol",
    "colmodernvbert",
    "colultravbert",
)


transformers.AutoProcessor.from_pretrained = processor

from sentence_transformers import MultiVectorEncoder  # noqa: E402


def answers(folder: Path) -> dict[str, np.ndarray]:
    """Draws the folder's weights, by their stored names, and encodes with them, page by page."""
    shapes = {"1_Dense/model": _draw_dense(folder / "1_Dense")} if (folder / "1_Dense").is_dir() else {}
    if (folder / "adapter_config.json").is_file():
        shapes |= {"base/model": draw_backbone(folder / "base"), "adapter_model": _draw_adapter(folder)}
    else:
        shapes["model"] = draw_backbone(folder)
    made = {"weights": np.array(json.dumps(shapes))}
    with torch.no_grad():
        model = MultiVectorEncoder(str(folder), device="cpu")
        for number, page in enumerate(pages()):
            [vectors] = model.encode_document([page], convert_to_numpy=True)
            made[f"page{number}"] = vectors.astype(np.float32)
        for number, question in enumerate(QUESTIONS):
            [vectors] = model.encode_query([question], convert_to_numpy=True)
            made[f"query{number}"] = vectors.astype(np.float32)
    return made


def _draw_adapter(folder: Path) -> dict[str, list[int]]:
    """What peft names the layers of an adapter on the backbone, and those of a projection that the backbone has not."""
    config = PeftConfig.from_pretrained(str(folder))
    adapted = PeftModel(AutoModel.from_pretrained(folder / "base"), config)
    names = {name: list(each.shape) for name, each in get_peft_model_state_dict(adapted).items()}
    dense = json.loads((folder / "1_Dense" / "config.json").read_bytes())
    projection = {"A": [config.r, dense["in_features"]], "B": [dense["out_features"], config.r]}
    added = {f"base_model.model.custom_text_proj.lora_{side}.weight": shape for side, shape in projection.items()}
    return draw(folder / "adapter_model.safetensors", {**names, **added})


def _draw_dense(folder: Path) -> dict[str, list[int]]:
    config = json.loads((folder / "config.json").read_bytes())
    rows, columns = config["out_features"], config["in_features"]
    bias = {"linear.bias": [rows]} if config["bias"] else {}
    return draw(folder / "model.safetensors", {"linear.weight": [rows, columns], **bias})


PACKAGE = "sentence-transformers"
CASES = {f"st-{name}": answers for name in NAMES}
