"""sentence-transformers 6.2 on the folders of `bi_encoder_folders.py`: one vector a text. Run by `original.py`."""

import json
from pathlib import Path

import numpy as np
import torch
from drawn import draw, draw_backbone
from inputs import QUESTIONS, TEXTS
from sentence_transformers import SentenceTransformer


def answers(folder: Path) -> dict[str, np.ndarray]:
    """Each variant's weights by their stored names, and its vectors of all texts and questions."""
    shapes, made = {}, {}
    for variant in sorted(each for each in folder.iterdir() if each.is_dir()):
        shapes[variant.name] = {"model": draw_backbone(variant)}
        for dense in sorted(variant.glob("*_Dense")):
            shapes[variant.name][f"{dense.name}/model"] = _draw_layer(dense)
        with torch.no_grad():
            model = SentenceTransformer(str(variant), device="cpu")
            made[f"{variant.name}/pages"] = model.encode_document(list(TEXTS), normalize_embeddings=True)
            made[f"{variant.name}/queries"] = model.encode_query(list(QUESTIONS), normalize_embeddings=True)
    return {"weights": np.array(json.dumps(shapes)), **made}


def _draw_layer(folder: Path) -> dict[str, list[int]]:
    config = json.loads((folder / "config.json").read_bytes())
    rows, columns = config["out_features"], config["in_features"]
    shapes = {"linear.weight": [rows, columns]}
    if config["bias"]:
        shapes["linear.bias"] = [rows]
    if config["use_residual"] and rows != columns:
        shapes["residual.weight"] = [rows, columns]
    return draw(folder / "model.safetensors", shapes)


PACKAGE = "sentence-transformers"
CASES = {"st-bi-encoders": answers}
