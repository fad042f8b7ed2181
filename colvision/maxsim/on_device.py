"""int8 and 1-bit MaxSim on a torch device: the numbers that this processor's kernels give, bit for bit.

Codes, and signs as 1 and -1, are multiplied as whole numbers, exact as int32 and, since no sum passes 2^24, as float32:
also where a device rounds the factors of float32 to bfloat16, which holds 127. The scales come last, by numpy, as in
`int8`. torch is imported by what needs it: the base install has none.
"""

from __future__ import annotations

import importlib.util
import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from colvision.core.embedding import Floats
from colvision.errors import LibraryError, MissingExtra
from colvision.maxsim.binary import Bits
from colvision.maxsim.int8 import query_codes
from colvision.maxsim.quantisation import Codes
from colvision.maxsim.selection import Pages, PageSelection, Starts, select_pages

if TYPE_CHECKING:
    from torch import Tensor

_log = logging.getLogger("colvision.maxsim")

WORK_BYTES = 256 << 20  # of products that a device holds at once, beside the pages
_COPIED_BYTES = 32 << 20  # of pages that are on their way to a device
_TOKENS = 8  # by which torch's int8 product on CUDA counts tokens
_DIMS, _ROWS = 16, 32  # what it needs of dimensions, a multiple, and of rows, at least
_FEW = 2  # pages are gathered where fewer than one in so many are compared


