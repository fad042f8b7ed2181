"""From a checkpoint to the weights in the package: float16, with the constants that go with them measured.

python -m colvision.encoders.mini.training.export RUN WEIGHTS.safetensors --pdfs FOLDER [--calibration SLOPE MIDPOINT]
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file

from colvision.core.encoder import Encoder
from colvision.core.page import Page
from colvision.encoders import mini
from colvision.encoders.mini.training import degrade, documents

_RANGE_MARGIN = 1.1  # over the largest component seen
_PAGES = 120
_PRIOR = 0.05  # a word of a query stands on about one page in twenty
# The keys are those of every weights file there is: `link` is the calibration, `code_range` the quantisation range.
_PROVISIONAL = {"code_range": 1.0, "link_slope": 20.0, "link_midpoint": 0.6}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--pdfs", type=Path, required=True)
    parser.add_argument(
        "--calibration", type=float, nargs=2, help="chosen elsewhere, instead of the fit on training pages"
    )
    options = parser.parse_args()
    tensors = load_file(options.run / "checkpoint.safetensors")
    kept = {
        name.removeprefix("towers."): value.half().contiguous()
        for name, value in tensors.items()
        if name.startswith(("towers.page.", "towers.query.")) and not name.endswith("num_batches_tracked")
    }
    _write(kept, options.weights, _PROVISIONAL)
    settings = _measure(mini.load(options.weights), options.pdfs)
    print(settings)
    if options.calibration:
        settings |= {"link_slope": options.calibration[0], "link_midpoint": options.calibration[1]}
    _write(kept, options.weights, settings)


def _write(tensors: dict[str, torch.Tensor], path: Path, settings: dict[str, float]) -> None:
    save_file(tensors, path, metadata={"mini": json.dumps(settings)})


def _measure(encoder: Encoder, pdfs: Path) -> dict[str, float]:
    """The quantisation range, and the calibration: how probably a page holds a word, by its best similarity there."""
    rng = np.random.default_rng(0)
    pages = [
        (page, documents.labelled_page(page, 150))
        for page in documents.list_pages(pdfs, most_a_document=2, seed=99)[:_PAGES]
    ]
    labelled = [page for _, page in pages if page is not None and len(page.words) > 30]
    images = [Image.fromarray(degrade.degrade(page.image, rng)) for page in labelled]
    vectors = [e.vectors for e in encoder.encode_pages(Page(image) for image in images)]
    vocabulary = sorted({word.text for page in labelled for word in page.words if len(word.text) > 2})
    queries = {q.text: q.vectors[0] for q in encoder.encode_queries(vocabulary)}
    table = np.stack([queries[word] for word in vocabulary])  # (words, dim)
    similarity, present = [], []
    for page, own in zip(labelled, vectors, strict=True):
        here = {word.text for word in page.words}
        sample = rng.choice(len(vocabulary), 400, replace=False)
        sample = np.union1d(sample, [i for i, word in enumerate(vocabulary) if word in here])
        similarity.append((table[sample] @ own.T).max(axis=1))
        present.append(np.array([vocabulary[i] in here for i in sample]))
    slope, midpoint = _logistic(np.concatenate(similarity), np.concatenate(present))
    largest = max(float(np.abs(own).max()) for own in vectors)
    return {"code_range": round(min(1.0, largest * _RANGE_MARGIN), 3), "link_slope": slope, "link_midpoint": midpoint}


def _logistic(similarity: NDArray[np.float32], present: NDArray[np.bool_]) -> tuple[float, float]:
    """Logistic regression by Newton's method, the classes weighted to `_PRIOR`: slope and midpoint."""
    x = np.stack([similarity, np.ones_like(similarity)], axis=1).astype(np.float64)  # (n, 2)
    weight = np.where(present, _PRIOR / present.mean(), (1 - _PRIOR) / (1 - present.mean()))
    theta = np.zeros(2)
    for _ in range(50):
        probability = 1 / (1 + np.exp(-x @ theta))
        gradient = x.T @ (weight * (present - probability))
        curvature = (x * (weight * probability * (1 - probability))[:, None]).T @ x + 1e-6 * np.eye(2)
        theta += np.linalg.solve(curvature, gradient)
    return round(float(theta[0]), 3), round(float(-theta[1] / theta[0]), 4)


if __name__ == "__main__":
    main()
