"""Trains mini from nothing.

python -m colvision.encoders.mini.training OUT --pdfs FOLDER [--fonts FOLDER ...] [--words FOLDER ...] [--steps N]

The run resumes from OUT. `python -m colvision.encoders.mini.training.export` turns its checkpoint into weights.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from colvision.encoders.mini.training import documents, synthesis
from colvision.encoders.mini.training.dataset import CropDataset, dictionary, running_text
from colvision.encoders.mini.training.loop import TrainingRecipe, train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--pdfs", type=Path, help="a folder of PDFs with a text layer (without: generated pages only)")
    parser.add_argument("--fonts", type=Path, nargs="+", default=[Path("/usr/share/fonts")])
    parser.add_argument("--words", type=Path, nargs="+", default=[Path("/usr/share/dict")])
    parser.add_argument("--start", type=Path, help="a folder of weights to begin with, such as mini's own")
    parser.add_argument("--rate", type=float, default=TrainingRecipe.rate, help="learning rate, after the warm-up")
    parser.add_argument("--steps", type=int, default=TrainingRecipe.steps)
    parser.add_argument("--batch", type=int, default=TrainingRecipe.batch, help="crops of a step")
    parser.add_argument("--seed", type=int, default=TrainingRecipe.seed)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    recipe = replace(TrainingRecipe(), steps=options.steps, batch=options.batch, seed=options.seed, rate=options.rate)
    pages = documents.list_pages(options.pdfs, most_a_document=40, seed=recipe.seed) if options.pdfs else []
    fonts = synthesis.find_fonts(options.fonts)
    generator = synthesis.PageGenerator(fonts, dictionary(options.words), running_text(pages, 2000))
    print(f"{len(pages)} pages, {len(fonts)} fonts; the curve goes to {options.out / 'curve.jsonl'}", flush=True)
    train(CropDataset(generator, pages, seed=recipe.seed), options.out, recipe, start=options.start)


if __name__ == "__main__":
    main()