class ExactDevice:
    """A device of torch that was seen to multiply whole numbers exactly; safe to share between threads, one at a time.

    Raises `ValueError` for one that this machine lacks or that rounds, `MissingExtra` without torch.
    """

    def __init__(self, name: str) -> None:
        if importlib.util.find_spec("torch") is None:
            raise MissingExtra(f"a search on {name!r} needs torch, not installed here: pip install 'colvision[vlm]'")
        import torch

        kind, _, number = name.partition(":")
        available = {"cuda": torch.cuda.device_count(), "cpu": 1}
        if not (number or "0").isdecimal() or int(number or 0) >= available.get(kind, 0):
            found = ", ".join(f"{count} x {kind}" for kind, count in available.items() if count)
            raise ValueError(
                f"search device {name!r} is not on this machine, or none that searches; torch finds {found}"
            )
        self.name = name
        self._device = torch.device(name)
        self._lock = threading.Lock()
        self._has_int8 = False
        if not self._is_exact():
            raise ValueError(f"search device {name!r} does not compute whole numbers exactly, as the processor does")
        self._has_int8 = True
        self._has_int8 = self._is_exact() and self._has_int8  # which a refused product takes back

    def free_bytes(self) -> int | None:
        """What other programs and tensors leave free now; None for the processor, whose memory is the machine's."""
        import torch

        return torch.cuda.mem_get_info(self._device)[0] if self._device.type == "cuda" else None

    def store(self, rows: NDArray[np.int8] | NDArray[np.uint8]) -> Tensor:
        """A copy on the device. Raises `MemoryError` where it has no room."""
        import torch

        with self._lock:
            try:
                stored = torch.empty(rows.shape, dtype=getattr(torch, rows.dtype.name), device=self._device)
            except torch.cuda.OutOfMemoryError as error:
                raise MemoryError(str(error)) from error
            step = max(_COPIED_BYTES // max(rows[:1].nbytes, 1), 1)
            for first in range(0, len(rows), step):
                piece = np.array(rows[first : first + step])  # a mapped file is read-only, which torch warns of
                stored[first : first + step] = torch.from_numpy(piece)
            return stored

    def maxima(self, tokens: Codes, stored: DevicePages, pages: Pages | None) -> NDArray[np.int32]:
        """Each page's largest products: (pages, t). Raises `LibraryError` where other programs took the memory."""
        import torch

        selection = select_pages(len(stored.rows), stored.starts, pages)
        if len(selection.pages) == 0 or len(tokens) == 0:
            return np.zeros((len(selection.pages), len(tokens)), np.int32)
        if pages is not None and len(pages) * _FEW >= len(stored.starts) - 1:
            return self.maxima(tokens, stored, None)[pages]
        padded = np.concatenate([tokens, np.repeat(tokens[:1], -len(tokens) % _TOKENS, axis=0)])
        is_copied = pages is not None or stored.is_bits or not self._takes_int8(tokens.shape[1])
        vectors = max(WORK_BYTES // (8 * len(padded) + (8 * tokens.shape[1] if is_copied else 0)), 1)
        with self._lock:
            try:
                on_device = torch.from_numpy(padded).to(self._device)
                blocks = [self._block_maxima(stored, block, on_device) for block in selection.blocks(vectors)]
                found: NDArray[np.float32] = torch.cat(blocks)[:, : len(tokens)].cpu().numpy()
            except torch.cuda.OutOfMemoryError as error:
                raise LibraryError(
                    f"search device {self.name!r} has no memory left to compare pages: give the library less of it, or "
                    "search by the processor"
                ) from error
        return found.astype(np.int32)

    def _block_maxima(self, stored: DevicePages, block: PageSelection, tokens: Tensor) -> Tensor:
        import torch

        lengths = torch.from_numpy(np.diff(block.ends)).to(self._device)
        products = self._products(self._rows(stored, block, lengths), tokens)
        return torch.segment_reduce(products, "max", lengths=lengths, axis=0, unsafe=True)

    def _rows(self, stored: DevicePages, block: PageSelection, lengths: Tensor) -> Tensor:
        """The vectors of the block's pages end to end, int8."""
        import torch

        runs = block.runs(stored.starts)
        if len(runs) == 1:
            rows = stored.rows[slice(*runs[0])]
        else:
            total = int(block.ends[-1])
            shifts = torch.from_numpy(stored.starts[block.pages] - block.ends[:-1]).to(self._device)
            places = torch.arange(total, device=self._device)
            rows = stored.rows[places + torch.repeat_interleave(shifts, lengths, output_size=total)]
        if not stored.is_bits:
            return rows
        bits = torch.arange(8, dtype=torch.uint8, device=self._device)
        is_set = (rows[:, :, None] >> bits) & 1  # (n, dim / 8, 8)
        return is_set.to(torch.int8).mul_(2).sub_(1).flatten(1)

    def _products(self, rows: Tensor, tokens: Tensor) -> Tensor:
        """(n, dim) and (t, dim) int8 -> (n, t) float32."""
        import torch

        # float16 would end at 65,504. `_int_mm` is a private name, and wrong for one dimension in torch 2.13.
        if len(rows) >= _ROWS and self._takes_int8(rows.shape[1]):
            try:
                return torch._int_mm(rows, tokens.T).to(torch.float32)
            except torch.cuda.OutOfMemoryError:
                raise
            except RuntimeError as error:  # cuBLAS has no kernel for some shapes on some GPUs
                _log.info("%s multiplies as float32 from now on: %s", self.name, error)
                self._has_int8 = False
        return rows.to(torch.float32) @ tokens.to(torch.float32).T

    def _takes_int8(self, dim: int) -> bool:
        return self._has_int8 and dim % _DIMS == 0

    def _is_exact(self) -> bool:
        """Whether the largest sums, and signs, come out as numpy has them."""
        rng = np.random.default_rng(0)
        starts = np.cumsum([0, 1, 30, 2, 64, 3], dtype=np.int64)
        for dim in (64, 1024):
            codes = rng.choice(np.array([-127, -1, 0, 126, 127], np.int8), (starts[-1], dim))
            tokens = np.concatenate([codes[40:44], -codes[:1]])
            expected = np.maximum.reduceat(codes.astype(np.int64) @ tokens.T.astype(np.int64), starts[:-1], axis=0)
            try:
                if not np.array_equal(self.maxima(tokens, DevicePages.of_codes(codes, starts, self), None), expected):
                    return False
            except (RuntimeError, AttributeError, TypeError):  # a version of torch, or a GPU, that has it not
                return False
        return True


@dataclass(frozen=True, slots=True, eq=False)
class DevicePages:
    """Pages on a device: `rows` are their codes (n, dim) int8, or their sign bits (n, dim / 8) uint8, end to end.

    Made once, `token_maxima` and `bit_maxima` answer as the functions of these names do.
    """

    device: ExactDevice
    rows: Tensor
    starts: Starts

    @classmethod
    def of_codes(cls, codes: Codes, starts: Starts, device: ExactDevice) -> DevicePages:
        """Raises `MemoryError`."""
        return cls(device, device.store(codes), starts)

    @classmethod
    def of_bits(cls, bits: Bits, starts: Starts, device: ExactDevice) -> DevicePages:
        """Raises `MemoryError`."""
        return cls(device, device.store(bits.astype("<u8", copy=False).view(np.uint8)), starts)

    @property
    def is_bits(self) -> bool:
        return self.rows.element_size() == 1 and not self.rows.is_signed()

    @property
    def nbytes(self) -> int:
        return int(self.rows.nbytes)

    def token_maxima(self, query: Floats, quantisation_range: float, *, pages: Pages | None = None) -> Floats:
        """Each page's best similarity for each query token, by its codes: (pages, t) float32."""
        tokens, scales = query_codes(query, quantisation_range)
        return self.device.maxima(tokens, self, pages).astype(np.float32) * scales

    def bit_maxima(self, query: Floats, *, pages: Pages | None = None) -> NDArray[np.int32]:
        """Each page's best agreement for each query token, by its signs: (pages, t) int32."""
        signs = np.where(query > 0, np.int8(1), np.int8(-1))
        return self.device.maxima(signs, self, pages)
