"""numpy's memory as a tensor of torch, without a copy."""

import ctypes
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch


def tensor(array: NDArray[np.generic]) -> "torch.Tensor":
    """The same memory (a copy of a strided array); the caller keeps what it gave alive.

    `torch.from_numpy` warns of read-only memory, which a mapped shard is; we only read.
    """
    import torch

    if not array.flags.c_contiguous:
        return torch.from_numpy(np.ascontiguousarray(array))
    kind = {"int8": torch.int8, "float16": torch.float16}[array.dtype.name]
    memory = (ctypes.c_uint8 * array.nbytes).from_address(array.ctypes.data)
    return torch.frombuffer(memory, dtype=kind).view(array.shape)
