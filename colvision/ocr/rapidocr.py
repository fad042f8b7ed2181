"""RapidOCR: PaddleOCR's models, which come with it, on ONNX Runtime. Nothing is fetched."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from PIL import Image

from colvision.core.page import Box, PrintedWord
from colvision.ocr.engine import MAX_WORDS, OcrFailure
from colvision.parallel import usable_cores

_Quad = Sequence[Sequence[float]]  # (4, 2) the corners of a word in pixels, from its top left clockwise


class RapidOcr:
    """Its models are loaded by the first page."""

    def __init__(self) -> None:
        self.name = f"rapidocr {version('rapidocr')}"
        self._engine: Any = None
        self._lock = threading.Lock()  # the engine keeps the options of a call in itself

    def read(self, image: Image.Image) -> tuple[PrintedWord, ...]:
        pixels = np.asarray(image.convert("RGB"))[:, :, ::-1]  # (height, width, 3), blue first as OpenCV has it
        with self._lock:
            try:
                self._engine = self._engine or _load()
                found = self._engine(pixels, return_word_box=True)
            except Exception as error:  # whatever a library does to one page, the others are read
                raise OcrFailure(f"could not be read by RapidOCR ({type(error).__name__}: {error})") from error
        lines = found.word_results if getattr(found, "txts", None) else ()
        return tuple(_words(lines, image.size))[:MAX_WORDS]


def _load() -> Any:  # noqa: ANN401  of a package that this one does not need to be installed
    from rapidocr import RapidOCR

    threads = usable_cores()
    options = {"intra_op_num_threads": threads, "inter_op_num_threads": 1}
    params = {f"EngineConfig.onnxruntime.{name}": value for name, value in options.items()}
    return RapidOCR(params={**params, "Global.log_level": "critical"})


def _words(lines: Iterable[Iterable[tuple[str, float, _Quad]]], size: tuple[int, int]) -> Iterator[PrintedWord]:
    width, height = size
    for line in lines:
        for text, confidence, corners in line:
            if not text.strip() or corners is None:
                continue
            xs, ys = np.clip(np.asarray(corners, np.float64).T / np.array([[width], [height]]), 0.0, 1.0)
            box = Box(*(float(edge) for edge in (xs.min(), ys.min(), xs.max(), ys.max())))
            yield PrintedWord(text.strip(), box, min(max(float(confidence), 0.0), 1.0))
