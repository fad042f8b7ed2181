"""mini as an encoder: pages are brought to the size it reads, encoded one by one, blank patches left out."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from colvision.core.embedding import Floats, PageEmbedding, PatchGrid, QueryEmbedding
from colvision.core.encoder import Calibration, EncoderInfo
from colvision.core.health import Note
from colvision.core.page import Page
from colvision.encoders.mini.geometry import DPI, PATCH_HEIGHT, PATCH_WIDTH
from colvision.encoders.mini.model import DIM, PageTower, QueryTower
from colvision.encoders.mini.words import foreign_script, query_words
from colvision.encoders.precision import computes_bfloat16
from colvision.errors import EncoderNotFound, WeightsMismatch
from colvision.parallel import parallel_map, single_threaded_torch

SHIPPED = Path(__file__).with_name("weights.safetensors")
# Changes with the way pages are brought to size: part of the fingerprint. Stored pages do not depend on query words.
_READING_VERSION = "2"
_LETTER_AREA = 832 * 1088  # pixels of a US Letter page at 98 dpi
_SMALLEST, _LARGEST = 0.12, 2.0  # of that area: below it a page is enlarged, above it (A2, posters) it is shrunk
_LEAST_INK = -1.0  # logit: a patch is kept from a probability of print of about a quarter on
_LONGEST_SIDE = 8192  # pixels, for pages that are all width or all height
# A page whose letters are named with less confidence than this may lie on its side or stand on its head. Of 50 scans of
# the development set, light and heavy, upright ones have .67 to .89 (5 % to 95 %), those on their head .44 to .61 (most
# .63), those on their side .24 to .36; the upright reading of a page always had the highest legibility.
_MIN_CONFIDENCE = 0.66
# A font of 7.5 pt at that resolution: a third of the words are read at 7 pt, five in six at 9 pt (docs/mini.md).
_SMALLEST_PRINT = 7.5 / 72 * DPI
_ONLY_TEXT = ": only its text layer can be found"
_MIN_LETTER_CELLS = 60  # cells: two lines or so; strokes of a drawing are taken for some
_ROTATIONS = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)


class MiniEncoder:
    """The embedded page reader: words printed in Latin letters. It knows no synonyms and no photographs or drawings."""

    def __init__(self, weights: Path = SHIPPED) -> None:
        tensors, settings = _read_weights(weights)
        self._page, self._query = PageTower(), QueryTower()
        _load_tower(self._page, tensors, "page.", weights)
        _load_tower(self._query, tensors, "query.", weights)
        self._page.eval().requires_grad_(False)
        self._query.eval().requires_grad_(False)
        _fold_norms(self._page)
        self._page.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
        self._uses_bfloat16 = computes_bfloat16(torch.device("cpu"))
        calibration = Calibration(slope=settings["link_slope"], midpoint=settings["link_midpoint"])
        digest = hashlib.sha256(weights.read_bytes())
        slope, midpoint = calibration.slope, calibration.midpoint
        # What a calibration was called when the first libraries were filled: other words would be another fingerprint.
        digest.update(f"reading {_READING_VERSION} link Link({slope=}, {midpoint=})".encode())
        self._info = EncoderInfo(
            name="mini",
            fingerprint=digest.hexdigest(),
            dim=DIM,
            quantisation_range=settings["code_range"],
            calibration=calibration,
            versions={"torch": version("torch"), "pillow": version("pillow")},
        )

    @property
    def info(self) -> EncoderInfo:
        return self._info

    def encode_pages(self, pages: Iterable[Page]) -> Iterator[PageEmbedding]:
        """Page by page: on a CPU a batch is no faster, and so a page's vectors cannot depend on its neighbours."""
        for page in pages:
            yield self._encode_page(page)

    def encode_queries(self, texts: Sequence[str]) -> list[QueryEmbedding]:
        """One vector a word, several for a code that may be printed in several ways; see `query_words`.

        Raises `ValueError` for a text without a letter or digit.
        """
        return parallel_map(self._encode_query, texts)

    def unreadable(self, page: Page) -> tuple[Note, ...]:
        """Scripts other than Latin and print that is too small, as far as the page's text layer tells."""
        notes = []
        if script := foreign_script(page.text):
            notes.append(Note("script", f"is printed in {script} letters, which mini does not read{_ONLY_TEXT}"))
        if page.print_height is not None and page.print_height * _scale(page, page.image.size) < _SMALLEST_PRINT:
            notes.append(Note("small", f"is printed in letters that are too small for mini to read{_ONLY_TEXT}"))
        return tuple(notes)

    def _encode_page(self, page: Page) -> PageEmbedding:
        vectors, cells, legibility, confidence = self._read(resize_page(page))
        if confidence < _MIN_CONFIDENCE:
            for quarters, rotation in enumerate(_ROTATIONS, start=1):
                rotated = self._read(resize_page(page, rotation))
                if rotated.legibility > legibility:
                    legibility = rotated.legibility
                    vectors, cells = rotated.vectors, np.rot90(rotated.cells, -quarters)
        return PageEmbedding.from_patches(vectors, PatchGrid(np.ascontiguousarray(cells)))

    def _read(self, image: NDArray[np.uint8]) -> "_Reading":
        ink = torch.from_numpy(image).to(torch.float32).div_(255).neg_().add_(1)[None, None]
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=self._uses_bfloat16):
            output = self._page(ink.contiguous(memory_format=torch.channels_last))
        printed = output.ink[0].numpy()  # (rows, cols)
        kept = printed > min(_LEAST_INK, float(printed.max()))
        if not kept.any():
            kept = printed == printed.max()
        cells = np.full(kept.shape, -1, dtype=np.int32)
        cells[kept] = np.arange(kept.sum(), dtype=np.int32)
        vectors = output.vectors[0].permute(1, 2, 0).numpy()[kept]  # (n, DIM)
        return _Reading(np.ascontiguousarray(vectors, dtype=np.float32), cells, *_legibility(output.letters[0], kept))

    def _encode_query(self, text: str) -> QueryEmbedding:
        """In a thread of the pool: with OpenMP's threads products so small take ten times longer on a busy machine."""
        single_threaded_torch()
        words = query_words(text)
        if not words:
            raise ValueError(f"query {text!r} has no letter or digit to look for")
        spelled = [
            (place, way, run)
            for place, each in enumerate(words)
            for way, runs in enumerate(each.spellings)
            for run in runs
        ]
        tokens = [run for *_, run in spelled]
        word = np.array([place for place, *_ in spelled], dtype=np.int32)
        with torch.inference_mode():
            vectors: Floats = self._query(tokens).numpy()
        return QueryEmbedding(
            text=text,
            vectors=vectors,
            tokens=tuple(tokens),
            is_query=np.ones(len(tokens), dtype=np.bool_),
            weights=(1 / np.bincount(word)[word]).astype(np.float32),  # a code weighs as much as a word
            words=tuple(each.text for each in words),
            word=word,
            spelling=tuple(way for _, way, _ in spelled),
            unread=frozenset(each.text for each in words if each.is_unread),
        )


