"""From a checkpoint to the weights in the package: the page tower quantised, the query tower as float16.

python -m colvision.encoders.mini.training.export CHECKPOINT FOLDER --pdfs PDFS

The constants that go with the weights are measured on training pages, with the towers as they are written. Beside
them FOLDER gets the page tower before it was quantised (float16), with which tests compare.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from colvision.core.encoder import Encoder
from colvision.core.page import Page
from colvision.encoders import mini
from colvision.encoders.mini.encoder import PAGE_TOWER, QUERY_TOWER
from colvision.encoders.mini.geometry import DPI
from colvision.encoders.mini.query_tower import SHAPES
from colvision.encoders.mini.training import degrade, documents
from colvision.encoders.mini.training.loop import FLOAT_PAGE_TOWER
from colvision.encoders.mini.training.model import PageTower
from colvision.encoders.mini.training.quantise import write_quantised

_RANGE_MARGIN = 1.1  # over the largest component seen
_PAGES = 120
_CROPS, _CROP_SIDE = 40, 512  # pixels; what the activations' ranges are measured on
_PRIOR = 0.05  # a word of a query stands on about one page in twenty
# The keys are those of every weights file there is: `link` is the calibration, `code_range` the quantisation range.
_PROVISIONAL = {"code_range": 1.0, "link_slope": 20.0, "link_midpoint": 0.6, "link_midpoint_digits": 0.6}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="of a run, or any file with its page and query tensors")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pdfs", type=Path, required=True)
    options = parser.parse_args()
    page, query = read_towers(options.checkpoint)
    tower = page_tower(page)
    if {name: tuple(value.shape) for name, value in query.items()} != SHAPES:
        raise SystemExit(f"{options.checkpoint} holds no query tower of mini: take the checkpoint of a run")
    options.folder.mkdir(parents=True, exist_ok=True)
    save_file(page, options.folder / FLOAT_PAGE_TOWER)
    write_quantised(tower, _crops(options.pdfs), options.folder / PAGE_TOWER)
    _write_query(query, options.folder, _PROVISIONAL)
    settings = _measure(mini.load(options.folder), options.pdfs)
    print(settings)
    _write_query(query, options.folder, settings)


def page_tower(tensors: dict[str, Tensor]) -> PageTower:
    """From the tensors of `FLOAT_PAGE_TOWER`. Raises `SystemExit` for others, or too few."""
    tower = PageTower().eval().requires_grad_(False)
    counts = {name for name in tower.state_dict() if name.endswith("num_batches_tracked")}
    found = tower.load_state_dict({name: value.float() for name, value in tensors.items()}, strict=False)
    if found.unexpected_keys or set(found.missing_keys) - counts:
        raise SystemExit("these are not the tensors of mini's page tower: take the checkpoint of a run")
    return tower


def read_towers(checkpoint: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The tensors of the page tower and of the query tower, float16."""
    page: dict[str, Tensor] = {}
    query: dict[str, Tensor] = {}
    for name, value in load_file(checkpoint).items():
        tower, _, own = name.removeprefix("towers.").partition(".")
        if tower in ("page", "query") and not own.endswith("num_batches_tracked"):
            (page if tower == "page" else query)[own] = value.half().contiguous()
    return page, query


def _write_query(tensors: dict[str, Tensor], folder: Path, settings: dict[str, float]) -> None:
    save_file(tensors, folder / QUERY_TOWER, metadata={"mini": json.dumps(settings)})


def _crops(pdfs: Path) -> Iterator[NDArray[np.uint8]]:
    """From the middle of training pages, spoilt as those that the towers are trained on."""
    rng = np.random.default_rng(5)
    left = _CROPS
    for place in documents.list_pages(pdfs, most_a_document=2, seed=98):
        page = documents.labelled_page(place, DPI)
        if page is None or min(page.image.shape) < _CROP_SIDE:
            continue
        down, right = ((length - _CROP_SIDE) // 2 for length in page.image.shape)
        yield degrade.degrade(page.image[down : down + _CROP_SIDE, right : right + _CROP_SIDE], rng)
        left -= 1
        if not left:
            return


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
    vocabulary = [word for word in vocabulary if word.isalnum()]  # one token each
    table = np.stack([query.vectors[0] for query in encoder.encode_queries(vocabulary)])  # (words, dim)
    is_digits = np.array([any(map(str.isdigit, word)) for word in vocabulary])
    similarity, present, digits = [], [], []
    for page, own in zip(labelled, vectors, strict=True):
        here = {word.text for word in page.words}
        sample = rng.choice(len(vocabulary), 400, replace=False)
        sample = np.union1d(sample, np.flatnonzero([word in here for word in vocabulary]))
        similarity.append((table[sample] @ own.T).max(axis=1))
        present.append(np.array([vocabulary[i] in here for i in sample]))
        digits.append(is_digits[sample])
    slope, midpoints = _logistic(np.concatenate(similarity), np.concatenate(present), np.concatenate(digits))
    largest = max(float(np.abs(own).max()) for own in vectors)
    return {
        "code_range": round(min(1.0, largest * _RANGE_MARGIN), 3),
        "link_slope": slope,
        "link_midpoint": midpoints[0],
        "link_midpoint_digits": midpoints[1],
    }


def _logistic(
    similarity: NDArray[np.float32], present: NDArray[np.bool_], digits: NDArray[np.bool_]
) -> tuple[float, tuple[float, float]]:
    """Logistic regression by Newton's method: one slope, the midpoints of words and of tokens with a digit.

    The classes are weighted to `_PRIOR` within each of the two.
    """
    x = np.stack([similarity, ~digits, digits], axis=1).astype(np.float64)  # (n, 3)
    share = np.where(digits, present[digits].mean(), present[~digits].mean())
    weight = np.where(present, _PRIOR / share, (1 - _PRIOR) / (1 - share))
    theta = np.zeros(3)
    for _ in range(50):
        probability = 1 / (1 + np.exp(-x @ theta))
        gradient = x.T @ (weight * (present - probability))
        curvature = (x * (weight * probability * (1 - probability))[:, None]).T @ x + 1e-6 * np.eye(3)
        theta += np.linalg.solve(curvature, gradient)
    words, codes = (round(float(-each / theta[0]), 4) for each in theta[1:])
    return round(float(theta[0]), 3), (words, codes)


if __name__ == "__main__":
    main()
