"""Whether an image finds the page that it was made from: parts of the sample manual's pages, and photographs of them.

python -m benchmarks.image_queries [SEED]

Searched in the sample manual, born digital and as a scan: 40 pages, where the same page of either file is right. Sizes
were chosen with seed 0; another seed cuts other parts, lit and bent otherwise.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

import colvision
from benchmarks.machine import machine
from colvision.library import Library
from colvision.pdf import read_pages

_DATA = Path(__file__).parents[1] / "data"
_FILES = [_DATA / "sample-manual.pdf", _DATA / "sample-manual-scan.pdf"]
_INK = 0.01  # a part with less is an empty margin, which no page can be recognised by
_PARTS = {"whole pages": (1.0, 1.0, 12), "half pages": (1.0, 0.5, 12), "40 x 25 %": (0.4, 0.25, 16)}
_SLIVERS = {"50 x 10 %": (0.5, 0.1, 16), "25 x 5 %": (0.25, 0.05, 16)}

Images = list[tuple[int, Image.Image]]  # the page that each was made from


def parts(pages: dict[int, Image.Image], share: tuple[float, float, int], rng: np.random.Generator) -> Images:
    """So many parts of pages after the cover: `share` is (width, height, how many)."""
    found: Images = []
    while len(found) < share[2]:
        number = int(rng.integers(2, len(pages) + 1))
        page = pages[number]
        width, height = int(page.width * share[0]), int(page.height * share[1])
        left, top = int(rng.integers(0, page.width - width + 1)), int(rng.integers(0, page.height - height + 1))
        part = page.crop((left, top, left + width, top + height))
        if (np.asarray(part) < 128).mean() > _INK:
            found.append((number, part))
    return found


def photograph(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Askew on a dark table, blurred, noisy, and darker at the left.

    Not `simulate_scan`: a camera sees the page in perspective and the table around it, which no scanner does.
    """
    width, height = image.size
    table = Image.new("L", (int(width * 1.2), int(height * 1.2)), 90)
    table.paste(image, (int(width * 0.1), int(height * 0.1)))
    right, bottom = table.size
    corners = np.array([0, 0, 0, bottom, right, bottom, right, 0])
    corners = corners + rng.uniform(-0.04, 0.04, 8) * np.tile([width, height], 4)
    bent = table.transform(table.size, Image.Transform.QUAD, tuple(corners), Image.Resampling.BICUBIC)
    light = np.asarray(bent.filter(ImageFilter.GaussianBlur(1.0)), float) * np.linspace(0.7, 1.0, right)[None]
    return Image.fromarray((light + rng.normal(0, 6, (bottom, right))).clip(0, 255).astype(np.uint8))


def shares(library: Library, images: Images) -> tuple[float, float]:
    """How many of them find their page first, and among the first five."""
    ranks = []
    for number, image in images:
        pages = [hit.page for hit in library.search_image(image, k=5)]
        ranks.append(pages.index(number) if number in pages else len(pages))
    return float(np.mean(np.array(ranks) == 0)), float(np.mean(np.array(ranks) < 5))


def main() -> None:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    rng = np.random.default_rng(seed)
    pages = {page.number: page.image.convert("L") for page in read_pages(_FILES[0])}
    sets = {name: parts(pages, share, rng) for name, share in {**_PARTS, **_SLIVERS}.items()}
    sets |= {f"{name}, photographed": [(page, photograph(each, rng)) for page, each in sets[name]] for name in _PARTS}
    print(f"{machine()}; seed {seed}")
    with tempfile.TemporaryDirectory() as folder, colvision.open_library(Path(folder) / "library") as library:
        library.ingest(_FILES)
        found = {name: shares(library, images) for name, images in sets.items()}
    for name, (first, among) in found.items():
        print(f"{name:28} first {first:.2f}   among the first five {among:.2f}   n {len(sets[name])}")
    print(f"{'mean of the kinds':28} first {np.mean([first for first, _ in found.values()]):.2f}")


if __name__ == "__main__":
    main()