class _Reading(NamedTuple):
    """A page as it was read one way up."""

    vectors: Floats  # (n, DIM)
    cells: NDArray[np.int32]  # (rows, cols)
    legibility: float
    confidence: float


def _legibility(letters: Tensor, kept: NDArray[np.bool_]) -> tuple[float, float]:
    """How well the letters (LETTERS, rows, 4 * cols) of the printed patches can be named, for telling which way is up.

    The legibility is the mean of the best name's probability over all cells of printed patches, cells without a letter
    counting 0; the confidence is the mean over the cells that have one.
    """
    printed = torch.from_numpy(np.repeat(kept, letters.shape[2] // kept.shape[1], axis=1))
    probabilities = letters[:, printed].softmax(dim=0)  # (LETTERS, cells); class 0 is no letter
    named = probabilities[0] < 0.5
    if int(named.sum()) < _MIN_LETTER_CELLS:
        return 0.0, 1.0  # a drawing or a blank page: no way up is better
    best = probabilities[1:, named].amax(dim=0)
    return float(best.sum() / len(named)), float(best.mean())


def resize_page(page: Page, rotation: Image.Transpose | None = None) -> NDArray[np.uint8]:
    """(height, width) grey, the sides multiples of the patch, rotated where a rotation is given.

    A PDF page says its size in points and comes at 98 dpi; an image file does not, and is taken for a Letter page.
    """
    grey = page.image.convert("L")
    if rotation is not None:
        grey = grey.transpose(rotation)
    width, height = grey.size
    scale = _scale(page, grey.size)
    rows = _count_patches(height * scale, PATCH_HEIGHT)
    cols = _count_patches(width * scale, PATCH_WIDTH)
    return np.array(grey.resize((cols * PATCH_WIDTH, rows * PATCH_HEIGHT), Image.Resampling.BICUBIC))


def _scale(page: Page, size: tuple[int, int]) -> float:
    """The sides of a page as mini reads it, by those of its image of this `size`."""
    area = float(_LETTER_AREA)
    if page.geometry is not None:
        points = page.geometry.size
        area = points[0] * points[1] * (DPI / 72) ** 2
        area = min(max(area, _SMALLEST * _LETTER_AREA), _LARGEST * _LETTER_AREA)
    scale: float = (area / (size[0] * size[1])) ** 0.5
    return scale


def _count_patches(pixels: float, patch: int) -> int:
    return max(1, min(round(pixels / patch), _LONGEST_SIDE // patch))


def _read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, float]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a mapping
    except FileNotFoundError:
        raise EncoderNotFound(f"mini's weights are missing at {path}: install colvision again") from None
    except SafetensorError as error:
        raise WeightsMismatch(f"mini's weights at {path} are damaged ({error}): install colvision again") from error
    if "mini" not in metadata:
        raise WeightsMismatch(f"{path} holds no weights of mini: it has no 'mini' record beside its tensors")
    settings: dict[str, float] = json.loads(metadata["mini"])
    return tensors, settings


def _load_tower(tower: nn.Module, tensors: dict[str, Tensor], prefix: str, path: Path) -> None:
    """Every weight of the tower from the file, none left over: load or refuse."""
    own = {name.removeprefix(prefix): value.float() for name, value in tensors.items() if name.startswith(prefix)}
    wanted = {name: value for name, value in tower.state_dict().items() if not name.endswith("num_batches_tracked")}
    odd = sorted(set(own) ^ set(wanted)) or sorted(n for n in own if own[n].shape != wanted[n].shape)
    if odd:
        raise WeightsMismatch(
            f"{path} does not fit this version of mini: {len(odd)} weights are missing, unexpected or of another "
            f"shape, such as {prefix}{odd[0]}; install colvision again"
        )
    tower.load_state_dict(own, strict=False)


def _fold_norms(tower: nn.Module) -> None:
    """Batch norm is a scale and a shift once trained: they go into the convolution before it."""
    for module in tower.modules():
        if isinstance(module, nn.Sequential):
            for name, child in list(module.named_children()):
                if isinstance(child, nn.BatchNorm2d):
                    before = str(int(name) - 1)
                    convolution = module.get_submodule(before)
                    if not isinstance(convolution, nn.Conv2d):
                        raise TypeError(f"a batch norm follows {type(convolution).__name__}, not a convolution")
                    fused = nn.utils.fusion.fuse_conv_bn_eval(convolution, child)
                    setattr(module, before, fused)
                    setattr(module, name, nn.Identity())
