"""Runs original implementations on given weights, and keeps what they answer. Nothing of colvision runs here.

python tests/oracles/original.py SET PARTS OUT, in the environment of that name that `make oracles` makes.
"""

import importlib
import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from inputs import QUESTIONS, pages, weight


def answers(model: torch.nn.Module, processor: object) -> dict[str, np.ndarray]:
    """The stored names and shapes of the model's weights, and the vectors of pages and questions, each batch padded."""
    shapes = {}
    with torch.no_grad():
        for name, parameter in model.eval().named_parameters():
            shapes[name] = list(parameter.shape)
            parameter.copy_(torch.from_numpy(weight(name, tuple(parameter.shape))))
    made = {"weights": np.array(json.dumps(shapes))}
    for kind, batch in (
        ("page", processor.process_images(pages())),
        ("query", processor.process_queries(list(QUESTIONS))),
    ):
        with torch.no_grad():
            vectors = model(**batch)
        for number, (rows, mask) in enumerate(zip(vectors, batch["attention_mask"], strict=True)):
            made[f"{kind}{number}"] = rows[mask.bool()].numpy().astype(np.float32)
    return made


def main(which: str, parts: Path, out: Path) -> None:
    original = importlib.import_module(which)
    versions = {package: version(package) for package in (original.PACKAGE, "transformers", "torch")}
    for name, case in original.CASES.items():
        found = case(parts / name)
        made = found if isinstance(found, dict) else answers(*found)
        np.savez_compressed(out / f"{name}.npz", versions=np.array(json.dumps(versions)), **made)
        sys.stdout.write(f"{name}: {', '.join(sorted(made))}\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
