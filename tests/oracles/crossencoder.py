"""sentence-transformers 6.2's `CrossEncoder` on the transformers of this project, over `reranker_folders.py`'s folders.

Run by `original.py`. Of transformers' processors it gets those of `pil_processors.py`.
"""

import json
from pathlib import Path

import numpy as np
import torch
import transformers
from inputs import QUESTIONS, TEXTS, pages, weight
from pil_processors import processor
from safetensors.torch import load_file, save_file

_original = transformers.AutoProcessor.from_pretrained


def _processor(folder: str, **options: object) -> object:
    is_picture = transformers.AutoConfig.from_pretrained(folder).model_type == "qwen3_vl"
    return processor(folder, **options) if is_picture else _original(folder, **options)


transformers.AutoProcessor.from_pretrained = _processor

from sentence_transformers import CrossEncoder  # noqa: E402
from sentence_transformers.base.modules import Dense  # noqa: E402
from sentence_transformers.sentence_transformer.modules import LayerNorm  # noqa: E402

NAMES = (
    "bert",
    "xlm-roberta",
    "modernbert",
    "ettin-cls",
    "ettin-mean",
    "qwen3-classifier",
    "qwen3-answers",
    "zerank",
    "qwen3-vl",
)


def answers(folder: Path) -> dict[str, np.ndarray]:
    """Draws the folder's weights, by their stored names; a row of scores for every question."""
    shapes = _draw(folder)
    made = {"weights": np.array(json.dumps(shapes))}
    model = CrossEncoder(str(folder), device="cpu")
    shown = pages() if "vl" in folder.name else list(TEXTS)
    for number, question in enumerate(QUESTIONS):
        made[f"scores{number}"] = model.predict([(question, each) for each in shown]).astype(np.float32)
    return made


def _draw(folder: Path) -> dict[str, dict[str, list[int]]]:
    config = transformers.AutoConfig.from_pretrained(folder)
    model = getattr(transformers, config.architectures[0])(config)
    model.save_pretrained(folder)
    own = {name: list(each.shape) for name, each in load_file(folder / "model.safetensors").items()}
    shapes = {"model": own, **_head_shapes(folder)}
    for file, named in shapes.items():
        state = {name: torch.from_numpy(weight(name, tuple(shape))) for name, shape in named.items()}
        save_file(state, folder / f"{file}.safetensors", metadata={"format": "pt"})
    return shapes


def _head_shapes(folder: Path) -> dict[str, dict[str, list[int]]]:
    """Of the steps beside the model, by what their own classes make of their configurations."""
    shapes = {}
    for path in sorted(folder.glob("[0-9]_*")):
        kind = path.name.partition("_")[2]
        if kind in ("Dense", "LayerNorm"):
            stated = json.loads((path / "config.json").read_bytes())
            stated.pop("activation_function", None)
            layer = {"Dense": Dense, "LayerNorm": LayerNorm}[kind](**stated)
            named = {name: list(each.shape) for name, each in layer.state_dict().items()}
            shapes[f"{path.name}/model"] = named
    return shapes


PACKAGE = "sentence-transformers"
CASES = {f"ce-{name}": answers for name in NAMES}
