"""sentence-transformers 6.2 on the folders of `bi_encoder_folders.py`: one vector a text or page. Run by `original.py`.

Of the processors that see pictures it gets those of `pil_processors.py`.
"""

import json
from pathlib import Path

import numpy as np
import torch
import transformers
from drawn import draw, draw_backbone
from inputs import PAGE_TEXTS, QUESTIONS, pages
from pil_processors import processor

tokenizer_of = transformers.AutoProcessor.from_pretrained
transformers.AutoProcessor.from_pretrained = lambda folder, **options: (
    processor(folder, **options) if Path(folder, "chat_template.jinja").is_file() else tokenizer_of(folder, **options)
)

from sentence_transformers import SentenceTransformer  # noqa: E402


def answers(folder: Path) -> dict[str, np.ndarray]:
    """Each variant's weights by their stored names, and its vectors of all texts and questions."""
    shapes, made = {}, {}
    for variant in sorted(each for each in folder.iterdir() if each.is_dir()):
        shapes[variant.name] = {"model": draw_backbone(variant)}
        for dense in sorted(variant.glob("*_Dense")):
            shapes[variant.name][f"{dense.name}/model"] = _draw_layer(dense)
        with torch.no_grad():
            model = SentenceTransformer(str(variant), device="cpu")
            made[f"{variant.name}/pages"] = model.encode_document(list(PAGE_TEXTS), normalize_embeddings=True)
            made[f"{variant.name}/queries"] = model.encode_query(list(QUESTIONS), normalize_embeddings=True)
    return {"weights": np.array(json.dumps(shapes)), **made}


def page_answers(folder: Path) -> dict[str, np.ndarray]:
    shapes = {"model": draw_backbone(folder)}
    with torch.no_grad():
        model = SentenceTransformer(str(folder), device="cpu")
        seen = [model.encode_document([page]) for page in pages()]
        asked = [model.encode_query([question]) for question in QUESTIONS]
    return {"weights": np.array(json.dumps(shapes)), "pages": np.concatenate(seen), "queries": np.concatenate(asked)}


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
CASES = {"st-bi-encoders": answers, "st-qwen3-vl-embedding": page_answers}
