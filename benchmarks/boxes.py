"""How well the box that an explanation shows for a word fits the word, on pages whose text layer says where it is.

python -m benchmarks.boxes PDF_FOLDER [--pages 60]

Two pages of each PDF, eight words of each page that a search for them finds there with mini: as drawn, as scans
(without their turn and shift, so that boxes stay), as scans turned by 2 degrees either way, and white on black.
"""

import argparse
import dataclasses
import math
import random
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pypdfium2 as pdfium
from PIL import Image, ImageChops

from benchmarks.machine import machine
from benchmarks.mini import explain
from colvision.core.encoder import Encoder
from colvision.core.page import Box, Page, PdfGeometry
from colvision.encoders import load_encoder
from colvision.evaluation.pointing import is_hit
from colvision.evaluation.scans import SCAN_SETTINGS, ScanLevel, simulate_scan

_DPI = 150
_WORDS = 8  # of a page
_FEWEST, _SHORTEST = 30, 3  # words of a page, letters of a word
_TURN = 2.0  # degrees


class _LabelledPage(NamedTuple):
    image: Image.Image
    size: tuple[float, float]  # points
    words: dict[str, list[Box]]  # fractions of the page


def labelled_pages(folder: Path, count: int) -> Iterator[_LabelledPage]:
    """Pages of the folder's PDFs with at least 30 words, two a file."""
    rng = random.Random(0)
    left = count
    for path in rng.sample(files := sorted(folder.glob("*.pdf")), len(files)):
        pdf = pdfium.PdfDocument(path)
        pages = (pdf[number] for number in rng.sample(range(len(pdf)), min(8, len(pdf))))
        found = [page for page in pages if sum(map(len, _words(page).values())) >= _FEWEST and not page.get_rotation()]
        for page in found[: min(2, left)]:
            image = page.render(scale=_DPI / 72, grayscale=True).to_pil().convert("L")
            yield _LabelledPage(image, page.get_size(), _words(page))
        left -= len(found[: min(2, left)])
        if left == 0:
            return


def _words(page: pdfium.PdfPage) -> dict[str, list[Box]]:
    text = page.get_textpage()
    width, height = page.get_size()
    words: dict[str, list[Box]] = {}
    for match in re.finditer(r"[^\W_](?:\S*[^\W_])?", text.get_text_range()):
        letters = np.array([text.get_charbox(i) for i in range(*match.span())])  # left, bottom, right, top
        (left, bottom), (right, top) = letters[:, :2].min(axis=0), letters[:, 2:].max(axis=0)
        is_level = top - bottom < 1.5 * (letters[:, 3] - letters[:, 1]).max()  # not on two lines, nor up the page
        if len(letters) >= _SHORTEST and match.group().isascii() and is_level and left < right:
            box = Box(left / width, 1 - top / height, right / width, 1 - bottom / height)
            words.setdefault(match.group().lower(), []).append(box)
    return words


def scan(level: ScanLevel, *, turn: float = 0) -> Callable[[_LabelledPage, int], _LabelledPage]:
    """A page -> the same scanned and turned by `turn` degrees, odd ones to the left, even ones to the right."""

    def scanned(page: _LabelledPage, number: int) -> _LabelledPage:
        settings = dataclasses.replace(SCAN_SETTINGS[level], turn=0, shift=0)
        image = simulate_scan(page.image, settings, rng=np.random.default_rng(number))
        angle = turn if number % 2 else -turn
        paper = int(np.median(np.asarray(image)))
        image = image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=paper) if turn else image
        words = {word: [_turned(box, angle, image.size) for box in boxes] for word, boxes in page.words.items()}
        return page._replace(image=image, words=words)

    return scanned


def _turned(box: Box, angle: float, size: tuple[int, int]) -> Box:
    """What encloses a box after Pillow's rotation by `angle` degrees."""
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    corners = np.array([(x, y) for x in (box.left, box.right) for y in (box.top, box.bottom)]) - 0.5
    turned = (corners * size) @ np.array([[cosine, -sine], [sine, cosine]]) / size + 0.5
    return Box(*turned.min(axis=0), *turned.max(axis=0))


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    both = max(width, 0) * max(height, 0)
    return both / (sum((box.right - box.left) * (box.bottom - box.top) for box in (one, other)) - both)


def measure(encoder: Encoder, pages: list[_LabelledPage]) -> str:
    """A row's figures, of the patches and of the boxes shown: overlap with the word, distance of the middles."""
    rng = random.Random(1)
    figures: list[tuple[float, float]] = []
    spent: list[float] = []
    for page in pages:
        shown = Page(page.image.convert("RGB"), geometry=PdfGeometry((0, 0, *page.size)))
        (embedding,) = encoder.encode_pages([shown])
        for word in rng.sample(sorted(page.words), min(_WORDS, len(page.words))):
            bare = explain(encoder, word, embedding)
            if not bare.matches or not is_hit(bare, page.words[word]):
                continue
            start = time.process_time()
            why = explain(encoder, word, embedding, shown.image)
            spent.append((time.process_time() - start) / len(why.matches))
            best = max(range(len(why.matches)), key=lambda token: why.matches[token].contribution)
            patch, box = bare.matches[best].box, why.matches[best].box
            assert patch is not None and box is not None
            true = min(page.words[word], key=lambda place: _distance(place, patch))
            for each in (patch, box):
                off = abs(each.top + each.bottom - true.top - true.bottom) / 2 / (true.bottom - true.top)
                figures.append((overlap(each, true), off))
    overlaps, offs = np.array(figures).reshape(-1, 2, 2).transpose(2, 1, 0)  # (patch and box, words) each
    cells = [str(overlaps.shape[1])]
    for which in range(2):
        cells += [f"{np.median(overlaps[which]):.2f}", f"{(overlaps[which] >= 0.5).mean():.2f}"]
        cells += [f"{np.median(offs[which]):.2f}"]
    return " | ".join([*cells, f"{np.median(spent) * 1e3:.1f} ms"])


def _distance(place: Box, patch: Box) -> float:
    """From the middle of a patch to a word, in patches; of two as far, the one on whose line the middle lies."""
    width, height = patch.right - patch.left, patch.bottom - patch.top
    x, y = (patch.left + patch.right) / 2, (patch.top + patch.bottom) / 2
    across = max(place.left - x, 0, x - place.right) / width
    down = max(place.top - y, 0, y - place.bottom) / height
    return across + down + 0.1 * abs((place.top + place.bottom) / 2 - y) / height


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of PDFs with text layers")
    parser.add_argument("--pages", type=int, default=60)
    options = parser.parse_args()
    encoder = load_encoder("mini")
    pages = list(labelled_pages(options.folder, options.pages))
    cases: dict[str, Callable[[_LabelledPage, int], _LabelledPage]] = {
        "as drawn": lambda page, _: page,
        "light scan": scan("light"),
        "heavy scan": scan("heavy"),
        "heavy scan, 2 degrees": scan("heavy", turn=_TURN),
        "white on black": lambda page, _: page._replace(image=ImageChops.invert(page.image)),
    }
    print(f"{machine()}; mini {encoder.info.fingerprint[:12]}; {len(pages)} pages\n")
    print("| pages | words | patch: overlap | of .5 | off | box: overlap | of .5 | off | time |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, change in cases.items():
        print(f"| {name} | {measure(encoder, [change(page, i) for i, page in enumerate(pages)])} |", flush=True)


if __name__ == "__main__":
    main()
