"""sentence-transformers 6.2 on the transformers of this project: it loads the folders of `text_folders.py` by itself.

Run by `original.py`.
"""

import json
from pathlib import Path

import numpy as np
import torch
from inputs import DOCUMENTS, TEXT_QUERIES, text_weight
from safetensors.torch import load_file, save_file
from sentence_transformers import MultiVectorEncoder
from transformers import AutoConfig, AutoModel

NAMES = (
    "stanford",
    "stanford-attends",
    "both",
    "pylate",
    "pylate-deep",
    "multivector",
    "multivector-plain",
)
_STANFORD_DIM = 8


def answers(folder: Path) -> dict[str, np.ndarray]:
    """Draws the folder's weights, by their stored names, and encodes with them, text by text."""
    shapes = {f"{dense.name}/model": _draw_dense(dense) for dense in sorted(folder.glob("*_Dense"))}
    shapes["model"] = _draw_backbone(folder, is_stanford=not shapes and (folder / "artifact.metadata").is_file())
    made = {"weights": np.array(json.dumps(shapes))}
    with torch.no_grad():
        model = MultiVectorEncoder(str(folder), device="cpu")
        for kind, encode, texts in (
            ("document", model.encode_document, DOCUMENTS),
            ("query", model.encode_query, TEXT_QUERIES),
        ):
            for number, text in enumerate(texts):
                [vectors] = encode([text], convert_to_numpy=True)
                made[f"{kind}{number}"] = vectors.astype(np.float32)
    return made


def _draw_backbone(folder: Path, *, is_stanford: bool) -> dict[str, list[int]]:
    """Under the names of the model itself; Stanford's lie in a `bert`, beside a `linear`."""
    stated = (folder / "config.json").read_text()
    AutoModel.from_config(AutoConfig.from_pretrained(folder)).save_pretrained(folder)
    (folder / "config.json").write_text(stated)  # with the architecture that it names
    file = folder / "model.safetensors"
    shapes = {name: list(each.shape) for name, each in load_file(file).items()}
    if is_stanford:
        hidden = json.loads(stated)["hidden_size"]
        shapes = {f"bert.{name}": shape for name, shape in shapes.items()} | {"linear.weight": [_STANFORD_DIM, hidden]}
    return _draw(file, shapes)


def _draw_dense(folder: Path) -> dict[str, list[int]]:
    config = json.loads((folder / "config.json").read_bytes())
    rows, columns = config["out_features"], config["in_features"]
    bias = {"linear.bias": [rows]} if config["bias"] else {}
    residual = {"residual.weight": [rows, columns]} if config.get("use_residual") and rows != columns else {}
    return _draw(folder / "model.safetensors", {"linear.weight": [rows, columns], **bias, **residual})


def _draw(file: Path, shapes: dict[str, list[int]]) -> dict[str, list[int]]:
    state = {name: torch.from_numpy(text_weight(name, tuple(shape))) for name, shape in shapes.items()}
    save_file(state, file, metadata={"format": "pt"})
    return shapes


PACKAGE = "sentence-transformers"
CASES = {f"text-{name}": answers for name in NAMES}
