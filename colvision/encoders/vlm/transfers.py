"""Copies between this machine's memory and a device's. With CUDA they are queued behind what it computes, and only who
needs the result waits.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from colvision.core.embedding import Floats


def pinned(tensors: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """The tensors in memory that the system leaves in its place, from which a CUDA device copies by itself; as they
    are for other devices.
    """
    return {name: tensor.pin_memory() if device.type == "cuda" else tensor for name, tensor in tensors.items()}


def to_device(tensors: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """The tensors on the device. With CUDA, pinned ones are waited for by what it computes next, not here."""
    return {name: tensor.to(device, non_blocking=device.type == "cuda") for name, tensor in tensors.items()}


class HostCopy:
    """A tensor on its way back from a device; with CUDA, the copy is only begun when this is made."""

    def __init__(self, tensor: Tensor) -> None:
        self._done: torch.cuda.Event | None = None
        if tensor.device.type != "cuda":
            self._copy = tensor.cpu()
            return
        self._copy = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        self._copy.copy_(tensor, non_blocking=True)
        self._done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]  # leaves the core to others
        self._done.record(torch.cuda.current_stream(tensor.device))

    def array(self) -> Floats:
        """Waits for the copy."""
        if self._done is not None:
            self._done.synchronize()
        array: Floats = self._copy.numpy()
        return array
