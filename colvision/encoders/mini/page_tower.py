"""The page tower: a convolutional network in int8, run by ONNX Runtime on any processor.

Its whole numbers are the same everywhere: weights of 7 bits keep the sums of two products within the 16 bits that
processors without VNNI add in. What is left to differ is rounding, so vectors agree between machines to .999 and more.
"""

import os
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from colvision.core.embedding import Floats
from colvision.encoders.mini.geometry import BLOCK, DIM
from colvision.errors import WeightsMismatch
from colvision.parallel import usable_cores

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


class TowerOutput(NamedTuple):
    """What the tower sees in images of one size."""

    vectors: Floats  # (n, rows, cols, DIM), unit length
    ink: Floats  # (n, rows, cols), logit that the patch carries any print
    letters: Floats  # (n, rows, 4 * cols, LETTERS), logits


class PageTower:
    """Loaded when the first page is read: a query needs none of it."""

    def __init__(self, network: Path) -> None:
        self._network = network
        self._loading = Lock()

    def read(self, images: NDArray[np.uint8]) -> TowerOutput:
        """(n, height, width) grey, the sides multiples of the patch. Any number of threads may call it."""
        with self._loading:
            session = self._session
        patches, letters = session.run(["patches", "letters"], {"blocks": ink_in_blocks(images)})
        heads = np.moveaxis(patches, 1, -1)  # (n, rows, cols, DIM + 1)
        vectors = heads[..., :DIM] / np.linalg.norm(heads[..., :DIM], axis=-1, keepdims=True)
        return TowerOutput(vectors, heads[..., DIM], np.moveaxis(letters, 1, -1))

    @cached_property
    def _session(self) -> "InferenceSession":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = _threads()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave others the core
        options.enable_mem_pattern = False  # pages are of many sizes: what is planned for one serves no other
        options.log_severity_level = 3  # errors
        try:
            return onnxruntime.InferenceSession(self._network, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own exceptions have no common base of theirs
            raise WeightsMismatch(
                f"mini's page tower at {self._network} cannot be loaded by onnxruntime {onnxruntime_version()} "
                f"({type(error).__name__}: {error}): install colvision again, or a newer onnxruntime"
            ) from error


def onnxruntime_version() -> str:
    """Its builds for GPUs and other processors go by names of their own."""
    try:
        return version("onnxruntime")
    except PackageNotFoundError:
        import onnxruntime

        return f"{onnxruntime.__version__} ({onnxruntime.get_device()})"


def _threads() -> int:
    """One for each core that the process may use, or fewer if `OMP_NUM_THREADS` says so, which numpy heeds as well."""
    allowed = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return min(int(allowed) if allowed.isdecimal() and int(allowed) else usable_cores(), usable_cores())


def ink_in_blocks(images: NDArray[np.uint8]) -> Floats:
    """(n, height, width) grey -> (n, 16, height / 4, width / 4) ink in 0..1, the pixels of a block as channels."""
    count, height, width = images.shape
    blocks = images.reshape(count, height // BLOCK, BLOCK, width // BLOCK, BLOCK).transpose(0, 2, 4, 1, 3)
    ink: Floats = np.float32(1) - blocks.astype(np.float32) / np.float32(255)
    return ink.reshape(count, BLOCK * BLOCK, height // BLOCK, width // BLOCK)
