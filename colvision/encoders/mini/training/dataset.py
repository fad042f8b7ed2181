"""An endless stream of crops from real documents and generated pages."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from torch.utils.data import IterableDataset

from colvision.encoders.mini.training import documents, synthesis
from colvision.encoders.mini.training.crops import Crop, cut_crop
from colvision.encoders.mini.training.labelled_page import LabelledPage

_CROPS_A_PAGE = 4
_BUFFER = 64  # crops that are drawn from at random, so that a batch does not come from one page
_FAILURES = 1000  # pages in a row without a crop: the sources are unusable


class CropDataset(IterableDataset[Crop]):
    """Crops, a share of `real_share` from `pages`, the rest generated; the same for the same seed and start."""

    def __init__(
        self,
        generator: synthesis.PageGenerator,
        pages: Sequence[documents.DocumentPage],
        *,
        seed: int,
        real_share: float = 0.55,
    ) -> None:
        self._generator, self._pages, self._seed = generator, pages, seed
        self._real_share = real_share if pages else 0.0
        self._step = 0

    def start_at(self, step: int) -> None:
        """Draws another stream for another step, so that a resumed run does not see the same crops again."""
        self._step = step

    def __iter__(self) -> Iterator[Crop]:
        rng = np.random.default_rng((self._seed, self._step))
        waiting: list[Crop] = []
        failures = 0
        while failures < _FAILURES:
            page, dpi = self._labelled_page(rng)
            crops = [cut_crop(page, dpi, rng) for _ in range(_CROPS_A_PAGE)] if page is not None else []
            good = [crop for crop in crops if crop is not None and len(crop.pairs)]
            failures = 0 if good else failures + 1
            waiting.extend(good)
            while len(waiting) > _BUFFER:
                yield waiting.pop(int(rng.integers(len(waiting))))
        raise RuntimeError(f"{_FAILURES} pages in a row gave no text: look at the fonts and PDFs given for training")

    def _labelled_page(self, rng: np.random.Generator) -> tuple[LabelledPage | None, float]:
        if rng.random() >= self._real_share:
            return self._generator.labelled_page(rng), synthesis.DPI
        dpi = float(rng.uniform(110, 170))
        page = self._pages[int(rng.integers(len(self._pages)))]
        return documents.labelled_page(page, dpi), dpi


def running_text(pages: Sequence[documents.DocumentPage], most: int) -> list[str]:
    """Tokens in reading order from up to `most` pages, to be set again in other fonts."""
    tokens: list[str] = []
    for page in pages[:most]:
        tokens.extend(documents.read_tokens(page))
    return tokens


def dictionary(folders: Sequence[Path]) -> list[str]:
    """Every word of the word lists (one a line) below the folders."""
    words: set[str] = set()
    for folder in folders:
        for path in sorted(folder.iterdir()):
            if path.is_file() and not path.name.startswith("README"):
                words.update(line.strip() for line in path.read_text(encoding="utf-8", errors="ignore").splitlines())
    return sorted(word for word in words if word and " " not in word and len(word) < 24)
